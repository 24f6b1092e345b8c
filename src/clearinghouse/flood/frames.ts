import { createHmac, timingSafeEqual } from 'node:crypto';
import type { FloodVector } from './log.ts';

/**
 * What goes over a link: frames of length u32 (of type and body together, big-endian), type u8, body.
 *
 *     1 hello        'PHFL' · version u8 = 1 · proof of the network key 32 · count u16 · (origin 32 · sequence u48) each
 *     2 certificate  DER: an origin whose records follow
 *     3 record       see record.ts
 *     4 heartbeat    nothing
 */
export const frameTypes = { hello: 1, certificate: 2, record: 3, heartbeat: 4 } as const;
export type FrameType = (typeof frameTypes)[keyof typeof frameTypes];

export interface Frame {
  readonly type: FrameType;
  readonly body: Buffer;
}

/** What a frame may have at most, in octets. */
export const mostFrame = 1 << 20;
const magic = 'PHFL';
const version = 1;
const helloOctets = 39;
const originOctets = 38;
const mostOrigins = 4096;

export function encodeFrame(type: FrameType, body: Buffer = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(body.length + 1);
  head[4] = type;
  return Buffer.concat([head, body]);
}

/** Cuts octets into frames. What is kept of one that is not complete is bounded by `mostFrame`. */
export class FrameReader {
  #pieces: Buffer[] = [];
  #length = 0;

  /** The frames that are complete now; `undefined` at the end where what comes is none. */
  *read(chunk: Buffer): Generator<Frame | undefined> {
    this.#pieces.push(chunk);
    this.#length += chunk.length;
    while (this.#length >= 5) {
      const size = this.#peek();
      if (size < 1 || size > mostFrame) return yield undefined;
      if (this.#length < 4 + size) return;
      const all = Buffer.concat(this.#pieces);
      const rest = all.subarray(4 + size);
      this.#pieces = [rest];
      this.#length = rest.length;
      const type = typeOf(all[4] ?? 0);
      if (type === undefined) return yield undefined;
      yield { type, body: all.subarray(5, 4 + size) };
    }
  }

  #peek(): number {
    const first = this.#pieces[0];
    if (first !== undefined && first.length >= 4) return first.readUInt32BE();
    this.#pieces = [Buffer.concat(this.#pieces)];
    return this.#pieces[0]?.readUInt32BE() ?? 0;
  }
}

function typeOf(type: number): FrameType | undefined {
  return Object.values(frameTypes).find((known) => known === type);
}

/** That the sender has the network key, for this receiver alone. */
export function proofOf(networkKey: Uint8Array, from: string, to: string): Buffer {
  return createHmac('sha256', networkKey).update(`posthouse flood ${version} ${from} ${to}`).digest();
}

export function encodeHello(proof: Buffer, vector: FloodVector): Buffer {
  const origins = [...vector].slice(0, mostOrigins);
  const hello = Buffer.alloc(helloOctets + originOctets * origins.length);
  hello.write(magic, 'latin1');
  hello[4] = version;
  proof.copy(hello, 5);
  let at = hello.writeUInt16BE(origins.length, 37);
  for (const [origin, sequence] of origins) {
    at += hello.write(origin, at, 'hex');
    at = hello.writeUIntBE(sequence, at, 6);
  }
  return hello;
}

/** The vector of the sender, or why it is no hello of this network. */
export function decodeHello(hello: Buffer, proof: Buffer): FloodVector | string {
  if (hello.length < helloOctets || hello.toString('latin1', 0, 4) !== magic) return 'it is no hello';
  if (hello[4] !== version) return `it speaks version ${hello[4]}`;
  if (!timingSafeEqual(hello.subarray(5, 37), proof)) return 'it has another network key';
  const count = hello.readUInt16BE(37);
  if (count > mostOrigins || hello.length !== helloOctets + count * originOctets) return 'it is no hello';
  const vector = new Map<string, number>();
  for (let at = helloOctets; at < hello.length; at += originOctets)
    vector.set(hello.toString('hex', at, at + 32), hello.readUIntBE(at + 32, 6));
  return vector;
}
