/** The thread that reads messages and counts copies, so that no session waits for it. */
import { createHash } from 'node:crypto';
import { parentPort, workerData } from 'node:worker_threads';
import type { Verdict } from './ask.ts';
import { readContent } from './content/read.ts';
import { Engine } from './engine.ts';
import type { EngineOptions, Read } from './engine-options.ts';
import { hasPictures, imageHashes } from './features/image.ts';
import { bodyDigest, legacyKeys } from './keys/keys.ts';
import { StateFiles } from './state.ts';
import { TestKeys } from './test-keys.ts';
import { testVerdict } from './verdict.ts';
import type { Answer, Question, WorkerData } from './worker-protocol.ts';

/** The thread that reads messages and counts copies, so that no session waits for it. */

const data: WorkerData = workerData;
const port = parentPort;
if (port === null) throw new Error('this is a worker thread');

const allowed = new Set(data.allowed.map((text) => text.toLowerCase()));
const options: EngineOptions = {
  key: data.key,
  memory: data.memory,
  thresholds: data.thresholds,
  isAllowed: ({ senderDomain, listId }, { sender = '' }) => {
    const address = sender.toLowerCase();
    const names = [senderDomain, listId, address, address.slice(address.lastIndexOf('@') + 1)];
    return names.some((name) => name !== undefined && name !== '' && allowed.has(name));
  },
  trustOf: (account) => data.trusts.get(account) ?? 0,
  note: (entry) => files.note(entry),
};
const engine = new Engine(options);
const testKeys = new TestKeys();
const countsOf = createHash('sha256').update(data.key).update(`${data.memory}`).digest('hex');
const files = new StateFiles(data.folder, engine, countsOf);
const restored = await files.open();
port.postMessage({ kind: 'ready', ...restored } satisfies Answer);

const syncing = setInterval(() => {
  files
    .sync()
    .catch((error: unknown) => port.postMessage({ kind: 'fault', because: String(error) } satisfies Answer));
}, data.syncMs);

/** Messages with pictures are read one after the other: the decoder uses threads that disk operations need, too. */
let pictures: Promise<unknown> = Promise.resolve();

function inTurn<T>(work: () => Promise<T>): Promise<T> {
  const next = pictures.then(work);
  pictures = next.catch(() => {});
  return next;
}

async function readOf(octets: Uint8Array, recipients: readonly string[]): Promise<Read> {
  const content = readContent(octets, { recipients });
  return {
    content,
    images: hasPictures(content) ? await inTurn(() => imageHashes(content)) : [],
    exact: bodyDigest(content.leaves),
    keys: () => legacyKeys(octets, content.leaves),
  };
}

type Asked = Question & { readonly kind: 'ask' };

/** Undefined for a cluster that there is not. */
async function answer({ verb, subject, source, check, now }: Asked): Promise<Verdict | undefined> {
  const side = verb === 'report' ? 'reported' : 'revoked';
  if (subject.kind === 'keys') {
    if (verb !== 'allow' && verb !== 'disallow' && testKeys.isTest(subject.keys)) return testVerdict;
    if (verb === 'report' || verb === 'revoke') return engine.sayKeys(side, subject.keys, { source, now });
    const known = engine.checkKeys(subject.keys, now);
    return verb === 'check' || verb === 'learn' ? known : allow(known.cluster, verb, now);
  }
  if (subject.kind === 'cluster') {
    if (verb === 'check' || verb === 'learn') return engine.checkCluster(subject.cluster, now);
    if (verb === 'allow' || verb === 'disallow') return allow(subject.cluster, verb, now);
    return engine.sayCluster(side, subject.cluster, { source, now });
  }
  const read = await readOf(subject.octets, source.recipients);
  if (verb === 'check') return engine.check(read, source, { ...check, now });
  if (verb === 'report' || verb === 'revoke') return engine.say(side, read, { source, now });
  if (verb === 'learn') engine.learn(read, source);
  const known = engine.check(read, source, { counts: false, now });
  return verb === 'learn' ? known : allow(known.cluster, verb, now);
}

function allow(cluster: string | undefined, verb: 'allow' | 'disallow', now: number): Verdict | undefined {
  return cluster === undefined ? undefined : engine.allow(cluster, verb === 'allow', now);
}

port.on('message', (question: Question) => {
  if (question.kind === 'end') {
    clearInterval(syncing);
    files[Symbol.asyncDispose]().then(
      () => port.postMessage({ kind: 'ended' } satisfies Answer),
      (error: unknown) => port.postMessage({ kind: 'ended', because: String(error) } satisfies Answer),
    );
    return;
  }
  if (question.kind === 'flood-take') {
    for (const take of question.takes) engine.take(take, question.now);
    return;
  }
  const { id } = question;
  if (question.kind === 'flood-since') {
    port.postMessage({ kind: 'flood-tallies', id, tallies: engine.tallies(question.now) } satisfies Answer);
    return;
  }
  if (question.kind === 'stats') {
    port.postMessage({ kind: 'stats', id, stats: engine.stats() } satisfies Answer);
    return;
  }
  answer(question).then(
    (verdict) =>
      port.postMessage(
        (verdict === undefined ? { kind: 'unknown', id } : { kind: 'verdict', id, verdict }) satisfies Answer,
      ),
    (error: unknown) => port.postMessage({ kind: 'failed', id, because: String(error) } satisfies Answer),
  );
});
