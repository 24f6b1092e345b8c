/** The facts of the machine that stand beside every figure. */
import { readFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';
import { run } from '../test/peers/program.ts';

export interface Machine {
  readonly date: string;
  readonly cpu: string;
  readonly cores: number;
  readonly memory: number;
  readonly kernel: string;
  readonly node: string;
  readonly filesystem: string;
  readonly congestionControl: string;
  readonly commit: string;
  /** Versions of the relays, filled in when they are made ready. */
  readonly versions: Record<string, string>;
}

async function output(command: string, args: readonly string[]): Promise<string> {
  return (await run(command, args, { cwd: import.meta.dirname })).stdout.trim();
}

function file(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return '';
  }
}

export async function machine(): Promise<Machine> {
  return {
    date: new Date().toISOString(),
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    memory: totalmem(),
    kernel: release(),
    node: process.version,
    filesystem: (await output('findmnt', ['-no', 'FSTYPE,OPTIONS', '-T', import.meta.dirname])).replace(
      /\s+/g,
      ' ',
    ),
    congestionControl: file('/proc/sys/net/ipv4/tcp_congestion_control'),
    commit: await output('git', ['describe', '--always', '--dirty']),
    versions: {},
  };
}
