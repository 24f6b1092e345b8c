/** Queue ids: making, parsing, encoding. */

declare const queueIdBrand: unique symbol;

/**
 * Our name for a spooled message: 16 characters of Crockford's base 32, which are 10 octets:
 * 6 of milliseconds since 1970, 1 of shard, 3 of a counter. Ids of one shard sort by age.
 */
export type QueueId = string & { readonly [queueIdBrand]: true };

const alphabet = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const values = new Int8Array(128).fill(-1);
for (let i = 0; i < alphabet.length; i++) values[alphabet.charCodeAt(i)] = i;
const letters = Buffer.from(alphabet);
/** Filled and read within one call: text that grows by a character at a time is fifteen objects of garbage. */
const decoded = Buffer.alloc(16);

/** The number of octets of an encoded queue id. */
export const queueIdOctets = 10;

/** Parses an id in any letter case; `undefined` when it is not one. */
export function parseQueueId(text: string): QueueId | undefined {
  const upper = text.toUpperCase();
  return /^[0-9A-HJKMNP-TV-Z]{16}$/.test(upper) ? (upper as QueueId) : undefined;
}

/** Writes the 10 octets of an id at `offset`. */
export function encodeQueueId(id: QueueId, into: Uint8Array, offset = 0): void {
  let bits = 0;
  let width = 0;
  let at = offset;
  for (let i = 0; i < 16; i++) {
    bits = ((bits << 5) | (values[id.charCodeAt(i)] ?? 0)) & 0xffff;
    width += 5;
    if (width >= 8) {
      width -= 8;
      into[at++] = (bits >> width) & 0xff;
    }
  }
}

/** Reads the 10 octets of an id at `offset`. */
export function decodeQueueId(from: Uint8Array, offset = 0): QueueId {
  let bits = 0;
  let width = 0;
  let at = 0;
  for (let i = 0; i < queueIdOctets; i++) {
    bits = ((bits << 8) | (from[offset + i] ?? 0)) & 0xffff;
    width += 8;
    while (width >= 5) {
      width -= 5;
      decoded[at++] = letters[(bits >> width) & 31] ?? 0;
    }
  }
  return decoded.toString('latin1') as QueueId;
}

/** When the id was made, in milliseconds since 1970. */
export function queueIdTime(id: QueueId): number {
  const octets = new Uint8Array(queueIdOctets);
  encodeQueueId(id, octets);
  return new DataView(octets.buffer).getUint16(0) * 2 ** 32 + new DataView(octets.buffer).getUint32(2);
}

/** The smallest id made at or after `timeMs`: the bound of a walk by age. */
export function queueIdBound(timeMs: number): QueueId {
  const octets = new Uint8Array(queueIdOctets);
  const view = new DataView(octets.buffer);
  view.setUint16(0, Math.floor(timeMs / 2 ** 32));
  view.setUint32(2, timeMs % 2 ** 32);
  return decodeQueueId(octets);
}

/** Makes ids that never repeat within a shard, even when the clock steps back. */
export class QueueIdSource {
  readonly #shard: number;
  readonly #now: () => number;
  readonly #octets = new Uint8Array(queueIdOctets);
  #lastMs = 0;
  #counter = 0;

  /** `after` is the newest id already in the spool. */
  constructor(options: { readonly shard: number; readonly now: () => number; readonly after?: QueueId }) {
    this.#shard = options.shard;
    this.#now = options.now;
    if (options.after !== undefined) this.#lastMs = queueIdTime(options.after) + 1;
  }

  next(): QueueId {
    const now = this.#now();
    if (now > this.#lastMs) {
      this.#lastMs = now;
      this.#counter = 0;
    } else if (++this.#counter > 0xffffff) {
      this.#lastMs++;
      this.#counter = 0;
    }
    const view = new DataView(this.#octets.buffer);
    view.setUint16(0, Math.floor(this.#lastMs / 2 ** 32));
    view.setUint32(2, this.#lastMs % 2 ** 32);
    view.setUint32(6, this.#counter);
    this.#octets[6] = this.#shard;
    return decodeQueueId(this.#octets);
  }
}
