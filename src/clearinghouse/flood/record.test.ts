import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { kindCount } from '../clusters/spectrum.ts';
import { fuzzTargets } from '../fuzz.ts';
import { decodeNotes, encodeNote } from './file.ts';
import {
  decodeHello,
  encodeFrame,
  encodeHello,
  FrameReader,
  frameTypes,
  maxFrame,
  proofOf,
} from './frames.ts';
import { readOrigin } from './identity.ts';
import { decodeSigned, encodeBody, encodeSigned, type FloodRecord } from './record.ts';

const u48 = fc.integer({ min: 1, max: 2 ** 48 - 1 });
const instant = fc.integer({ min: 1, max: 2 ** 47 });
const u32 = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const origin = fc
  .uint8Array({ minLength: 32, maxLength: 32 })
  .map((octets) => Buffer.from(octets).toString('hex'));
const weight = fc.float({ min: 0, max: 1000, noNaN: true });

const records: fc.Arbitrary<FloodRecord> = fc
  .record({
    origin,
    sequence: u48,
    times: fc.tuple(instant, instant, instant).map((times) => times.sort((a, b) => a - b)),
    cluster: u32,
    generation: u32,
    core: fc.array(fc.uniqueArray(u48, { maxLength: 10 }), { minLength: kindCount, maxLength: kindCount }),
    reported: weight,
    revoked: weight,
    cut: u48,
    sketch: fc.uint8Array({ minLength: 256, maxLength: 256, max: 33 }),
  })
  .filter(({ core }) => core.some((list) => list.length > 0))
  .map(({ origin, sequence, times, core, ...tally }) => {
    const [firstSeen = 0, lastSeen = 0, time = 0] = times;
    const lists = core.map((list) => list.sort((a, b) => a - b));
    const sizes = lists.map(({ length }) => length + 3);
    return { origin, sequence, time, tally: { ...tally, core: lists, sizes, firstSeen, lastSeen } };
  });

const signed = (record: FloodRecord) =>
  encodeSigned({ hops: 3, body: encodeBody(record), signature: Buffer.from('signature') });

test('a record is read as it was written, and any part of it is none', () => {
  fc.assert(
    fc.property(records, fc.nat(), (record, cut) => {
      const octets = signed(record);
      const read = decodeSigned(octets);
      assert.deepEqual(read?.record, record);
      assert.deepEqual([read.hops, read.signature.toString()], [3, 'signature']);
      assert.equal(decodeSigned(octets.subarray(0, cut % octets.length)), undefined);
      assert.equal(decodeSigned(Buffer.concat([octets, Buffer.alloc(1)])), undefined);
    }),
    { numRuns: 100 },
  );
});

test('a record with a number out of its bounds is none', () => {
  fc.assert(
    fc.property(records, (record) => {
      const change = (tally: Partial<FloodRecord['tally']>) =>
        decodeSigned(signed({ ...record, tally: { ...record.tally, ...tally } }));
      assert.equal(change({ sketch: new Uint8Array(256).fill(34) }), undefined);
      assert.equal(change({ reported: Number.NaN }), undefined);
      assert.equal(change({ revoked: -1 }), undefined);
      assert.equal(change({ reported: 1e30 }), undefined);
      assert.equal(change({ firstSeen: record.time + 1 }), undefined);
      assert.equal(change({ core: [[], [], [], [], [], []] }), undefined);
      assert.equal(change({ core: [[2, 1], [], [], [], [], []] }), undefined);
      assert.equal(change({ sizes: [0, 0, 0, 0, 0, 0] }), undefined);
      const many = Array.from({ length: 65 }, (_, n) => n + 1);
      assert.equal(change({ core: [many, [], [], [], [], []], sizes: [65, 0, 0, 0, 0, 0] }), undefined);
    }),
    { numRuns: 20 },
  );
});

test('a cut beyond all hashes, and between two of them, is written as a number of 48 bits', () => {
  fc.assert(
    fc.property(records, fc.constantFrom(Number.POSITIVE_INFINITY, 2 ** 50, 12.5), (record, cut) => {
      const read = decodeSigned(signed({ ...record, tally: { ...record.tally, cut } }));
      assert.equal(read?.record.tally.cut, cut === 12.5 ? 12 : 2 ** 48 - 1);
    }),
    { numRuns: 20 },
  );
});

