/**
 * The memory of Posthouse, as RssAnon of its process, in the cases in which it could grow:
 *
 *   large     4 messages of 100 MB at once: the peak is at most 32 MB over idle
 *   idle      1,000 idle sessions: the cost of one, and new mail is still taken and delivered
 *   deferred  200,000 × 10 KiB waiting, with --max-old-space-size=256: at most 250 MB, and once the sink accepts, the
 *             queue drains at 80 % or more of the speed without a backlog
 *
 *   npm run bench -- memory [--only large,idle,deferred] [--messages 200000] [--directory FOLDER]
 *                              [--results FOLDER] [--older FOLDER]
 *
 * `--older` measures another build after ours; the bounds are for ours.
 */
import { appendFileSync, mkdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { type Configuration, type Posthouse, startPosthouse } from '../test/peers/posthouse.ts';
import { Program } from '../test/peers/program.ts';
import { type Account, openAccount, watchMemory } from './account.ts';
import { machine } from './machine.ts';
import { compile, type LoadResult, runLoad, Sink } from './programs.ts';
import { relayFolder, removeFolder } from './relays.ts';

/** One figure against its limit. */
interface Finding {
  readonly what: string;
  readonly value: number;
  readonly unit: string;
  /** The bound, with its direction; without one the figure is only stated. */
  readonly atMost?: number;
  readonly atLeast?: number;
}

interface Bench {
  /** Where the compiled programs are. */
  readonly folder: string;
  readonly messages: number;
  /** The build in another folder. */
  readonly build?: string;
}

interface Relaying extends AsyncDisposable {
  readonly posthouse: Posthouse;
  readonly sink: Sink;
  readonly account: Account;
  load(args: readonly string[]): Promise<LoadResult>;
  /** Delivers some mail, so that what is measured is not the first use of code and buffers. */
  warmUp(): Promise<void>;
}

async function startRelaying(
  bench: Bench,
  options: { readonly configuration?: Configuration; readonly nodeArguments?: readonly string[] } = {},
): Promise<Relaying> {
  // Everything started is stopped in the opposite order, also when the next step fails.
  await using starting = new AsyncDisposableStack();
  const directory = await relayFolder(bench.folder, 'posthouse');
  starting.defer(() => removeFolder(directory));
  const account = openAccount('memory');
  starting.defer(() => account.close());
  const sink = starting.use(await Sink.start(bench.folder));
  const log = join(directory, 'posthouse.log');
  const posthouse = starting.use(
    await startPosthouse({
      directory,
      ...(bench.build === undefined ? {} : { build: bench.build }),
      nodeArguments: options.nodeArguments ?? [],
      under: [...account.under, '/bin/sh', '-c', `exec "$@" 2>>${log}`, 'sh'],
      configuration: {
        relay: { networks: ['127.0.0.0/8'] },
        routes: [{ to: '*', via: `smtp://127.0.0.1:${sink.port}` }],
        ...options.configuration,
      },
    }).catch(async (error: unknown) => {
      throw new Error(`the relay did not start: ${await readFile(log, 'utf8').catch(() => '')}`, {
        cause: error,
      });
    }),
  );
  account.follow(posthouse.pid);
  const load = (args: readonly string[]): Promise<LoadResult> =>
    runLoad(bench.folder, ['--port', `${posthouse.port()}`, ...args], 3_600_000);
  const started = starting.move();
  return {
    posthouse,
    sink,
    account,
    load,
    warmUp: async () => {
      await sink.expect(300);
      await load(['--messages', '300', '--size', '10240']);
      await sink.reached(60_000);
    },
    [Symbol.asyncDispose]: () => started.disposeAsync(),
  };
}

const megabytes = (octets: number): number => Math.round(octets / 1e5) / 10;

async function large(bench: Bench): Promise<readonly Finding[]> {
  await using relaying = await startRelaying(bench, {
    configuration: { limits: { messageSize: '120MB' } },
  });
  await relaying.warmUp();
  const idle = relaying.account.memory().anonymous;
  const watch = watchMemory(relaying.account, 20);
  await relaying.sink.expect(4);
  const load = await relaying.load(['--messages', '4', '--sessions', '4', '--size', '100000000']);
  await relaying.sink.reached(300_000);
  const counts = await relaying.sink.counts();
  const peak = watch.stop().anonymous;
  return [
    { what: 'large: RssAnon idle, warm', value: megabytes(idle), unit: 'MB' },
    {
      what: 'large: 4 × 100 MB at once, peak over idle',
      value: megabytes(peak - idle),
      unit: 'MB',
      atMost: 32,
    },
    { what: 'large: delivered', value: counts.recipients, unit: 'messages', atLeast: 4 },
    { what: 'large: octets at the sink', value: counts.octets, unit: 'octets', atLeast: 400_000_000 },
    { what: 'large: accepted in', value: Math.round(load.seconds * 10) / 10, unit: 's' },
  ];
}

async function idle(bench: Bench): Promise<readonly Finding[]> {
  await using relaying = await startRelaying(bench, {
    configuration: { limits: { sessions: 2000, sessionsPerClient: 2000 } },
  });
  const { account, sink } = relaying;
  await relaying.warmUp();
  const before = account.memory({ proportional: true });
  await using held = new Program(join(bench.folder, 'load'), [
    ...['--port', `${relaying.posthouse.port()}`, '--idle', '1000', '--timeout', '20'],
  ]);
  const line = await held.line((text) => text.includes('"idle"'), { timeoutMs: 40_000 });
  const established = Number(/"established":(\d+)/.exec(line)?.[1] ?? 0);
  const during = account.memory({ proportional: true });
  await sink.expect(100);
  const load = await relaying.load(['--messages', '100', '--sessions', '5']);
  // A lost message shows in the count after the time-out.
  await sink.reached(20_000).catch(() => {});
  const counts = await sink.counts();
  const growth = during.anonymous - before.anonymous;
  return [
    { what: 'idle: sessions established', value: established, unit: 'of 1000', atLeast: 1000 },
    { what: 'idle: RssAnon before', value: megabytes(before.anonymous), unit: 'MB' },
    { what: 'idle: RssAnon with them', value: megabytes(during.anonymous), unit: 'MB' },
    {
      what: 'idle: RssAnon per session',
      value: Math.round((growth / established / 1024) * 10) / 10,
      unit: 'KiB',
    },
    { what: 'idle: new mail delivered meanwhile', value: counts.recipients, unit: 'of 100', atLeast: 100 },
    { what: 'idle: in', value: Math.round((counts.lastAt - load.startedAt) * 1000), unit: 'ms' },
  ];
}

/** End-to-end messages per second from an empty queue. */
async function speedWithoutBacklog(relaying: Relaying, messages: number): Promise<number> {
  await relaying.sink.expect(messages);
  const load = await relaying.load(['--messages', `${messages}`, '--size', '10240']);
  const counts = await relaying.sink.reached(600_000);
  return messages / (counts.lastAt - load.startedAt);
}

async function deferred(bench: Bench): Promise<readonly Finding[]> {
  await using relaying = await startRelaying(bench, {
    nodeArguments: ['--max-old-space-size=256'],
    // The attempts of the measured time are those of the flush.
    configuration: { queue: { retry: { min: '2h', max: '4h' } } },
  });
  const { account, posthouse, sink } = relaying;
  await relaying.warmUp();
  const speed = await speedWithoutBacklog(relaying, Math.min(20_000, bench.messages));
  sink.refuse(450);
  const filling = watchMemory(account, 200);
  // A session takes 10,000 messages at most.
  const load = await relaying.load([
    '--messages',
    `${bench.messages}`,
    '--size',
    '10240',
    '--sessions',
    '50',
  ]);
  const full = account.memory({ proportional: true });
  const peakFilling = filling.stop().anonymous;
  // Expected first: the last messages of the load may still be on their first attempt.
  await sink.expect(bench.messages);
  sink.refuse(0);
  const draining = watchMemory(account, 200);
  const flushedAt = process.hrtime.bigint();
  await posthouse.command('queue', 'flush', '--all');
  await sink.reached(3_600_000);
  const counts = await sink.counts();
  const seconds = counts.lastAt - Number(flushedAt) / 1e9;
  const peak = Math.max(peakFilling, draining.stop().anonymous);
  const drain = bench.messages / seconds;
  return [
    { what: 'deferred: messages accepted', value: load.accepted, unit: 'messages', atLeast: bench.messages },
    { what: 'deferred: accepted at', value: Math.round(load.rate), unit: '/s' },
    {
      what: 'deferred: RssAnon with the full queue',
      value: megabytes(full.anonymous),
      unit: 'MB',
      atMost: 250,
    },
    { what: 'deferred: RssAnon, peak', value: megabytes(peak), unit: 'MB', atMost: 250 },
    { what: 'deferred: speed without a backlog', value: Math.round(speed), unit: '/s' },
    { what: 'deferred: drained at', value: Math.round(drain), unit: '/s' },
    {
      what: 'deferred: drain / speed',
      value: Math.round((drain / speed) * 1000) / 10,
      unit: '%',
      atLeast: 80,
    },
    { what: 'deferred: delivered', value: counts.recipients, unit: 'messages', atLeast: bench.messages },
  ];
}

const parts = { large, idle, deferred };

function verdict(finding: Finding): string {
  const { value, atMost, atLeast } = finding;
  if (atMost !== undefined) return `${value <= atMost ? 'ok' : 'MISSED'} (at most ${atMost})`;
  if (atLeast !== undefined) return `${value >= atLeast ? 'ok' : 'MISSED'} (at least ${atLeast})`;
  return '';
}

/** Runs the parts; the exit code is 1 when a bound is missed. */
export async function memory(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      only: { type: 'string' },
      messages: { type: 'string' },
      directory: { type: 'string' },
      results: { type: 'string' },
      older: { type: 'string' },
    },
  });
  const builds = values.older === undefined ? [undefined] : [undefined, resolve(values.older)];
  const parent = values.directory ?? join(import.meta.dirname, '.cache');
  mkdirSync(parent, { recursive: true });
  const folder = await relayFolder(parent, 'memory');
  const facts = await machine();
  const results = values.results ?? join(import.meta.dirname, '.cache/results');
  mkdirSync(results, { recursive: true });
  const file = join(results, `${facts.date.slice(0, 16).replaceAll(':', '')}-memory.jsonl`);
  appendFileSync(file, `${JSON.stringify({ kind: 'machine', ...facts })}\n`);
  let missed = 0;
  try {
    await compile(folder);
    for (const [name, part] of Object.entries(parts)) {
      if (values.only !== undefined && !values.only.split(',').includes(name)) continue;
      for (const build of builds) {
        const messages = Number(values.messages ?? 200_000);
        const bench = { folder, messages, ...(build === undefined ? {} : { build }) };
        const findings = await part(bench).catch((error: unknown) => {
          missed++;
          console.log(`${name}: ${String(error)}`);
          return [];
        });
        for (const finding of findings) {
          const said = build === undefined ? verdict(finding) : 'older build';
          if (said.startsWith('MISSED')) missed++;
          console.log(
            `${finding.what.padEnd(46)} ${String(finding.value).padStart(10)} ${finding.unit.padEnd(9)} ${said}`,
          );
          appendFileSync(
            file,
            `${JSON.stringify({ kind: 'finding', build: build === undefined ? 'this' : 'older', ...finding })}\n`,
          );
        }
      }
    }
  } finally {
    await removeFolder(folder);
  }
  return missed === 0 ? 0 : 1;
}
