import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type OriginalSource, readOriginal } from './original.ts';

function inChunks(text: string, size: number): OriginalSource & { taken: number } {
  const octets = Buffer.from(text);
  const source = {
    size: octets.length,
    whole: undefined,
    taken: 0,
    async *chunks() {
      for (let at = 0; at < octets.length; at += size) {
        source.taken += size;
        yield octets.subarray(at, at + size);
      }
    },
  };
  return source;
}

const message = 'A: 1\r\nB: 2\r\n\r\nbody\r\n';

test('a message within the limit is read whole, however it is cut', async () => {
  for (let size = 1; size <= message.length; size++) {
    const original = await readOriginal(inChunks(message, size), 1000);
    assert.equal(original.header.toString(), 'A: 1\r\nB: 2\r\n');
    assert.equal(original.full?.toString(), message);
  }
});

test('a message over the limit gives its header, and no more than needed is read', async () => {
  const source = inChunks(message + 'x'.repeat(10_000), 10);
  const original = await readOriginal(source, 40);
  assert.equal(original.header.toString(), 'A: 1\r\nB: 2\r\n');
  assert.equal(original.full, undefined);
  assert.ok(source.taken <= 50);
});

test('a header over the limit gives its first whole lines', async () => {
  const original = await readOriginal(inChunks(message, 4), 10);
  assert.equal(original.header.toString(), 'A: 1\r\n');
});

test('a message without a header, a body or anything gives an empty header or all of it', async () => {
  assert.equal((await readOriginal(inChunks('\r\nbody\r\n', 3), 99)).header.length, 0);
  assert.equal((await readOriginal(inChunks('A: 1\r\n', 3), 99)).header.toString(), 'A: 1\r\n');
  assert.equal((await readOriginal(inChunks('', 3), 99)).header.length, 0);
});

test('a source that fails rejects', async () => {
  const source: OriginalSource = {
    size: 5,
    whole: undefined,
    // biome-ignore lint/correctness/useYield: it fails before it can
    async *chunks() {
      throw new Error('disk');
    },
  };
  await assert.rejects(readOriginal(source), /disk/);
});
