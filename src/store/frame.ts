/** The frame of a stored value: kind, key, length, checksum. */
import { crc32 } from 'node:zlib';
import { StoreError } from './error.ts';

/**
 * Every value in the store is a frame, because LMDB has no page checksums: an overwritten page would give
 * wrong values without an error. The key is inside, so that a value which turns up under another key is
 * found too, and so that a scan of the raw file can tell whose value it has before it.
 *
 *     'P' 'H' 0xF1 | kind (1) | length of the payload (4) | length of the key (1) | key | payload | CRC-32 (4)
 *
 * Integers are big-endian. The CRC covers everything before it.
 */
const magic = Buffer.from([0x50, 0x48, 0xf1]);
const fixedBytes = 9;
const crcBytes = 4;

/** The longest key: an LMDB page of 4 KiB takes a little more. */
export const maxKeyBytes = 255;

/** The octets of a frame that are not payload. */
export function frameOverhead(keyBytes: number): number {
  return fixedBytes + keyBytes + crcBytes;
}

/** Where the payload begins in a frame. */
export function payloadOffset(keyBytes: number): number {
  return fixedBytes + keyBytes;
}

/** The payload of a frame that was sealed here, as a view. */
export function payloadOf(frame: Buffer, key: Uint8Array): Buffer {
  return frame.subarray(payloadOffset(key.length), frame.length - crcBytes);
}

export interface FrameName {
  /** A number from 0 to 255 that stays the same for a table in all versions. */
  readonly kind: number;
  readonly key: Uint8Array;
}

/** A frame around `payload`, which is copied. */
export function encodeFrame(name: FrameName, payload: Uint8Array | string): Buffer {
  const payloadBytes = typeof payload === 'string' ? Buffer.byteLength(payload) : payload.length;
  const frame = Buffer.allocUnsafe(frameOverhead(name.key.length) + payloadBytes);
  const offset = payloadOffset(name.key.length);
  if (typeof payload === 'string') frame.write(payload, offset, payloadBytes, 'utf8');
  else frame.set(payload, offset);
  sealFrame(frame, name, payloadBytes);
  return frame;
}

/** Writes header and CRC around a payload that is already in its place in `frame`. */
export function sealFrame(frame: Buffer, name: FrameName, payloadBytes: number): void {
  frame.set(magic);
  frame[3] = name.kind;
  frame.writeUInt32BE(payloadBytes, 4);
  frame[8] = name.key.length;
  frame.set(name.key, fixedBytes);
  const end = payloadOffset(name.key.length) + payloadBytes;
  frame.writeUInt32BE(crc32(frame.subarray(0, end)), end);
}

/** The payload of the frame (a view of it). Throws `StoreError` `corrupt` when anything does not match. */
export function decodeFrame(frame: Buffer, name: FrameName): Buffer {
  const found = readFrame(frame, 0);
  if (found === undefined || found.bytes !== frame.length) {
    throw new StoreError('corrupt', `the record ${describe(name)} does not match its checksum`);
  }
  if (found.kind !== name.kind || !found.key.equals(name.key)) {
    throw new StoreError('corrupt', `the record ${describe(name)} holds ${describe(found)}`);
  }
  return found.payload;
}

export interface FoundFrame {
  readonly kind: number;
  readonly key: Buffer;
  readonly payload: Buffer;
  /** The length of the whole frame. */
  readonly bytes: number;
}

/** The intact frame at `offset`, as views; `undefined` when there is none or its CRC does not match. */
export function readFrame(octets: Buffer, offset: number): FoundFrame | undefined {
  if (octets.length < offset + fixedBytes + crcBytes) return undefined;
  if (octets[offset] !== 0x50 || octets[offset + 1] !== 0x48 || octets[offset + 2] !== 0xf1) return undefined;
  const keyAt = offset + fixedBytes;
  const payloadAt = keyAt + octets.readUInt8(offset + 8);
  const crcAt = payloadAt + octets.readUInt32BE(offset + 4);
  if (crcAt + crcBytes > octets.length) return undefined;
  if (octets.readUInt32BE(crcAt) !== crc32(octets.subarray(offset, crcAt))) return undefined;
  return {
    kind: octets.readUInt8(offset + 3),
    key: octets.subarray(keyAt, payloadAt),
    payload: octets.subarray(payloadAt, crcAt),
    bytes: crcAt + crcBytes - offset,
  };
}

/** Where the next frame may begin at or after `from`; -1 when nothing looks like one. */
export function findFrame(octets: Buffer, from: number): number {
  return octets.indexOf(magic, from);
}

/** The length the frame at `offset` claims to have; `undefined` when its header is not all there. */
export function claimedBytes(octets: Buffer, offset: number): number | undefined {
  if (octets.length < offset + fixedBytes) return undefined;
  return frameOverhead(octets.readUInt8(offset + 8)) + octets.readUInt32BE(offset + 4);
}

function describe(name: FrameName): string {
  return `${name.kind}/${Buffer.from(name.key).toString('hex')}`;
}
