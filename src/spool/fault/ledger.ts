/** Runs the workload with faults, and compares the spool with the promises made. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { silentLog, systemClock } from '../../base/index.ts';
import { parseQueueId, type QueueId } from '../../mail/index.ts';
import { allOctets, patternOctets, sampleEnvelope } from '../contract/sample.ts';
import { openSpool } from '../index.ts';

/** The promises that the workload got before it ended. */
export interface Ledger {
  readonly accepted: ReadonlyMap<QueueId, number>;
  readonly attempts: ReadonlyMap<QueueId, number>;
  readonly removing: ReadonlySet<QueueId>;
  readonly refused: number;
  readonly end: 'done' | 'stuck' | 'unopened' | 'killed';
  readonly stderr: string;
}

const workload = fileURLToPath(new URL('./workload.ts', import.meta.url));

/** Whether system calls can be made to fail here. */
export function canInject(): boolean {
  const run = spawnSync('strace', ['-o', '/dev/null', '-e', 'inject=fsync:error=EIO:when=1', 'true']);
  return run.error === undefined && run.status === 0;
}

/** How the workload is started: the program before `node`, and its arguments. */
export type Launcher = readonly [string, ...string[]];

/** Under strace. A count in an injection is of the calls of one thread; there is one for all file work. */
export function straced(args: readonly string[]): Launcher {
  return ['strace', '-f', '-qq', ...args];
}

export interface WorkloadOptions {
  readonly path: string;
  readonly rounds: number;
  readonly launcher: Launcher;
}

/** Runs the workload to its end, of any kind. */
export async function runWorkload({ path, rounds, launcher }: WorkloadOptions): Promise<Ledger> {
  const [program, ...args] = launcher;
  const child = spawn(program, [...args, process.execPath, workload, path, String(rounds)], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, UV_THREADPOOL_SIZE: '1' },
  });
  let output = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  await new Promise((resolve) => child.on('close', resolve));
  return parseLedger(output, stderr);
}

function parseLedger(output: string, stderr: string): Ledger {
  const accepted = new Map<QueueId, number>();
  const attempts = new Map<QueueId, number>();
  const removing = new Set<QueueId>();
  let refused = 0;
  let end: Ledger['end'] = 'killed';
  for (const line of output.split('\n').filter((text) => text !== '')) {
    const [word, name = '', count] = line.split(' ');
    const id = parseQueueId(name);
    if (word === 'done' || word === 'stuck' || word === 'unopened') end = word;
    else if (id === undefined) throw new Error(`the workload said ${JSON.stringify(line)}`);
    else if (word === 'accepted') accepted.set(id, Number(count));
    else if (word === 'attempted') attempts.set(id, Number(count));
    else if (word === 'removing') removing.add(id);
    else refused++;
  }
  return { accepted, attempts, removing, refused, end, stderr };
}

/** Opens the spool after the workload and compares it with the promises. */
export async function checkLedger(path: string, ledger: Ledger): Promise<void> {
  await using spool = await openSpool({
    path,
    clock: systemClock,
    log: silentLog,
    floorBytes: 0,
    checkOctets: true,
  });
  const present = new Set(spool.walk());
  assert.equal(present.size, spool.count());
  for (const [id, size] of ledger.accepted) {
    if (ledger.removing.has(id)) continue;
    assert.ok(present.has(id), `${id} was accepted and is lost`);
    assert.equal(spool.octets(id)?.size, size);
    const [entry] = spool.entries(id);
    const attempts = ledger.attempts.get(id) ?? 0;
    assert.ok(entry !== undefined && entry.attempts >= attempts, `${id} lost attempt ${attempts}`);
  }
  for (const id of present) {
    const stored = spool.octets(id);
    assert.ok(stored !== undefined);
    assert.ok((await allOctets(stored)).equals(patternOctets(stored.size)), `${id} is not what was accepted`);
    assert.deepEqual(spool.envelope(id), sampleEnvelope());
    const [entry, ...others] = spool.entries(id);
    assert.ok(entry !== undefined && others.length === 0);
    assert.equal(entry.held, undefined, `${id} is held: ${entry.held}`);
    const scheduled = spool.due(entry.lane, { until: entry.dueAt, limit: 1000 });
    assert.ok(
      scheduled.some((found) => found.id === id),
      `${id} is in no schedule`,
    );
  }
}
