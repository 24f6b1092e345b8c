/** The capture inbox: messages in a folder. */
import { mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type Envelope,
  isTransient,
  parseQueueId,
  type QueueId,
  type RecipientStatus,
  type Reply,
  reply,
} from '../mail/index.ts';
import type { Attempt, AttemptResult } from '../queue/index.ts';
import { defaultCapture } from './options.ts';

export interface CaptureOptions {
  readonly folder: string;
  readonly maxMessages?: number;
  /** Octets of all messages together. */
  readonly maxBytes?: number;
  readonly now: () => number;
}

/** A captured message: its queue id, envelope and size. */
export interface CapturedMessage {
  readonly id: QueueId;
  /** `null` is `<>`. */
  readonly from: string | null;
  readonly to: readonly string[];
  readonly size: number;
  /** Milliseconds since 1970. */
  readonly receivedAt: number;
  readonly capturedAt: number;
  readonly origin: Envelope['origin'];
  readonly smtputf8: boolean;
  readonly body: Envelope['body'];
}

const captured = reply(250, '0.0', 'Captured');

/**
 * The capture inbox: what would have left the machine stays in a folder, `ID.eml` with the octets as they
 * are and `ID.json` with the envelope. A second attempt for the same message adds its recipients. When there
 * are too many messages, or too much of them, the oldest go. One process owns the folder.
 */
export class Capture {
  readonly #folder: string;
  readonly #maxMessages: number;
  readonly #maxBytes: number;
  readonly #now: () => number;
  /** Size by id; ids sort by age. */
  #sizes: Promise<Map<QueueId, number>> | undefined;
  #bytes = 0;

  constructor(options: CaptureOptions) {
    this.#folder = options.folder;
    this.#maxMessages = options.maxMessages ?? defaultCapture.maxMessages;
    this.#maxBytes = options.maxBytes ?? defaultCapture.maxBytes;
    this.#now = options.now;
  }

  /** Carries out an attempt. Never rejects: a refusal of the disk is transient. */
  async deliver(attempt: Attempt, signal: AbortSignal): Promise<AttemptResult> {
    let outcome: Reply = captured;
    try {
      await this.#write(attempt, signal);
    } catch (error) {
      outcome = reply(
        452,
        '3.1',
        `Capture folder cannot be written: ${String(error)}`.replace(/[\r\n]+/g, ' '),
      );
    }
    const isStuck = isTransient(outcome);
    const fate: RecipientStatus = {
      status: isStuck ? 'pending' : 'delivered',
      at: this.#now(),
      relay: 'capture',
      reply: outcome,
    };
    return {
      statuses: new Map(attempt.recipients.map((index) => [index, fate])),
      health: isStuck ? { kind: 'unavailable', reply: outcome } : { kind: 'alive' },
    };
  }

  /** The newest first, from the one before `before` on. A message whose envelope is broken is left out. */
  async list(options: { readonly limit: number; readonly before?: QueueId }): Promise<CapturedMessage[]> {
    const sizes = await this.#open();
    const ids = [...sizes.keys()].filter((id) => options.before === undefined || id < options.before);
    const wanted = ids.sort(byAge).reverse().slice(0, options.limit);
    const found = await Promise.all(wanted.map((id) => this.envelope(id)));
    return found.filter((message) => message !== undefined);
  }

