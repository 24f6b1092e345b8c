/** Writes log lines to a file descriptor without ever blocking the relay. */
import { write as writeDescriptor, writeSync } from 'node:fs';

/** Where finished lines go. */
export interface LogSink extends AsyncDisposable {
  /** Takes one line with its end. Never throws, never waits. */
  write(line: string): void;
}

/**
 * Bounds in octets and milliseconds: a block is written when it is nearly full or old. `exitMs` is for the thread pool
 * of a busy machine; with 10 ms one exit in ten lost a batch under a load of 13.
 */
const bounds = { block: 64 * 1024, delayMs: 20, waiting: 4 * 1024 * 1024, retryMs: 50, exitMs: 500 } as const;

/** Signals that end a process which does not listen for them. */
const fatalSignals = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const;

/** Lines in octets. */
interface Block {
  readonly octets: Buffer;
  filled: number;
  written: number;
}

function newBlock(length: number): Block {
  return { octets: Buffer.allocUnsafeSlow(length), filled: 0, written: 0 };
}

/**
 * Writes lines to a file descriptor from the thread pool, so that a slow reader of the log never stops the relay:
 * unread lines wait, up to a bound, and lines beyond that are counted and reported with `droppedLine` as soon as there
 * is room again. Lines wait at most 20 ms; at exit and at a fatal signal waiting lines are written before the process
 * ends.
 */
export class DescriptorSink implements LogSink {
  readonly #fd: number;
  readonly #droppedLine: (count: number) => string;
  /** Full blocks that wait to be written, oldest first. The first of them is being written when `#isWriting`. */
  readonly #full: Block[] = [];
  /** Octets in them. */
  #waiting = 0;
  #block = newBlock(bounds.block);
  /** Used again: blocks live too long for the young generation, and would pile up until a full collection. */
  #spare: Block | undefined;
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
    if (this.#block.filled + most > this.#block.octets.length) this.#nextBlock(most);
    const block = this.#block;
    if (this.#waiting + block.filled > this.#limit) {
      this.#dropped++;
      return;
    }
    block.filled += block.octets.write(line, block.filled);
    if (!this.#isWriting) this.#timer ??= setTimeout(this.#begin, bounds.delayMs).unref();
  }

  /** Queues the block, and takes one that has room for `octets`. */
  #nextBlock(octets: number): void {
    this.#enqueue(octets);
    this.#begin();
  }

  #enqueue(octets: number): void {
    if (this.#block.filled > 0) {
      this.#full.push(this.#block);
      this.#waiting += this.#block.filled;
    }
    const spare = this.#spare;
    this.#spare = undefined;
    this.#block =
      spare !== undefined && octets <= spare.octets.length ? spare : newBlock(Math.max(bounds.block, octets));
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
      if (this.#block.filled === 0) return;
      this.#enqueue(0);
    }
    this.#isWriting = true;
    this.#send();
  };

  #send(): void {
    const [block] = this.#full;
    if (block === undefined) return;
    const { octets, written, filled } = block;
    writeDescriptor(this.#fd, octets, written, filled - written, null, this.#written);
  }

  #written = (error: NodeJS.ErrnoException | null, count: number): void => {
    const [block] = this.#full;
    if (error?.code === 'EAGAIN') {
      setTimeout(() => this.#send(), bounds.retryMs);
      return;
    }
    if (block !== undefined && error === null) block.written += count;
    if (block !== undefined && error === null && block.written < block.filled) {
      this.#send();
      return;
    }
    this.#full.shift();
    this.#isWriting = false;
    if (block !== undefined) this.#done(block, error);
    this.#begin();
    if (this.#isWriting) return;
    for (const resolve of this.#idle.splice(0)) resolve();
  };

  #done(block: Block, error: NodeJS.ErrnoException | null): void {
    this.#waiting -= block.filled;
    if (error !== null) this.#lose(error, block);
    else this.#reportDropped();
    block.filled = 0;
    block.written = 0;
    if (block.octets.length === bounds.block) this.#spare = block;
  }

  /** A reader that is gone never comes back; a full disk does. */
  #lose(error: NodeJS.ErrnoException, { octets, written, filled }: Block): void {
    for (let at = written; at < filled; at++) if (octets[at] === 0x0a) this.#dropped++;
    if (error.code !== 'EPIPE' && error.code !== 'EBADF') return;
    this.#limit = -1;
    this.#full.length = 0;
    this.#waiting = 0;
    this.#block.filled = 0;
  }

  #reportDropped(): void {
    if (this.#dropped === 0) return;
    const line = this.#droppedLine(this.#dropped);
    this.#dropped = 0;
    this.write(line);
  }

  #atExit = (): void => {
    // The batch under way is in the thread pool, and nothing tells here when it is written: a sleep lets it go first.
    // Writing it again would print its lines twice.
    if (this.#isWriting) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, bounds.exitMs);
    const blocks = [...this.#full.slice(this.#isWriting ? 1 : 0), this.#block];
    let rest = Buffer.concat(blocks.map(({ octets, filled }) => octets.subarray(0, filled)));
    this.#block.filled = 0;
    try {
      while (rest.length > 0) rest = rest.subarray(writeSync(this.#fd, rest));
    } catch {
      // The log itself cannot be written.
    }
  };

  /** Flushes, and lets the signal have its default action, unless another listener handles it. */
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
