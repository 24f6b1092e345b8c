/** Encodes, signs and reads the records of the flood. */
import { kindCount } from '../clusters/spectrum.ts';
import { maxFeatures, maxRank, registers, type Tally } from './tally.ts';

/**
 * A tally as it goes from node to node. Numbers are big-endian:
 *
 *     hops u8 · length of the signature u16 · signature · body
 *     body: version u8 = 1 · origin 32 · sequence u48 · time u48 · cluster u32 · generation u32 · first seen u48 ·
 *           last seen u48 · reported f32 · revoked f32 · cut u48 · for each of 6 kinds: size of the core u16, features u8 ·
 *           features u48 each, of each kind in ascending order · registers of the sketch, 6 bits each (192 octets)
 *
 * The origin signs the body with the key of its certificate. The hops are not signed: each node counts them up.
 */
export interface FloodRecord {
  /** SHA-256 of the origin's certificate, hexadecimal. */
  readonly origin: string;
  /** Grows with each record of the origin. It is a time in milliseconds or later, so that it grows over a crash too. */
  readonly sequence: number;
  /** When it was made, milliseconds since 1970. */
  readonly time: number;
  readonly tally: Tally;
}

export interface SignedRecord {
  readonly record: FloodRecord;
  readonly hops: number;
  readonly body: Buffer;
  readonly signature: Buffer;
}

const version = 1;
/** Before the sizes of the kinds. */
const headOctets = 79;
const sketchOctets = (registers * 6) / 8;
const maxSignature = 1024;
const maxHash = 2 ** 48 - 1;
/** The largest weight of reports in a record; more is a fault. */
const maxReports = 1e6;

/** Encodes the signed part of a record. */
export function encodeBody({ origin, sequence, time, tally }: FloodRecord): Buffer {
  const features = tally.core.reduce((sum, list) => sum + list.length, 0);
  const body = Buffer.alloc(headOctets + 3 * kindCount + 6 * features + sketchOctets);
  body[0] = version;
  body.write(origin, 1, 'hex');
  let at = body.writeUIntBE(sequence, 33, 6);
  at = body.writeUIntBE(time, at, 6);
  at = body.writeUInt32BE(tally.cluster, at);
  at = body.writeUInt32BE(tally.generation, at);
  at = body.writeUIntBE(tally.firstSeen, at, 6);
  at = body.writeUIntBE(tally.lastSeen, at, 6);
  at = body.writeFloatBE(tally.reported, at);
  at = body.writeFloatBE(tally.revoked, at);
  // A cut that was widened may be beyond all hashes, and no whole number.
  at = body.writeUIntBE(Math.min(maxHash, Math.floor(tally.cut)), at, 6);
  for (let kind = 0; kind < kindCount; kind++) {
    at = body.writeUInt16BE(tally.sizes[kind] ?? 0, at);
    at = body.writeUInt8(tally.core[kind]?.length ?? 0, at);
  }
  for (const list of tally.core) for (const feature of list) at = body.writeUIntBE(feature, at, 6);
  packSketch(tally.sketch).copy(body, at);
  return body;
}

export function encodeSigned({
  hops,
  body,
  signature,
}: Pick<SignedRecord, 'hops' | 'body' | 'signature'>): Buffer {
  const head = Buffer.alloc(3);
  head[0] = hops;
  head.writeUInt16BE(signature.length, 1);
  return Buffer.concat([head, signature, body]);
}

/** Decodes a record; undefined if its length, version, order or numbers are invalid. */
export function decodeSigned(octets: Buffer): SignedRecord | undefined {
  if (octets.length < 3) return undefined;
  const length = octets.readUInt16BE(1);
  if (length === 0 || length > maxSignature || octets.length < 3 + length) return undefined;
  const body = octets.subarray(3 + length);
  const record = decodeBody(body);
  return record && { record, hops: octets[0] ?? 0, body, signature: octets.subarray(3, 3 + length) };
}

function decodeBody(body: Buffer): FloodRecord | undefined {
  if (body.length < headOctets + 3 * kindCount + sketchOctets || body[0] !== version) return undefined;
  const cores = decodeCore(body);
  if (cores === undefined) return undefined;
  const sketch = unpackSketch(body.subarray(body.length - sketchOctets));
  const [sequence, time] = [body.readUIntBE(33, 6), body.readUIntBE(39, 6)];
  const [firstSeen, lastSeen] = [body.readUIntBE(53, 6), body.readUIntBE(59, 6)];
  const [reported, revoked] = [body.readFloatBE(65), body.readFloatBE(69)];
  const isSound =
    firstSeen <= lastSeen &&
    lastSeen <= time &&
    sketch !== undefined &&
    isWeight(reported) &&
    isWeight(revoked);
  if (!isSound) return undefined;
  const [cluster, generation] = [body.readUInt32BE(45), body.readUInt32BE(49)];
  const cut = body.readUIntBE(73, 6);
  const tally = { cluster, generation, ...cores, cut, sketch, reported, revoked, firstSeen, lastSeen };
  return { origin: body.toString('hex', 1, 33), sequence, time, tally };
}

function isWeight(value: number): boolean {
  return value >= 0 && value <= maxReports;
}

function decodeCore(body: Buffer): Pick<Tally, 'core' | 'sizes'> | undefined {
  const from = headOctets;
  const sizes = Array.from({ length: kindCount }, (_, kind) => body.readUInt16BE(from + 3 * kind));
  const lengths = sizes.map((_, kind) => body[from + 3 * kind + 2] ?? 0);
  const features = lengths.reduce((sum, length) => sum + length, 0);
  let at = from + 3 * kindCount;
  if (features === 0 || features > maxFeatures || body.length !== at + 6 * features + sketchOctets)
    return undefined;
  const core: number[][] = [];
  for (const [kind, length] of lengths.entries()) {
    if (length > (sizes[kind] ?? 0)) return undefined;
    const list: number[] = [];
    for (let n = 0; n < length; n++, at += 6) {
      const feature = body.readUIntBE(at, 6);
      if (feature <= (list.at(-1) ?? 0)) return undefined;
      list.push(feature);
    }
    core.push(list);
  }
  return { core, sizes };
}

/** Four registers in three octets. */
function packSketch(sketch: Uint8Array): Buffer {
  const packed = Buffer.alloc(sketchOctets);
  for (let at = 0, to = 0; at < registers; at += 4, to += 3) {
    const [a = 0, b = 0, c = 0, d = 0] = sketch.subarray(at, at + 4);
    packed.writeUIntBE((a << 18) | (b << 12) | (c << 6) | d, to, 3);
  }
  return packed;
}

function unpackSketch(packed: Buffer): Uint8Array | undefined {
  const sketch = new Uint8Array(registers);
  for (let at = 0; at < registers; at++) {
    const four = packed.readUIntBE(Math.floor(at / 4) * 3, 3);
    sketch[at] = (four >>> (18 - 6 * (at & 3))) & 63;
  }
  return sketch.every((rank) => rank <= maxRank) ? sketch : undefined;
}
