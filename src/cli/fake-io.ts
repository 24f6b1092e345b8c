import { EventEmitter } from 'node:events';

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