test('frames are the same in whatever pieces they come', () => {
  const frames = [encodeFrame(4), encodeFrame(3, Buffer.from('a record')), encodeFrame(1, Buffer.alloc(500))];
  const all = Buffer.concat(frames);
  for (const size of [1, 2, 3, 7, 100, all.length]) {
    const reader = new FrameReader();
    const read = [];
    for (let at = 0; at < all.length; at += size)
      for (const frame of reader.read(all.subarray(at, at + size)))
        read.push(frame && encodeFrame(frame.type, frame.body));
    assert.deepEqual(read, frames);
  }
});

test('a length beyond the bound, of nothing, or another type is no frame, and nothing is kept for it', () => {
  const head = Buffer.alloc(5);
  for (const [length, type] of [
    [maxFrame + 1, 3],
    [0, 3],
    [1, 9],
  ] as const) {
    head.writeUInt32BE(length);
    head[4] = type;
    assert.deepEqual([...new FrameReader().read(head)], [undefined]);
  }
});

test('a hello is of one network, one sender and one receiver', () => {
  const [a, b] = ['aa'.repeat(32), 'bb'.repeat(32)];
  const vector = new Map([[a, 17]]);
  const hello = encodeHello(proofOf(Buffer.from('key'), a, b), vector);
  assert.deepEqual(decodeHello(hello, proofOf(Buffer.from('key'), a, b)), vector);
  for (const proof of [proofOf(Buffer.from('other'), a, b), proofOf(Buffer.from('key'), b, a)])
    assert.match(String(decodeHello(hello, proof)), /network key/);
  assert.equal(decodeHello(hello.subarray(1), proofOf(Buffer.from('key'), a, b)), 'it is no hello');
});

test('what is broken off or damaged on disk ends there', () => {
  const notes = [
    { kind: 'certificate' as const, octets: Buffer.from('der'), by: 'ab'.repeat(32) },
    { kind: 'record' as const, octets: Buffer.from('record') },
  ];
  const file = Buffer.concat(notes.map(encodeNote));
  assert.deepEqual(
    [...decodeNotes(file)].map(({ end: _, ...note }) => note),
    notes,
  );
  assert.equal([...decodeNotes(file.subarray(0, -1))].length, 1);
  file[file.length - 1] = 0;
  assert.equal([...decodeNotes(file)].length, 1);
});

test('any octets do no harm', () => {
  const target = fuzzTargets.find(({ name }) => name === 'clearinghouse/flood');
  const valid = fc.tuple(records, fc.nat(), fc.nat(255)).map(([record, at, value]) => {
    const octets = signed(record);
    octets[at % octets.length] = value;
    return new Uint8Array(octets);
  });
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 500 }), valid), (octets) => target?.run(octets)),
    { numRuns: 300 },
  );
  assert.equal(frameTypes.heartbeat, 4);
});

/** Of an X25519 key: it agrees on keys and cannot sign. */
const unsigning =
  'MIHlMIGMAhRe8VVlbENsjQM8s22gBEUmkdJQRDAKBggqhkjOPQQDAjAMMQowCAYDVQQDDAF4MCAXDTI2MTEyNDE0MzYwMloYDzIxMjYxMDMxMTQzNjAyWjAMMQowCAYDVQQDDAF4MCowBQYDK2VuAyEAUUvHCBbHJep/MGI7bK9P6XH4bM9uEJcEVIa7IriIIkkwCgYIKoZIzj0EAwIDSAAwRQIhANKQwqqRBOwh1WmDdnxL+U1XVRQz3TgdjX33sVE5AvMvAiAcpV0ZH9tagpvfF3MejTphJbbET3VgEmKBiQmFBEjLbQ==';

test('a certificate whose key cannot sign is none of an origin', () => {
  assert.equal(readOrigin(Buffer.from(unsigning, 'base64')), undefined);
});

test('many small frames in one piece are read in time that grows with their number', () => {
  const heartbeats = Buffer.concat(Array.from({ length: 400_000 }, () => encodeFrame(frameTypes.heartbeat)));
  assert.equal([...new FrameReader().read(heartbeats)].length, 400_000);
});
