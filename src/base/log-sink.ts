import { write as writeDescriptor, writeSync } from 'node:fs';

/** Where finished lines go. */
export interface LogSink extends AsyncDisposable {
  /** Takes one line with its end. Never throws, never waits. */
  write(line: string): void;
}

/** Bounds of the buffer, in characters and milliseconds. */
const bounds = { batch: 16 * 1024, delayMs: 20, waiting: 4 * 1024 * 1024, retryMs: 50 } as const;

/** Signals that end a process which does not listen for them. */
const fatalSignals = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const;

/**
 * Writes lines to a file descriptor from the thread pool, so that a slow reader of the log never stops the
 * relay: what it has not read waits, up to a bound, and lines beyond that are counted and reported with
 * `droppedLine` as soon as there is room again. Lines wait at most 20 ms; at exit and at a fatal signal
 * what waits is written before the process ends.
 */
export class DescriptorSink implements LogSink {
  readonly #fd: number;
  readonly #droppedLine: (count: number) => string;
  #waiting = '';
  #writing: Buffer | undefined;
  #timer: NodeJS.Timeout | undefined;
  #dropped = 0;
  #limit: number = bounds.waiting;
  #idle: (() => void)[] = [];

  constructor(fd: number, droppedLine: (count: number) => string) {
    this.#fd = fd;
    this.#droppedLine = droppedLine;
    process.on('exit', this.#atExit);
    for (const signal of fatalSignals) process.on(signal, this.#atSignal);
  }

  write(line: string): void {
    if (this.#waiting.length + line.length > this.#limit) {
      this.#dropped++;
      return;
    }
    this.#waiting += line;
    if (this.#writing !== undefined) return;
    if (this.#waiting.length >= bounds.batch) this.#begin();
    else this.#timer ??= setTimeout(this.#begin, bounds.delayMs).unref();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#begin();
    if (this.#writing !== undefined) await new Promise<void>((resolve) => this.#idle.push(resolve));
    this.#unlisten();
  }

  #begin = (): void => {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#writing !== undefined || this.#waiting === '') return;
    this.#writing = Buffer.from(this.#waiting);
    this.#waiting = '';
    this.#send();
  };

  #send(): void {
    const batch = this.#writing;
    if (batch !== undefined) writeDescriptor(this.#fd, batch, this.#written);
  }

  #written = (error: NodeJS.ErrnoException | null, count: number): void => {
    const batch = this.#writing ?? Buffer.alloc(0);
    if (error?.code === 'EAGAIN') {
      setTimeout(() => this.#send(), bounds.retryMs);
      return;
    }
    if (error === null && count < batch.length) {
      this.#writing = batch.subarray(count);
      this.#send();
      return;
    }
    this.#writing = undefined;
    if (error !== null) this.#lose(error, batch);
    else this.#reportDropped();
    this.#begin();
    if (this.#writing !== undefined) return;
    for (const resolve of this.#idle.splice(0)) resolve();
  };

  /** A reader that is gone never comes back; a full disk does. */
  #lose(error: NodeJS.ErrnoException, batch: Buffer): void {
    for (const octet of batch) if (octet === 0x0a) this.#dropped++;
    if (error.code !== 'EPIPE' && error.code !== 'EBADF') return;
    this.#limit = 0;
    this.#waiting = '';
  }

  #reportDropped(): void {
    if (this.#dropped === 0) return;
    this.#waiting += this.#droppedLine(this.#dropped);
    this.#dropped = 0;
  }

  #atExit = (): void => {
    // The batch under way is in the thread pool: a short sleep lets it go first. Writing it again here
    // would print its lines twice.
    if (this.#writing !== undefined) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10);
    let rest = Buffer.from(this.#waiting);
    this.#waiting = '';
    try {
      while (rest.length > 0) rest = rest.subarray(writeSync(this.#fd, rest));
    } catch {
      // Nobody is left to tell.
    }
  };

  /** Flushes, and lets the signal do what it would have done, unless someone else listens for it. */
  #atSignal = (signal: NodeJS.Signals): void => {
    if (process.listenerCount(signal) > 1) return;
    this.#atExit();
    this.#unlisten();
    process.kill(process.pid, signal);
  };

  #unlisten(): void {
    process.off('exit', this.#atExit);
    for (const signal of fatalSignals) process.off(signal, this.#atSignal);
  }
}
