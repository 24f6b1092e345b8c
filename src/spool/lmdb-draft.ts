/** A message that is being received, in memory or in a file. */
import type { Envelope, QueueId } from '../mail/index.ts';
import { frameOverhead, payloadOffset, sealFrame } from '../store/index.ts';
import { checkEntries } from './entry.ts';
import { LargeFileWriter } from './large-file.ts';
import { idKey, type OctetsPlace, tables } from './layout.ts';
import { type Change, type Draft, type NewLaneEntry, SpoolError } from './spool.ts';

/** The memory that all drafts of a spool share. */
export class DraftMemory {
  readonly #limitBytes: number;
  #usedBytes = 0;

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  get usedBytes(): number {
    return this.#usedBytes;
  }

  /** Takes `bytes` if they are left. */
  take(bytes: number): boolean {
    if (this.#usedBytes + bytes > this.#limitBytes) return false;
    this.#usedBytes += bytes;
    return true;
  }

  give(bytes: number): void {
    this.#usedBytes -= bytes;
  }
}

/** The parts that a draft hands to its spool at the commit. */
export interface DraftedMessage {
  readonly id: QueueId;
  /** The id as a key. */
  readonly key: Buffer;
  readonly envelope: Envelope;
  readonly entries: readonly NewLaneEntry[];
  /** The changes that become durable with it. */
  readonly changes: readonly Change[];
  readonly place: OctetsPlace;
  /** The octets as a frame, unless they are in a file. */
  readonly frame: Buffer | undefined;
}

/** A spool as its drafts see it: one object for all of them, since closures for each cost a message 600 octets. */
export interface DraftHost {
  readonly path: string;
  readonly memory: DraftMemory;
  readonly inlineMaxBytes: number;
  /** Throws `SpoolError` when there is no room for a new message. */
  checkRoom(): void;
  /** Called with the number of octets that go to a file. */
  onFileWrite(bytes: number): void;
  accept(message: DraftedMessage): Promise<void>;
  /** Called once, when the draft is committed or disposed. */
  onEnd(draft: Draft): void;
}

const keyBytes = 10;
/** More pieces than this are joined, so that a message that trickles in costs its octets and not their number. */
const maxPieces = 32;
const filePieceBytes = 32 * 1024;

/**
 * Where the octets are gathered. In memory the pieces are kept as they came and copied once, into their frame:
 * a buffer that grows would cost twice the octets again, and what lies outside the heap of the language drives
 * its garbage collection (measured: a third of the time of a message of 100 KB).
 */
type DraftState =
  | { readonly in: 'memory'; pieces: Uint8Array[] }
  | { readonly in: 'file'; readonly file: Promise<LargeFileWriter>; buffer: Buffer; filled: number }
  | { readonly in: 'nowhere' };

const nothingWritten = Promise.resolve();

export class LmdbDraft implements Draft {
  readonly id: QueueId;
  readonly #host: DraftHost;
  #state: DraftState = { in: 'memory', pieces: [] };
  #size = 0;
  /** The writes to the file, one after the other. */
  #written = nothingWritten;
  #failure: SpoolError | undefined;

  constructor(id: QueueId, host: DraftHost) {
    this.id = id;
    this.#host = host;
  }

  get size(): number {
    return this.#size;
  }

