/** Runs real programs beside the relay. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { createServer } from 'node:net';
import { createInterface } from 'node:readline';

/** The result of a program that ran to its end. */
export interface Outcome {
  /** The exit code; 128 + n when signal n ended it. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program to its end. Rejects when it cannot be started or takes longer than `timeoutMs` (60 s). */
export async function run(
  command: string,
  args: readonly string[],
  options: {
    readonly input?: string | Uint8Array;
    readonly env?: Record<string, string>;
    readonly cwd?: string;
    readonly timeoutMs?: number;
  } = {},
): Promise<Outcome> {
  const child = spawn(command, args, {
    stdio: ['pipe', 'pipe', 'pipe'],
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    env: { ...process.env, ...options.env },
  });
  const stdout: Buffer[] = [];
  const stderr: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
  // A program that does not read its input to the end is no fault of the test.
  child.stdin.on('error', () => {});
  child.stdin.end(options.input ?? '');
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    child.kill('SIGKILL');
  }, options.timeoutMs ?? 60_000);
  const [code] = await once(child, 'close').finally(() => clearTimeout(timer));
  const text = { stdout: Buffer.concat(stdout).toString(), stderr: Buffer.concat(stderr).toString() };
  if (late) throw new Error(`${command} took too long; it said: ${text.stdout}${text.stderr}`);
  return { code: typeof code === 'number' ? code : 128, ...text };
}

/** True when `command` is found in PATH, /usr/sbin included. */
export function isInstalled(command: string): boolean {
  return spawnSync('sh', ['-c', 'command -v "$0"', command], { env: { PATH: searchPath() } }).status === 0;
}

/** PATH with the folders of the administrator's programs, where Debian keeps the mail tools. */
export function searchPath(): string {
  return `${process.env.PATH ?? ''}:/usr/local/sbin:/usr/sbin:/sbin`;
}

/**
 * A program that runs until it is stopped. Its standard output is kept as lines; standard error goes to
 * `logFile`, or is kept as lines as well.
 */
export class Program implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #name: string;
  readonly #waiting = new Set<() => void>();
  readonly stdout: string[] = [];
  readonly stderr: string[] = [];
  #ended: string | undefined;

  constructor(
    command: string,
    args: readonly string[],
    options: { readonly env?: Record<string, string>; readonly cwd?: string; readonly logFile?: string } = {},
  ) {
    this.#name = command;
    this.#child = spawn(command, args, {
      stdio: ['pipe', 'pipe', 'pipe'],
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      env: { ...process.env, PATH: searchPath(), ...options.env },
    });
    this.#child.stdin?.on('error', () => {});
    this.#child.on('error', (error) => this.#end(error.message));
    this.#child.on('exit', (code, signal) => this.#end(`exit ${signal ?? code}`));
    if (this.#child.stdout !== null) this.#keep(this.#child.stdout, this.stdout);
    if (this.#child.stderr === null) return;
    if (options.logFile === undefined) this.#keep(this.#child.stderr, this.stderr);
    else this.#child.stderr.pipe(createWriteStream(options.logFile, { flags: 'a' }));
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** How it ended, or `undefined` while it runs. */
  get ended(): string | undefined {
    return this.#ended;
  }

  /** Writes one line to its standard input. */
  say(line: string): void {
    this.#child.stdin?.write(`${line}\n`);
  }

  /**
   * The first line of standard output, from line number `from`, that `matches`. Rejects when the program ends
   * first or after `timeoutMs`.
   */
  async line(
    matches: (line: string) => boolean,
    options: { readonly from?: number; readonly timeoutMs?: number } = {},
  ) {
    let at = options.from ?? 0;
    const find = (): string | undefined => {
      while (at < this.stdout.length) {
        const line = this.stdout[at++];
        if (line !== undefined && matches(line)) return line;
      }
      return undefined;
    };
    return await this.#wait(find, options.timeoutMs ?? 30_000);
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  /** SIGTERM, and SIGKILL after `graceMs`; resolves with how it ended. */
  async stop(graceMs = 10_000): Promise<string> {
    if (this.#ended === undefined) {
      const timer = setTimeout(() => this.#child.kill('SIGKILL'), graceMs);
      this.#child.kill('SIGTERM');
      if (this.#ended === undefined) await once(this.#child, 'exit');
      clearTimeout(timer);
    }
    return this.#ended ?? 'exit';
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  #keep(stream: NodeJS.ReadableStream, lines: string[]): void {
    createInterface({ input: stream }).on('line', (line) => {
      lines.push(line);
      for (const wake of this.#waiting) wake();
    });
  }

  #end(how: string): void {
    this.#ended ??= how;
    for (const wake of this.#waiting) wake();
  }

  #wait(find: () => string | undefined, timeoutMs: number): Promise<string> {
    return new Promise((resolve, reject) => {
      const settle = (act: () => void): void => {
        clearTimeout(timer);
        this.#waiting.delete(look);
        act();
      };
      const fail = (why: string): void => {
        const said = [...this.stdout, ...this.stderr].slice(-20).join('\n');
        settle(() => reject(new Error(`${this.#name}: ${why}; it said:\n${said}`)));
      };
      const timer = setTimeout(() => fail(`not within ${timeoutMs} ms`), timeoutMs);
      const look = (): void => {
        const found = find();
        if (found !== undefined) settle(() => resolve(found));
        else if (this.#ended !== undefined) fail(this.#ended);
      };
      this.#waiting.add(look);
      look();
    });
  }
}

/** A port on 127.0.0.1 that was free a moment ago, for programs that cannot be given port 0. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

/** Polls `condition` until it gives a value. Rejects after `timeoutMs` (20 s) with `what`. */
export async function until<T>(
  what: string,
  condition: () => T | undefined | false | Promise<T | undefined | false>,
  timeoutMs = 20_000,
): Promise<T> {
  const giveUpAt = performance.now() + timeoutMs;
  for (;;) {
    const value = await condition();
    if (value !== undefined && value !== false) return value;
    if (performance.now() > giveUpAt) throw new Error(`waited ${timeoutMs} ms for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
