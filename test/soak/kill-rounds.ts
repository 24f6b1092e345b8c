/** The rounds of a soak: the relay under load, killed and started again. */
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { type Sink, startSink } from '../../src/delivery/testing.ts';
import type { QueueId } from '../../src/mail/index.ts';
import { openSpool, type Spool } from '../../src/spool/index.ts';
import { Program, until } from '../peers/program.ts';
import { Ledger, type Leftover, type Verdict } from './kill-ledger.ts';
import { domains, laterPrefix, randomFrom, sendUntilBroken } from './kill-load.ts';

export interface KillOptions {
  readonly rounds: number;
  readonly seed: number;
  /** Clients at once; default 8. */
  readonly sessions?: number;
  /** The longest time from the ready line to the kill; default 600 ms. */
  readonly longestMs?: number;
  readonly onRound?: (round: number) => void;
}

export interface KillFigures extends Verdict {
  readonly rounds: number;
  readonly seed: number;
  /** Kills before the relay was ready: while it checked its spool. */
  readonly killedAtStart: number;
  /** Messages that the kills found in the spool, added up, and the most at once. */
  readonly leftover: number;
  readonly maxLeftover: number;
  /** Messages in the spool after everything was delivered. */
  readonly atTheEnd: number;
  readonly seconds: number;
}

const main = resolve(import.meta.dirname, '../../src/cli/main.ts');

/**
 * Kills the real process again and again under load, and counts. Clients and sinks live here and survive; the
 * spool as each kill left it is looked at in a copy.
 */
export async function killRounds(options: KillOptions): Promise<KillFigures> {
  const startedAt = performance.now();
  const folder = await mkdtemp(join(tmpdir(), 'posthouse-kill-'));
  const ledger = new Ledger();
  await using sinks = new AsyncDisposableStack();
  sinks.defer(() => rm(folder, { recursive: true, force: true }));
  const [one, two] = [sinks.use(await openSink(ledger)), sinks.use(await openSink(ledger))];
  const bench: Bench = { folder, ledger, sinks: [one, two], random: randomFrom(options.seed), options };
  await writeFile(
    join(folder, 'posthouse.yaml'),
    JSON.stringify(configuration(folder, [one.port, two.port])),
  );
  let killedAtStart = 0;
  const leftovers: number[] = [];
  for (let round = 0; round < options.rounds; round++) {
    if (!(await killedRound(bench))) killedAtStart++;
    await until('the sinks to be left', () => one.open + two.open === 0);
    const leftover = await lookInto(folder);
    leftovers.push(leftover.size);
    ledger.killed(leftover);
    options.onRound?.(round + 1);
  }
  await lastRound(bench);
  return {
    rounds: options.rounds,
    seed: options.seed,
    ...ledger.verdict(),
    killedAtStart,
    leftover: leftovers.reduce((sum, count) => sum + count, 0),
    maxLeftover: Math.max(0, ...leftovers),
    atTheEnd: (await lookInto(folder)).size,
    seconds: Math.round((performance.now() - startedAt) / 1000),
  };
}

interface Bench {
  readonly folder: string;
  readonly ledger: Ledger;
  readonly sinks: readonly [Sink, Sink];
  readonly random: () => number;
  readonly options: KillOptions;
}

function configuration(folder: string, ports: readonly [number, number]) {
  return {
    hostname: 'relay.test',
    postmaster: 'postmaster@relay.test',
    data: join(folder, 'data'),
    listeners: [{ role: 'mx', address: '127.0.0.1:0' }],
    relay: { networks: ['127.0.0.0/8'] },
    routes: domains.map((to, i) => ({ to, via: `smtp://127.0.0.1:${ports[i]}`, tls: 'none' })),
    queue: { retry: { min: '1s', max: '2s' } },
    spool: { floor: '1KB' },
    logs: { format: 'json' },
  };
}

