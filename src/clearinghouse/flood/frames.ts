/** Cuts the octets of a link into frames. */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { Gathered } from '../../base/index.ts';
import type { FloodVector } from './log.ts';

/**
 * The octets on a link: frames of length u32 (of type and body together, big-endian), type u8, body.
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

/** The largest frame, in octets. */
export const maxFrame = 1 << 20;
const magic = 'PHFL';
const version = 1;
const helloOctets = 39;
const originOctets = 38;
const maxOrigins = 4096;

export function encodeFrame(type: FrameType, body: Buffer = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(body.length + 1);
  head[4] = type;
  return Buffer.concat([head, body]);
}

const frameHead = 5;

/** Cuts octets into frames. An incomplete frame is kept, up to `maxFrame`. */
export class FrameReader {
  readonly #gathered = new Gathered();
  /** Octets from which on there is something to read. */
  #wanted = frameHead;

  /** The frames that are complete now; ends with `undefined` if the octets are not a frame. */
  *read(chunk: Buffer): Generator<Frame | undefined> {
    this.#gathered.push(chunk);
    if (this.#gathered.length < this.#wanted) return;
    let rest = this.#gathered.take();
    for (this.#wanted = frameHead; rest.length >= this.#wanted; this.#wanted = frameHead) {
      const end = 4 + rest.readUInt32BE();
      if (end < frameHead || end > 4 + maxFrame) return yield undefined;
      if (rest.length < end) {
        this.#wanted = end;
        break;
      }
      const type = typeOf(rest[4] ?? 0);
      if (type === undefined) return yield undefined;
      const body = rest.subarray(frameHead, end);
      rest = rest.subarray(end);
      yield { type, body };
    }
    this.#gathered.push(rest);
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
  const origins = [...vector].slice(0, maxOrigins);
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
  if (count > maxOrigins || hello.length !== helloOctets + count * originOctets) return 'it is no hello';
  const vector = new Map<string, number>();
  for (let at = helloOctets; at < hello.length; at += originOctets)
    vector.set(hello.toString('hex', at, at + 32), hello.readUIntBE(at + 32, 6));
  return vector;
}
