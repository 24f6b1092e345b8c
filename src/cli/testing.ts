import { EventEmitter } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';

import { dispatch } from './dispatch.ts';
import type { Io } from './io.ts';

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

/** Runs the words after `posthouse`. */
export async function run(
  argv: string[],
  io: FakeIo = fakeIo(),
): Promise<{ code: number; out: string; err: string }> {
  const code = await dispatch(argv, io);
  return { code, ...io.text };
}