/** Takes everything; the first two times it is asked, it defers what is to come later. */
async function openSink(ledger: Ledger): Promise<Sink> {
  const deferred = new Map<string, number>();
  const sink = await startSink({
    answer(command) {
      const to = /^RCPT TO:<([^>]+)>/.exec(command)?.[1];
      if (to?.startsWith(laterPrefix) !== true) return undefined;
      const times = (deferred.get(to) ?? 0) + 1;
      deferred.set(to, times);
      return times <= 2 ? '451 4.2.1 later' : undefined;
    },
  });
  // Noted as they come: a message that the sink has answered for has arrived.
  Object.assign(sink.messages, {
    push: ({ rcpts, octets }: Sink['messages'][number]) => {
      const marker = markerOf(octets);
      const isWhole = octets.subarray(-100).toString('latin1').endsWith(`end of ${marker}\r\n`);
      for (const to of rcpts) ledger.arrived(isWhole ? marker : `broken ${marker}`, to);
      return 0;
    },
  });
  Object.assign(sink.commands, { push: () => 0 });
  return sink;
}

function markerOf(octets: Buffer): string {
  return /^Message-ID: <([^@]+)@/m.exec(octets.toString('latin1', 0, 4096))?.[1] ?? '';
}

function startProcess(folder: string): Program {
  const file = join(folder, 'posthouse.yaml');
  const logFile = join(folder, 'log');
  // Two hundred starts: each but the first finds its code compiled.
  const env = { NODE_COMPILE_CACHE: join(folder, 'compiled') };
  return new Program(process.execPath, [main, 'start', '--config', file], { cwd: folder, logFile, env });
}

async function readyPort(program: Program): Promise<number> {
  const line = await program.line((text) => text.includes('"ready"'));
  return Number(/"address":"127\.0\.0\.1:(\d+)"/.exec(line)?.[1]);
}

/** One run under load to its kill. False when it was killed before it was ready. */
async function killedRound({ folder, ledger, random, options }: Bench): Promise<boolean> {
  const { sessions = 8, longestMs = 600 } = options;
  const program = startProcess(folder);
  const isEarly = random() < 0.1;
  const killAfterMs = random() * longestMs;
  if (isEarly) {
    await wait(killAfterMs);
    await kill(program);
    return false;
  }
  const port = await readyPort(program);
  const over = new AbortController();
  const parts = { ledger, random, signal: over.signal };
  const clients = Array.from({ length: sessions }, () => sendUntilBroken(port, parts));
  await wait(killAfterMs);
  await kill(program);
  // What the relay wrote before it died is still read: the connections end by themselves.
  await Promise.all(clients);
  over.abort();
  return true;
}

/** The last run delivers everything. */
async function lastRound({ folder, ledger }: Bench): Promise<void> {
  await using program = startProcess(folder);
  await readyPort(program);
  await until('everything to arrive', () => ledger.due().length === 0, 60_000).catch(() => {});
}

async function kill(program: Program): Promise<void> {
  program.signal('SIGKILL');
  await until('the end of the process', () => program.ended !== undefined);
}

async function wait(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms));
}

/** The messages in the spool, by marker, with the recipients that have no final status. Reads a copy. */
async function lookInto(folder: string): Promise<Leftover> {
  const copy = join(folder, 'copy');
  await rm(copy, { recursive: true, force: true });
  try {
    await cp(join(folder, 'data', 'spool'), copy, { recursive: true });
  } catch (error) {
    // Killed before it made the folder.
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return new Map();
    throw error;
  }
  await using spool = await openSpool({ path: copy, floorBytes: 0 });
  const found = new Map<string, ReadonlySet<string>>();
  for (const id of spool.walk()) found.set(await markerIn(spool, id), openRecipients(spool, id));
  return found;
}

async function markerIn(spool: Spool, id: QueueId): Promise<string> {
  for await (const chunk of spool.octets(id)?.chunks() ?? []) return markerOf(chunk);
  return '';
}

function openRecipients(spool: Spool, id: QueueId): ReadonlySet<string> {
  const statuses = spool.statuses(id);
  const recipients = spool.envelope(id)?.recipients ?? [];
  return new Set(
    recipients.flatMap(({ address }, index) =>
      (statuses.get(index)?.status ?? 'pending') === 'pending' ? [address.text] : [],
    ),
  );
}
