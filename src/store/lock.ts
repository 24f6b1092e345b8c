/** The lock file of a store, which names its owner. */
import { linkSync, readFileSync, renameSync, unlinkSync, writeFileSync } from 'node:fs';
import { StoreError } from './error.ts';

/** A lock that is held. */
export interface ProcessLock {
  /** The previous owner died without releasing it. */
  readonly wasAbandoned: boolean;
  release(): void;
}

/**
 * Takes the lock at `path` for this process: a file that names its owner by process id, start time and
 * boot, so that neither a crash nor a process id that is used again leaves it stuck. Throws `StoreError`
 * `locked` while the owner lives, also when that is this process.
 */
export function lockProcess(path: string): ProcessLock {
  const mine = ownerOf(process.pid);
  let wasAbandoned = false;
  // Two processes that both find a dead owner: the renames let one through, the other starts over.
  for (let tries = 0; tries < 10; tries++) {
    if (create(path, mine)) return { wasAbandoned, release: () => release(path, mine) };
    const found = read(path);
    if (found === undefined) continue;
    if (isAlive(found)) {
      throw new StoreError('locked', `process ${pidOf(found)} has ${JSON.stringify(path)}`);
    }
    wasAbandoned = true;
    setAside(path, found);
  }
  throw new StoreError('locked', `${JSON.stringify(path)} changes hands all the time`);
}

function create(path: string, mine: string): boolean {
  // Written first and linked after: a reader never sees a lock without its owner.
  const temporary = `${path}.${process.pid}`;
  writeFileSync(temporary, mine, { mode: 0o600 });
  try {
    linkSync(temporary, path);
    return true;
  } catch (error) {
    if (isCode(error, 'EEXIST')) return false;
    throw error;
  } finally {
    unlinkSync(temporary);
  }
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (isCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}

/** Moves the dead owner's lock away, and puts it back when it turns out to be a new one. */
function setAside(path: string, dead: string): void {
  const aside = `${path}.${process.pid}.dead`;
  try {
    renameSync(path, aside);
  } catch (error) {
    if (isCode(error, 'ENOENT')) return;
    throw error;
  }
  if (read(aside) !== dead) linkSync(aside, path);
  unlinkSync(aside);
}

function release(path: string, mine: string): void {
  if (read(path) === mine) unlinkSync(path);
}

function pidOf(owner: string): number {
  return Number.parseInt(owner, 10);
}

function isAlive(owner: string): boolean {
  const pid = pidOf(owner);
  if (!(pid > 0)) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    if (isCode(error, 'ESRCH')) return false;
  }
  const found = ownerOf(pid);
  // Without a start time another process with the same id looks alike: better to refuse than to share the store.
  return found === owner || !found.includes(' ');
}

/** `pid start boot`; where /proc does not say, the process id alone has to do. A zombie has no start. */
function ownerOf(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name in parentheses may hold anything; the start time is the 20th field after it.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const start = fields[0] === 'Z' ? 'ended' : fields[19];
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    return `${pid} ${start} ${boot}\n`;
  } catch {
    return `${pid}\n`;
  }
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
