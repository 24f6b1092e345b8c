import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';

import { prepareMaildrop } from '../admin/index.ts';
import { parseDomain } from '../mail/index.ts';
import { defaultLimits } from '../receiver/index.ts';
import { dispatch } from './dispatch.ts';
import type { Io } from './io.ts';
import type { SendmailSite } from './sendmail.ts';

/** Surroundings for tests: input from text, output into strings. */
export interface FakeIo extends Io {
  readonly text: { out: string; err: string };
  /** Sends a signal to whoever listens. */
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

/** What sendmail has to know of a relay that does not run; its maildrop is in a folder of the test. */
export async function maildropSite(t: TestContext): Promise<SendmailSite> {
  const hostname = parseDomain('h.example') ?? assert.fail();
  const maildrop = join(await ownFolder(t), 'maildrop');
  await prepareMaildrop(maildrop);
  const limits = { ...defaultLimits, recipients: 3 };
  return { hostname, postmasterDomain: hostname, maildrop, maxMessageBytes: 100_000, limits };
}

/** The letters in the maildrop; what is left of a failed one is a failure. */
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
