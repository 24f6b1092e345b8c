import { parentPort, workerData } from 'node:worker_threads';
import { readContent } from './content/read.ts';
import { Engine, type EngineOptions, type Read } from './engine.ts';
import { imageHashes } from './features/image.ts';
import { bodyDigest, legacyKeys } from './keys/keys.ts';
import { StateFiles } from './state.ts';
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
  isAllowed: ({ senderDomain, listId }) =>
    (senderDomain !== undefined && allowed.has(senderDomain)) ||
    (listId !== undefined && allowed.has(listId)),
  note: (entry) => files.note(entry),
};
const engine = new Engine(options);
const files = new StateFiles(data.folder, engine);
const restored = await files.open();
port.postMessage({ kind: 'ready', ...restored } satisfies Answer);

const syncing = setInterval(() => {
  files
    .sync()
    .catch((error: unknown) => port.postMessage({ kind: 'fault', because: String(error) } satisfies Answer));
}, data.syncMs);

async function readOf(octets: Uint8Array, recipients: readonly string[]): Promise<Read> {
  const content = readContent(octets, { recipients });
  return {
    content,
    images: await imageHashes(content),
    exact: bodyDigest(content.leaves),
    keys: () => legacyKeys(octets, content.leaves),
  };
}

async function answer({ verb, subject, source, check, now }: Question & { readonly kind: 'ask' }) {
  if (subject.kind === 'keys') {
    if (verb === 'check') return engine.checkKeys(subject.keys, now);
    return engine.sayKeys(verb === 'report' ? 'reported' : 'revoked', subject.keys, { source, now });
  }
  const read = await readOf(subject.octets, source.recipients);
  if (verb === 'check') return engine.check(read, source, { ...check, now });
  return engine.say(verb === 'report' ? 'reported' : 'revoked', read, { source, now });
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
    port.postMessage({ kind: 'flood-claims', id, claims: engine.claims(question.now) } satisfies Answer);
    return;
  }
  answer(question).then(
    (verdict) => port.postMessage({ kind: 'verdict', id, verdict } satisfies Answer),
    (error: unknown) => port.postMessage({ kind: 'failed', id, because: String(error) } satisfies Answer),
  );
});
