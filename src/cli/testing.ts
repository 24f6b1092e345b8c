/** Helpers for the tests of commands. */
import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';

import { ControlError, openControlSocket } from '../admin/index.ts';
import { silentLog } from '../base/index.ts';
import { parseDomain } from '../mail/index.ts';
import { prepareMaildrop } from '../maildrop/index.ts';
import type { QueueItem } from '../operation/commands.ts';
import { defaultLimits } from '../receiver/index.ts';
import type { RelayStatus } from '../relay/commands.ts';
import { type Control, serveAll } from '../relay/testing.ts';
import { dispatch } from './dispatch.ts';
import type { Io } from './io.ts';
import type { SendmailSite } from './sendmail-drop.ts';

/** Surroundings for tests: input from text, output into strings. */
export interface FakeIo extends Io {
  readonly text: { out: string; err: string };
  /** Sends a signal to the listeners. */
  signal(name: NodeJS.Signals): void;
}

/** Makes surroundings without a terminal, in `/nowhere`, unless told otherwise. */
export function fakeIo(over: Partial<Omit<Io, 'stdin'>> & { readonly stdin?: string | Buffer } = {}): FakeIo {
  const { stdin = '', ...rest } = over;
  const text = { out: '', err: '' };
  const signals = new EventEmitter();
  return {
    text,
    stdin: (async function* () {
      yield Buffer.from(stdin);
    })(),
    async out(part) {
      text.out += typeof part === 'string' ? part : Buffer.from(part).toString();
    },
    err(part) {
      text.err += part;
    },
    readSecret: async () => '',
    ask: async () => '',
    isTerminal: { stdin: false, stdout: false, stderr: false },
    columns: 80,
    env: {},
    folder: '/nowhere',
    signal: (name) => void signals.emit(name),
    onSignal(name, listener) {
      signals.on(name, listener);
      return () => signals.off(name, listener);
    },
    ...rest,
  };
}

/** A folder of a test, removed at its end. */
export async function ownFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'posthouse-cli-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** The configuration for sendmail without a running relay; its maildrop is in a folder of the test. */
export async function maildropSite(t: TestContext): Promise<SendmailSite> {
  const hostname = parseDomain('h.example') ?? assert.fail();
  const maildrop = join(await ownFolder(t), 'maildrop');
  await prepareMaildrop(maildrop);
  const limits = { ...defaultLimits, recipients: 3 };
  return { hostname, postmasterDomain: hostname, maildrop, maxMessageBytes: 100_000, limits };
}

/** The messages in the maildrop; a left-over of a failed one is a failure. */
export async function dropped({ maildrop }: SendmailSite) {
  const names = (await readdir(maildrop)).filter((name) => name !== 'bad');
  assert.ok(names.every((name) => name.endsWith('.mail')));
  return Promise.all(
    names.map(async (name) => {
      const text = await readFile(join(maildrop, name), 'latin1');
      const end = text.indexOf('\n');
      const envelope = JSON.parse(Buffer.from(text.slice(0, end), 'latin1').toString());
      return { envelope, message: text.slice(end + 1) };
    }),
  );
}

/** Runs the words after `posthouse`. */
export async function run(
  argv: string[],
  io: FakeIo = fakeIo(),
): Promise<{ code: number; out: string; err: string }> {
  const code = await dispatch(argv, io);
  return { code, ...io.text };
}

/** A message as a relay lists it. */
export const queueItem = (id: string, over: Partial<QueueItem> = {}): QueueItem => ({
  id,
  from: 'a@b.example',
  size: 12_345,
  receivedAt: Date.now() - 7_200_000,
  client: '192.0.2.1',
  ground: 'network',
  recipients: [
    { to: 'c@d.example', status: 'deferred', reply: '451 \x1b[2Jlater', nextAt: Date.now() + 60_500 },
  ],
  ...over,
});

const atRest: RelayStatus = {
  version: '1',
  pid: 1,
  hostname: 'h',
  startedAt: 0,
  state: 'running',
  spool: 'ok',
  messages: 1,
  sessions: 0,
  listeners: [],
};

/** A relay without connections and windows. */
const nobody = {
  async *sessionsList() {},
  sessionsClose: async () => ({ sessions: 0 }),
  async *windowsList() {},
  windowsRevoke: async () => ({ windows: 0 }),
};

/** A relay of which only the control socket exists, and the requests that it got. */
export async function fakeRelay(t: TestContext, over: Partial<Control> = {}) {
  const data = await ownFolder(t);
  const asked: unknown[] = [];
  const control: Control = {
    status: async () => atRest,
    async *guardList() {},
    ...nobody,
    clearinghouseStatus: async () => ({
      clusters: 0,
      most: 1,
      counted: 0,
      reporters: 0,
      passedOver: 0,
      allowed: 0,
      doors: [],
    }),
    clearinghouseAsk: async () => {
      throw new ControlError('not-found', 'nothing like it is known');
    },
    guardChange: async () => ({}),
    explain: async () => {
      throw new ControlError('failed', 'nobody asks');
    },
    async *audit() {
      yield { event: 'end', verdict: 'open', because: 'of this test' };
    },
    reload: async () => ({ outcome: 'reloaded', changes: [] }),
    async *list({ selector }) {
      asked.push(selector);
      if ('ids' in selector && !selector.ids.includes('A1')) return;
      yield queueItem('A1');
    },
    async *octets({ id }) {
      if (id !== 'A1') throw new ControlError('not-found', `no message "${id}" in the queue`);
      yield Buffer.from('Subject: x\x1b[2J\r\n\r\nbody\r\n');
    },
    async *change({ change, selector }) {
      asked.push([change, selector]);
      if (!('ids' in selector)) yield 'A1';
      else yield* selector.ids.filter((id) => id === 'A1');
    },
    async *plan() {
      yield { id: 'A1', recipients: ['c@d.example'], unnamed: [], left: ['e@f.example'] };
    },
    async *shape() {
      yield { destination: 'd.example', counts: [1, 0, 0, 0, 0, 0, 0, 0, 0, 2] };
    },
    async *submit(submission, octets) {
      asked.push(submission);
      const parts = [];
      for await (const part of octets) parts.push(part);
      asked.push(Buffer.concat(parts).toString());
      yield { event: 'accepted', queueId: 'A1', recipients: submission.to.length };
      for (const to of submission.to) {
        const status = to.startsWith('bad') ? 'bounced' : to.startsWith('slow') ? 'deferred' : 'delivered';
        yield { event: 'fate', to, status, relay: 'mx', reply: '250 ok' };
      }
    },
    ...over,
  };
  const socket = await openControlSocket({
    path: join(data, 'control.sock'),
    commands: serveAll(control),
    log: silentLog,
  });
  t.after(() => socket[Symbol.asyncDispose]());
  return { data, asked };
}
