/** The octets of one message while they arrive. */
import { type FileHandle, open, rm } from 'node:fs/promises';
import type { QueueId } from '../mail/index.ts';

/** The octets that all arriving messages may have on disk together. */
export interface ArrivingRoom {
  /** False when there is no room for so many more. */
  take(octets: number): boolean;
  give(octets: number): void;
}

const pieceOctets = 64 * 1024;

/** The archive has no room for an arriving message. */
class NoRoomError extends Error {
  readonly code = 'ENOSPC';
}

/** The octets of one message while they arrive: on disk, in order, and in no memory of ours. */
export class IncomingFile {
  readonly id: QueueId;
  readonly path: string;
  readonly #room: ArrivingRoom;
  #file: Promise<FileHandle> | undefined;
  #written: Promise<void> = Promise.resolve();
  #size = 0;
  #failure: Error | undefined;

  constructor(id: QueueId, path: string, room: ArrivingRoom) {
    this.id = id;
    this.path = path;
    this.#room = room;
  }

  get size(): number {
    return this.#size;
  }

  /** Resolves when the octets, and all before them, have left memory. Never rejects: the failure is kept. */
  write(octets: Uint8Array): Promise<void> {
    if (this.#failure !== undefined) return this.#written;
    if (!this.#room.take(octets.length)) {
      this.#failure = new NoRoomError('the archive has no room for the message');
      return this.#written;
    }
    this.#size += octets.length;
    this.#file ??= open(this.path, 'wx+', 0o600);
    const file = this.#file;
    this.#written = this.#written
      .then(async () => {
        if (this.#failure === undefined) await (await file).appendFile(octets);
      })
      .catch((error: unknown) => {
        this.#failure ??= error instanceof Error ? error : new Error(String(error));
      });
    return this.#written;
  }

  /** Writes `head` and then the octets to a file, synced. Resolves with its size; rejects with any failure so far. */
  async copyBehind(head: Buffer, path: string): Promise<number> {
    await this.#written;
    if (this.#failure !== undefined) throw this.#failure;
    const source = this.#file === undefined ? undefined : await this.#file;
    try {
      await using target = await open(path, 'wx', 0o600);
      await target.appendFile(head);
      for (let at = 0; at < this.#size; ) {
        const piece = Buffer.allocUnsafe(Math.min(pieceOctets, this.#size - at));
        const read = (await source?.read(piece, 0, piece.length, at))?.bytesRead ?? 0;
        if (read === 0) throw new Error('the octets that arrived are not all there');
        await target.appendFile(piece.subarray(0, read));
        at += read;
      }
      await target.sync();
    } catch (error) {
      await rm(path, { force: true });
      throw error;
    }
    return head.length + this.#size;
  }

  /** Throws the received octets away. */
  async discard(): Promise<void> {
    this.#failure ??= new Error('discarded');
    await this.#written;
    this.#room.give(this.#size);
    this.#size = 0;
    if (this.#file === undefined) return;
    const file = await this.#file.catch(() => undefined);
    await file?.close();
    await rm(this.path, { force: true });
  }
}
