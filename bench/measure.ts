/** One measurement: a relay is started fresh, warmed up, loaded, emptied, counted and stopped. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Memory, openAccount, watchMemory } from './account.ts';
import { type Case, warmupMessages } from './cases.ts';
import { type LoadResult, loadArguments, runLoad, Sink, type SinkCounts } from './programs.ts';
import { type Relay, type RunningRelay, relayFolder, removeFolder } from './relays.ts';

export interface Measurement {
  readonly relay: string;
  readonly family: Relay['family'];
  readonly round: number;
  /** Messages accepted per second, first connect to last 250. */
  readonly acceptRate: number;
  /** Messages per second from the first connect to the last delivery at the sink. */
  readonly rate: number;
  /** User plus system milliseconds of all processes of the relay, per message. */
  readonly cpuMs: number;
  readonly accounted: 'cgroup' | 'proc';
  readonly load: LoadResult;
  readonly sink: SinkCounts;
  readonly idleMemory: Memory;
  readonly peakMemory: Memory;
  readonly memoryAfter: Memory;
  /** The fault that makes the figures worthless: messages refused, lost or delivered twice. */
  readonly problem?: string;
}

export interface Job {
  readonly relay: Relay;
  readonly what: Case;
  readonly round: number;
  /** Messages before those that count, for every relay; absent: what the case and the relay ask for. */
  readonly warmup?: number;
  /** Where the compiled programs are, and the folders of the relays. */
  readonly folder: string;
}

function problemOf(load: LoadResult, sink: SinkCounts): string | undefined {
  if (load.failed > 0) return `${load.failed} of ${load.accepted + load.failed} messages were not accepted`;
  if (sink.recipients !== load.recipients)
    return `sent to ${load.recipients} recipients, delivered to ${sink.recipients}`;
  // A relay may split a message by domain, never join two.
  if (sink.transactions < load.accepted) return `${load.accepted} messages came out as ${sink.transactions}`;
  return undefined;
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

async function warmUp(job: Job, sink: Sink, port: number): Promise<void> {
  const messages = job.warmup ?? warmupMessages(job.what, job.relay.isCompiledAsItRuns);
  await sink.expect(messages * job.what.recipients);
  const result = await runLoad(job.folder, loadArguments(port, job.what, messages));
  if (result.failed > 0)
    throw new Error(`warm-up: ${result.failed} of ${messages} messages were not accepted`);
  await sink.reached(120_000);
  await pause(500);
}

/** How long the rest of the queue may take once everything was accepted. */
const drainTimeoutMs = 300_000;

export async function measure(job: Job): Promise<Measurement> {
  const { relay, what } = job;
  const messages = what.messages * relay.pace;
  const directory = await relayFolder(job.folder, relay.name);
  const account = openAccount(relay.name);
  await using sink = await Sink.start(job.folder);
  let running: RunningRelay | undefined;
  try {
    running = await relay.start({ directory, sinkPort: sink.port, account });
    account.follow(running.pid);
    const idleMemory = account.memory({ proportional: true });
    await warmUp(job, sink, running.port);
    await sink.expect(messages * what.recipients);
    const watch = watchMemory(account, 500);
    const cpuBefore = account.cpuSeconds();
    const load = await runLoad(job.folder, loadArguments(running.port, what, messages));
    // Lost messages show in the counts after the time-out.
    await sink.reached(load.failed > 0 ? 10_000 : drainTimeoutMs).catch(() => {});
    await pause(500);
    const cpuSeconds = account.cpuSeconds() - cpuBefore;
    const peakMemory = watch.stop();
    const counts = await sink.counts();
    const problem = problemOf(load, counts);
    return {
      relay: relay.name,
      family: relay.family,
      round: job.round,
      acceptRate: load.rate,
      rate: load.accepted / (counts.lastAt - load.startedAt),
      cpuMs: (cpuSeconds * 1e3) / Math.max(1, load.accepted),
      accounted: account.how,
      load,
      sink: counts,
      idleMemory,
      peakMemory,
      memoryAfter: account.memory({ proportional: true }),
      ...(problem === undefined ? {} : { problem }),
    };
  } catch (error) {
    throw new Error(`${String(error)}\n${await tailOfLogs(directory)}`, { cause: error });
  } finally {
    await running?.stop();
    await account.close();
    await removeFolder(directory);
  }
}

/** The last lines of whatever log the relay kept, to explain a run that broke. */
async function tailOfLogs(directory: string): Promise<string> {
  let text = '';
  for (const name of ['maillog', 'haraka.log', 'posthouse.log']) {
    const log = await readFile(join(directory, name), 'utf8').catch(() => '');
    text += log.split('\n').slice(-15).join('\n');
  }
  return text;
}