  /** The envelope of one message. */
  async envelope(id: QueueId): Promise<CapturedMessage | undefined> {
    try {
      return decodeEnvelope(id, JSON.parse(await readFile(this.#path(id, 'json'), 'utf8')));
    } catch {
      return undefined;
    }
  }

  /** The octets of one message. */
  async octets(id: QueueId): Promise<Buffer | undefined> {
    return readFile(this.#path(id, 'eml')).catch(() => undefined);
  }

  async remove(id: QueueId): Promise<void> {
    await this.#remove(await this.#open(), id);
  }

  async clear(): Promise<void> {
    const sizes = await this.#open();
    for (const id of [...sizes.keys()]) await this.#remove(sizes, id);
  }

  /** Reads the folder once; again when that failed. */
  #open(): Promise<Map<QueueId, number>> {
    if (this.#sizes !== undefined) return this.#sizes;
    const sizes = this.#readFolder();
    this.#sizes = sizes;
    sizes.catch(() => {
      this.#sizes = undefined;
    });
    return sizes;
  }

  /** Strangers' files are left alone. */
  async #readFolder(): Promise<Map<QueueId, number>> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    const sizes = new Map<QueueId, number>();
    let bytes = 0;
    for (const name of await readdir(this.#folder)) {
      const id = name.endsWith('.eml') ? parseQueueId(name.slice(0, -4)) : undefined;
      if (id === undefined) continue;
      const { size } = await stat(join(this.#folder, name));
      sizes.set(id, size);
      bytes += size;
    }
    this.#bytes = bytes;
    return sizes;
  }

  async #write(attempt: Attempt, signal: AbortSignal): Promise<void> {
    const sizes = await this.#open();
    const { id, envelope, octets } = attempt;
    const earlier = sizes.has(id) ? ((await this.envelope(id))?.to ?? []) : [];
    const to = attempt.recipients.map((index) => envelope.recipients[index]?.address.text ?? '');
    const { reversePath, receivedAt, origin, smtputf8, body } = envelope;
    const from = reversePath?.text ?? null;
    const all = [...new Set([...earlier, ...to])];
    const facts = {
      id,
      from,
      to: all,
      size: octets.size,
      receivedAt,
      capturedAt: this.#now(),
      origin,
      smtputf8,
      body,
    };
    await this.#writeFile(id, 'json', [Buffer.from(`${JSON.stringify(facts, null, 2)}\n`)], signal);
    // The message comes last: an envelope without its message is not in the inbox.
    if (!sizes.has(id))
      await this.#writeFile(id, 'eml', octets.whole === undefined ? octets.chunks() : [octets.whole], signal);
    this.#bytes += octets.size - (sizes.get(id) ?? 0);
    sizes.set(id, octets.size);
    await this.#trim(sizes);
  }

  async #writeFile(
    id: QueueId,
    extension: 'eml' | 'json',
    pieces: Iterable<Buffer> | AsyncIterable<Buffer>,
    signal: AbortSignal,
  ): Promise<void> {
    const temporary = `${this.#path(id, extension)}.tmp`;
    const file = await open(temporary, 'w', 0o600);
    try {
      for await (const piece of pieces) {
        signal.throwIfAborted();
        await file.appendFile(piece);
      }
      await file.datasync();
    } catch (error) {
      await rm(temporary, { force: true });
      throw error;
    } finally {
      await file.close();
    }
    await rename(temporary, this.#path(id, extension));
  }

  async #trim(sizes: Map<QueueId, number>): Promise<void> {
    if (sizes.size <= this.#maxMessages && this.#bytes <= this.#maxBytes) return;
    for (const id of [...sizes.keys()].sort(byAge)) {
      // The newest message is kept even when it alone is too much.
      const isWithin = sizes.size <= this.#maxMessages && this.#bytes <= this.#maxBytes;
      if (isWithin || sizes.size <= 1) return;
      await this.#remove(sizes, id);
    }
  }

  async #remove(sizes: Map<QueueId, number>, id: QueueId): Promise<void> {
    const size = sizes.get(id);
    if (size === undefined) return;
    // Before the first await: two that trim at the same time remove it once.
    sizes.delete(id);
    this.#bytes -= size;
    await rm(this.#path(id, 'eml'), { force: true });
    await rm(this.#path(id, 'json'), { force: true });
  }

  #path(id: QueueId, extension: 'eml' | 'json'): string {
    return join(this.#folder, `${id}.${extension}`);
  }
}

/** Ids of one shard sort by age. */
function byAge(a: QueueId, b: QueueId): number {
  return a < b ? -1 : 1;
}

function decodeEnvelope(id: QueueId, value: unknown): CapturedMessage | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const isOurs = 'id' in value && value.id === id && 'to' in value && Array.isArray(value.to);
  // Only this class writes these files, and `id` proves which one it was.
  return isOurs ? (value as CapturedMessage) : undefined;
}