  write(chunk: Uint8Array): Promise<void> | undefined {
    if (this.#state.in === 'nowhere') throw finished();
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    if (this.#state.in === 'file') return this.#writeToFile(chunk);
    if (this.#keep(this.#state, chunk)) return undefined;
    this.#moveToFile(this.#state.pieces);
    return this.#writeToFile(chunk) ?? this.#written;
  }

  /** Keeps the chunk in memory; false when that would be too much. */
  #keep(state: { pieces: Uint8Array[] }, chunk: Uint8Array): boolean {
    if (this.#size + chunk.length > this.#host.inlineMaxBytes) return false;
    if (!this.#host.memory.take(chunk.length)) return false;
    this.#size += chunk.length;
    state.pieces.push(chunk);
    if (state.pieces.length > maxPieces) state.pieces = [Buffer.concat(state.pieces)];
    return true;
  }

  #moveToFile(pieces: readonly Uint8Array[]): void {
    const file = LargeFileWriter.create(this.#host.path, this.id);
    this.#state = { in: 'file', file, buffer: Buffer.allocUnsafeSlow(filePieceBytes), filled: 0 };
    this.#host.memory.give(this.#size);
    for (const piece of pieces) this.#append(file, piece);
  }

  /** Gathers small chunks; a promise when a piece is on its way to the disk. */
  #writeToFile(chunk: Uint8Array): Promise<void> | undefined {
    const state = this.#state;
    if (state.in !== 'file') throw finished();
    let hasWritten = false;
    this.#size += chunk.length;
    for (let at = 0; at < chunk.length; ) {
      const part = chunk.subarray(at, at + state.buffer.length - state.filled);
      state.buffer.set(part, state.filled);
      state.filled += part.length;
      at += part.length;
      if (state.filled < state.buffer.length) break;
      this.#flush(state);
      hasWritten = true;
    }
    return hasWritten ? this.#written : undefined;
  }

  #flush(state: DraftState & { in: 'file' }): void {
    if (state.filled === 0) return;
    this.#append(state.file, state.buffer.subarray(0, state.filled));
    state.buffer = Buffer.allocUnsafeSlow(filePieceBytes);
    state.filled = 0;
  }

  #append(file: Promise<LargeFileWriter>, octets: Uint8Array): void {
    this.#host.onFileWrite(octets.length);
    this.#written = this.#written.then(async () => await (await file).write(octets));
    // Kept for the next call: the caller need not wait for every piece.
    this.#written.catch((error: unknown) => {
      this.#failure ??= error instanceof SpoolError ? error : new SpoolError('io', String(error));
    });
  }

  async commit(
    envelope: Envelope,
    entries: readonly NewLaneEntry[],
    changes: readonly Change[] = [],
  ): Promise<QueueId> {
    const state = this.#state;
    if (state.in === 'nowhere') throw finished();
    try {
      checkEntries(envelope, entries);
      this.#host.checkRoom();
      const { id } = this;
      const key = idKey(id);
      const { place, frame } = state.in === 'memory' ? this.#seal(state, key) : await this.#finishFile(state);
      // From here on the file belongs to the spool, whether or not the record becomes durable.
      this.#state = { in: 'nowhere' };
      await this.#host.accept({ id, key, envelope, entries, changes, place, frame });
      return id;
    } finally {
      if (state.in === 'memory') {
        this.#host.memory.give(this.#size);
        this.#state = { in: 'nowhere' };
        this.#host.onEnd(this);
      } else await this[Symbol.asyncDispose]();
    }
  }

  #seal({ pieces }: DraftState & { in: 'memory' }, key: Buffer) {
    const frame = Buffer.allocUnsafe(frameOverhead(keyBytes) + this.#size);
    let at = payloadOffset(keyBytes);
    for (const piece of pieces) {
      frame.set(piece, at);
      at += piece.length;
    }
    sealFrame(frame, { kind: tables.octets.kind, key }, this.#size);
    return { place: { in: 'store', size: this.#size } as const, frame };
  }

  async #finishFile(state: DraftState & { in: 'file' }) {
    this.#flush(state);
    await this.#written;
    return { place: await (await state.file).finish(), frame: undefined };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const state = this.#state;
    this.#state = { in: 'nowhere' };
    this.#host.onEnd(this);
    if (state.in === 'memory') this.#host.memory.give(this.#size);
    if (state.in !== 'file') return;
    await this.#written.catch(() => {});
    const file = await state.file.catch(() => undefined);
    await file?.discard();
  }
}

function finished(): SpoolError {
  return new SpoolError('closed', 'the draft is committed or disposed');
}
