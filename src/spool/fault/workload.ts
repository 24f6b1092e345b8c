/**
 * Run as a process of its own, in which the system calls of a spool fail or the process is killed: accepts,
 * attempts and removes messages, and writes a line to standard output for each thing that was promised.
 *
 *     accepted ID OCTETS     a commit resolved        refused ID CODE    a commit rejected
 *     attempted ID COUNT     an update resolved
 *     removing ID            before an update that removes
 *     done                   at the end, after the spool was closed
 *     stuck                  at the end, when the spool does not take writes again
 *     unopened               when the spool could not be opened
 *
 * Arguments: the folder of the spool, and the number of rounds.
 */
import { writeSync } from 'node:fs';
import { silentLog, systemClock } from '../../base/index.ts';
import { laneName, type QueueId } from '../../mail/index.ts';
import { patternOctets, sampleEnvelope, sampleReply } from '../contract/sample.ts';
import { openSpool, type Spool, SpoolError } from '../index.ts';

const [path = '', rounds = '6'] = process.argv.slice(2);
const inlineMaxBytes = 32 * 1024;
const sizes = [700, 3000, 20_000, 100_000];

function say(...words: readonly (string | number)[]): void {
  writeSync(1, `${words.join(' ')}\n`);
}

/** Waits until the spool takes writes again; false when it does not in some seconds. */
async function recovered(spool: Spool): Promise<boolean> {
  for (let tries = 0; tries < 60; tries++) {
    if (spool.health().state === 'ok') return true;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return false;
}

/** True when `work` succeeded; false when the spool refused it, as it may with a broken disk. */
async function tried(work: () => Promise<void>): Promise<boolean> {
  try {
    await work();
    return true;
  } catch (error) {
    if (error instanceof SpoolError && (error.code === 'full' || error.code === 'io')) return false;
    throw error;
  }
}

async function accept(spool: Spool, n: number): Promise<QueueId | undefined> {
  await using draft = spool.begin();
  const octets = patternOctets((sizes[n % sizes.length] ?? 0) + n);
  const entry = { lane: laneName(`lane${n % 3}`), recipients: 'all', attempts: 0, dueAt: 1000 + n } as const;
  const isAccepted = await tried(async () => {
    await draft.write(octets);
    await draft.commit(sampleEnvelope(), [entry]);
  });
  if (isAccepted) say('accepted', draft.id, octets.length);
  else say('refused', draft.id);
  return isAccepted ? draft.id : undefined;
}

async function attempt(spool: Spool, id: QueueId): Promise<void> {
  const [from] = spool.entries(id);
  if (from === undefined) throw new Error(`${id} has no entry`);
  const to = { ...from, attempts: from.attempts + 1, dueAt: from.dueAt + 60_000 };
  if (await tried(() => spool.update([{ kind: 'reschedule', from, to }]))) say('attempted', id, to.attempts);
}

async function finish(spool: Spool, id: QueueId): Promise<void> {
  const [entry] = spool.entries(id);
  if (entry === undefined) throw new Error(`${id} has no entry`);
  const status = { status: 'delivered', at: 1, relay: 'mx', reply: sampleReply(250, '0.0') } as const;
  say('removing', id);
  await tried(() =>
    spool.update([
      { kind: 'status', id, recipient: 0, status },
      { kind: 'finish', entry },
      { kind: 'remove', id },
    ]),
  );
}

/** A read of a closed environment fails; there is nothing to read until it is back. */
async function round(spool: Spool, number: number): Promise<void> {
  const accepted = await Promise.all(sizes.map((_, i) => accept(spool, number * sizes.length + i)));
  const ids = accepted.filter((id) => id !== undefined);
  if (spool.health().state !== 'ok' && !(await recovered(spool))) return;
  await Promise.all(ids.map((id) => attempt(spool, id)));
  if (spool.health().state !== 'ok' && !(await recovered(spool))) return;
  await Promise.all(ids.filter((_, i) => (i + number) % 2 === 0).map((id) => finish(spool, id)));
}

/** A disk that fails while the spool is opened: that is an error, and nothing was promised. */
function unopened(error: unknown): never {
  if (!(error instanceof SpoolError)) throw error;
  say('unopened', error.code);
  process.exit(4);
}

const options = { path, clock: systemClock, log: silentLog, floorBytes: 0, inlineMaxBytes };
const spool = await openSpool(options).catch(unopened);
for (let number = 0; number < Number(rounds); number++) {
  await round(spool, number);
  if (!(await recovered(spool))) {
    say('stuck');
    process.exit(3);
  }
}
await spool[Symbol.asyncDispose]();
say('done');
