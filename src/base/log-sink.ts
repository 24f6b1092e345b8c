import { write as writeDescriptor, writeSync } from 'node:fs';

/** Where finished lines go. */
export interface LogSink extends AsyncDisposable {
  /** Takes one line with its end. Never throws, never waits. */
  write(line: string): void;
}

/** Bounds in octets and milliseconds: a block is written when it is nearly full or old. */
const bounds = { block: 64 * 1024, delayMs: 20, waiting: 4 * 1024 * 1024, retryMs: 50 } as const;

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
  /** Blocks that are full, oldest first. The first of them is being written when `#isWriting`. */
  readonly #full: Buffer[] = [];
  #block = Buffer.allocUnsafeSlow(bounds.block);
  #filled = 0;
  #isWriting = false;
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

  /**
   * A line is encoded into its block at once: kept as text, the lines of 20 ms are thousands of small objects that
   * the garbage collector copies, which cost more than all else about them (measured: 10 µs of 170 a message).
   */
  write(line: string): void {
    const most = 3 * line.length;
    if (this.#filled + most > this.#block.length) this.#nextBlock(most);
    if (this.#full.length * bounds.block + this.#filled > this.#limit) {
      this.#dropped++;
      return;
    }
    this.#filled += this.#block.write(line, this.#filled);
    if (!this.#isWriting) this.#timer ??= setTimeout(this.#begin, bounds.delayMs).unref();
  }

  /** Puts the block in line, and makes one that has room for so many octets. */
  #nextBlock(octets: number): void {
    if (this.#filled > 0) this.#full.push(this.#block.subarray(0, this.#filled));
    this.#filled = 0;
    this.#block = Buffer.allocUnsafeSlow(Math.max(bounds.block, octets));
    this.#begin();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#begin();
    if (this.#isWriting) await new Promise<void>((resolve) => this.#idle.push(resolve));
    this.#unlisten();
  }

  #begin = (): void => {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#isWriting) return;
    if (this.#full.length === 0) {
      if (this.#filled === 0) return;
      this.#full.push(this.#block.subarray(0, this.#filled));
      this.#block = this.#block.subarray(this.#filled);
      this.#filled = 0;
    }
    this.#isWriting = true;
    this.#send();
  };

  #send(): void {
    const [block] = this.#full;
    if (block !== undefined) writeDescriptor(this.#fd, block, this.#written);
  }

  #written = (error: NodeJS.ErrnoException | null, count: number): void => {
    const block = this.#full[0] ?? Buffer.alloc(0);
    if (error?.code === 'EAGAIN') {
      setTimeout(() => this.#send(), bounds.retryMs);
      return;
    }
    if (error === null && count < block.length) {
      this.#full[0] = block.subarray(count);
      this.#send();
      return;
    }
    this.#full.shift();
    this.#isWriting = false;
    if (error !== null) this.#lose(error, block);
    else this.#reportDropped();
    this.#begin();
    if (this.#isWriting) return;
    for (const resolve of this.#idle.splice(0)) resolve();
  };

  /** A reader that is gone never comes back; a full disk does. */
  #lose(error: NodeJS.ErrnoException, block: Buffer): void {
    for (const octet of block) if (octet === 0x0a) this.#dropped++;
    if (error.code !== 'EPIPE' && error.code !== 'EBADF') return;
    this.#limit = -1;
    this.#full.length = 0;
    this.#filled = 0;
  }

  #reportDropped(): void {
    if (this.#dropped === 0) return;
    const line = this.#droppedLine(this.#dropped);
    this.#dropped = 0;
    this.write(line);
  }

  #atExit = (): void => {
    // The batch under way is in the thread pool: a short sleep lets it go first. Writing it again here
    // would print its lines twice.
    if (this.#isWriting) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10);
    const blocks = [...this.#full.slice(this.#isWriting ? 1 : 0), this.#block.subarray(0, this.#filled)];
    let rest = Buffer.concat(blocks);
    this.#filled = 0;
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
