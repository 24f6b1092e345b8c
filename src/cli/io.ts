/** The surroundings of a command: streams, environment, folder, terminal. */
import { once } from 'node:events';
import { userInfo } from 'node:os';
import { resolve } from 'node:path';
import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';
import { harmlessJson, harmlessLines } from '../base/index.ts';

/** The surroundings of a command, so that tests can replace them. */
export interface Io {
  readonly stdin: AsyncIterable<Uint8Array>;
  /** Writes to standard output; resolves when its reader is not behind. */
  out(text: string | Uint8Array): Promise<void>;
  /** Writes to standard error. */
  err(text: string): void;
  /** Asks the person at the terminal for a secret, which is not shown. */
  readSecret(prompt: string): Promise<string>;
  /** Asks the person at the terminal a question, and gives the line that was typed. */
  ask(prompt: string): Promise<string>;
  readonly isTerminal: { readonly stdin: boolean; readonly stdout: boolean; readonly stderr: boolean };
  /** Characters in a line of the terminal. */
  readonly columns: number;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Where relative paths of arguments begin. */
  readonly folder: string;
  /** Listens for a signal and replaces its default action; the returned function stops that. */
  onSignal(signal: NodeJS.Signals, listener: () => void): () => void;
}

/** The surroundings of this process. A reader of standard output that goes away (`| head`) ends it quietly. */
export function processIo(): Io {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    process.exit(error.code === 'EPIPE' ? 0 : 74);
  });
  return {
    stdin: process.stdin,
    async out(text) {
      if (!process.stdout.write(text)) await once(process.stdout, 'drain');
    },
    err: (text) => void process.stderr.write(text),
    readSecret,
    ask,
    isTerminal: {
      stdin: process.stdin.isTTY === true,
      stdout: process.stdout.isTTY === true,
      stderr: process.stderr.isTTY === true,
    },
    columns: process.stdout.columns ?? 80,
    env: process.env,
    // npm runs scripts in the folder of the package and keeps where the person stood here.
    folder: process.env.INIT_CWD ?? process.cwd(),
    onSignal(signal, listener) {
      process.on(signal, listener);
      return () => process.off(signal, listener);
    },
  };
}

/**
 * Makes all text of a command safe for a terminal, peers' text included: nothing in it moves the cursor or changes the
 * direction of writing. Octets (a message, SMTP) pass unchanged.
 */
export function harmlessIo(io: Io): Io {
  return {
    ...io,
    out: (text) => io.out(typeof text === 'string' ? harmlessLines(text) : text),
    err: (text) => io.err(harmlessLines(text)),
    ask: (prompt) => io.ask(harmlessLines(prompt)),
  };
}

/** The terminal shows everything that readline writes to `output`, so this discards it. */
async function readSecret(prompt: string): Promise<string> {
  const output = new Writable({ write: (_chunk, _encoding, done) => done() });
  const terminal = createInterface({ input: process.stdin, output, terminal: true });
  process.stderr.write(prompt);
  try {
    return await terminal.question('');
  } finally {
    terminal.close();
    process.stderr.write('\n');
  }
}

async function ask(prompt: string): Promise<string> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr, terminal: true });
  try {
    return await terminal.question(prompt);
  } finally {
    terminal.close();
  }
}

/**
 * A value as one line of JSON that is safe for a terminal: JSON by itself escapes no control characters above ASCII,
 * and some terminals take U+009B for ESC [.
 */
export function jsonLine(value: unknown): string {
  return `${harmlessJson(JSON.stringify(value))}\n`;
}

/** An argument that is a path, absolute. */
export function resolvePath(io: Io, path: string): string {
  return resolve(io.folder, path);
}

/** The user who calls, by the account of the process; without an account, by the environment of the shell. */
export function userName(io: Io): string {
  try {
    return userInfo().username;
  } catch {
    return io.env.LOGNAME ?? io.env.USER ?? String(process.getuid?.() ?? 'nobody');
  }
}
