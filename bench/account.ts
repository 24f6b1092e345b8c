/**
 * The cost of a relay: processor time and memory of all its processes.
 *
 * Where a cgroup can be made, the relay is started inside one: every process it ever has is counted, the short-lived
 * ones of Postfix too. Elsewhere the tree of processes is read from /proc, with the time of children that were waited
 * for; a process that left the tree is then missed, and the report says which way was used.
 */
import { mkdirSync, readdirSync, readFileSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';

/** Memory of all processes of a relay, in octets. */
export interface Memory {
  /** Anonymous resident memory: heap, stacks, buffers. */
  readonly anonymous: number;
  /** Proportional set size: shared pages are divided among their users. Costly to read. */
  readonly proportional?: number;
  readonly processes: number;
}

export interface Account {
  readonly how: 'cgroup' | 'proc';
  /** A command line to which the relay's is appended, so that it starts inside the account. */
  readonly under: readonly string[];
  /** In the way `proc`, the process whose tree is read. */
  follow(pid: number): void;
  /** User plus system seconds so far. */
  cpuSeconds(): number;
  memory(options?: { readonly proportional: boolean }): Memory;
  /** Processes that are still there. */
  processes(): readonly number[];
  close(): Promise<void>;
}

const root = ['/sys/fs/cgroup', '/sys/fs/cgroup/unified'].find(
  (path) => read(join(path, 'cgroup.procs')) !== '',
);
let opened = 0;
const cgroups = new Map<string, () => readonly number[]>();

/** For an interrupted run: ends every process in an open account and removes the accounts. */
export async function abandonAccounts(): Promise<void> {
  for (const [folder, processes] of cgroups) await removeCgroup(folder, processes, 0);
}

/** Waits for the group to be empty, after `graceMs` with force, and removes it. */
async function removeCgroup(
  folder: string,
  processes: () => readonly number[],
  graceMs: number,
): Promise<void> {
  const forceAt = performance.now() + graceMs;
  for (;;) {
    try {
      // Not while there is a process in it, be it one that has ended and was not waited for, which no list shows.
      rmdirSync(folder);
      break;
    } catch (error) {
      if (performance.now() >= forceAt + 5_000) throw error;
    }
    if (performance.now() >= forceAt) for (const pid of processes()) process.kill(pid, 'SIGKILL');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  cgroups.delete(folder);
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

/** Opens an account for one start of one relay. */
export function openAccount(name: string): Account {
  if (root !== undefined) {
    const folder = join(root, `bench-${process.pid}-${name}-${++opened}`);
    try {
      mkdirSync(folder);
      if (read(join(folder, 'cpu.stat')).includes('usage_usec')) return cgroupAccount(folder);
      rmdirSync(folder);
    } catch {
      // Not root, or a read-only mount: /proc will do.
    }
  }
  return procAccount();
}

function cgroupAccount(folder: string): Account {
  const processes = (): readonly number[] =>
    read(join(folder, 'cgroup.procs')).split('\n').filter(Boolean).map(Number);
  cgroups.set(folder, processes);
  return {
    how: 'cgroup',
    under: ['/bin/sh', '-c', `echo $$ > ${folder}/cgroup.procs && exec "$@"`, 'sh'],
    follow: () => {},
    cpuSeconds: () => Number(/usage_usec (\d+)/.exec(read(join(folder, 'cpu.stat')))?.[1] ?? 0) / 1e6,
    memory: (options) => sumMemory(processes(), options?.proportional ?? false),
    processes,
    close: () => removeCgroup(folder, processes, 5_000),
  };
}

interface ProcessTimes {
  readonly pid: number;
  readonly parent: number;
  readonly ticks: number;
}

/** pid, parent and user + system + waited children's ticks of 10 ms (proc(5), fields 4 and 14 to 17). */
function processTimes(pid: number): ProcessTimes | undefined {
  const stat = read(`/proc/${pid}/stat`);
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  if (fields.length < 15) return undefined;
  return {
    pid,
    parent: Number(fields[1]),
    ticks: fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0),
  };
}

function procAccount(): Account {
  let top = 0;
  const tree = (): readonly ProcessTimes[] => {
    const all = readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .map((name) => processTimes(Number(name)))
      .filter((times) => times !== undefined);
    const members = new Set([top]);
    for (let before = 0; before !== members.size; ) {
      before = members.size;
      for (const one of all) if (members.has(one.parent)) members.add(one.pid);
    }
    return all.filter((one) => members.has(one.pid));
  };
  const processes = (): readonly number[] => tree().map((one) => one.pid);
  return {
    how: 'proc',
    under: [],
    follow: (pid) => {
      top = pid;
    },
    cpuSeconds: () => tree().reduce((sum, one) => sum + one.ticks, 0) / 100,
    memory: (options) => sumMemory(processes(), options?.proportional ?? false),
    processes,
    close: async () => {},
  };
}

function sumMemory(pids: readonly number[], proportional: boolean): Memory {
  const kilobytes = (text: string, key: string): number =>
    Number(new RegExp(`^${key}:\\s+(\\d+)`, 'm').exec(text)?.[1] ?? 0);
  let anonymous = 0;
  let pss = 0;
  for (const pid of pids) {
    anonymous += kilobytes(read(`/proc/${pid}/status`), 'RssAnon') * 1024;
    if (proportional) pss += kilobytes(read(`/proc/${pid}/smaps_rollup`), 'Pss') * 1024;
  }
  return { anonymous, processes: pids.length, ...(proportional ? { proportional: pss } : {}) };
}

/** Watches anonymous memory until stopped; gives the highest value seen. */
export function watchMemory(account: Account, everyMs: number): { stop(): Memory } {
  let peak = account.memory();
  const look = (): void => {
    const seen = account.memory();
    peak = {
      anonymous: Math.max(peak.anonymous, seen.anonymous),
      processes: Math.max(peak.processes, seen.processes),
    };
  };
  // A measurement that fails leaves its watch behind, which must not keep the program alive.
  const timer = setInterval(look, everyMs).unref();
  return {
    stop: () => {
      clearInterval(timer);
      look();
      return peak;
    },
  };
}
