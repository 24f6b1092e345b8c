import type { Io } from './io.ts';

/** Surroundings for tests: input from text, output into strings. */
export interface FakeIo extends Io {
  readonly text: { out: string; err: string };
}

/** Makes surroundings without a terminal, in `/nowhere`, unless told otherwise. */
export function fakeIo(over: Partial<Omit<Io, 'stdin'>> & { readonly stdin?: string | Buffer } = {}): FakeIo {
  const { stdin = '', ...rest } = over;
  const text = { out: '', err: '' };
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
    signal: new AbortController().signal,
    ...rest,
  };
}
