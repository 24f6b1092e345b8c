import assert from 'node:assert/strict';
import { test } from 'node:test';
import sharp from 'sharp';
import type { Leaf } from '../content/content.ts';
import { readContent } from '../content/read.ts';
import { distance, type ImageHash, imageHashes, Pictures } from './image.ts';

const [width, height] = [240, 160];
const near = 8;

/** Rectangles in greys chosen by `seed`. */
function drawing(seed: number): Buffer {
  let state = seed;
  const next = (below: number) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return (state >>> 8) % below;
  };
  const pixels = Buffer.alloc(width * height * 3, next(256));
  for (let n = 0; n < 12; n++) {
    const [left, top, wide, high, shade] = [
      next(width),
      next(height),
      20 + next(90),
      15 + next(70),
      next(256),
    ];
    for (let y = top; y < Math.min(height, top + high); y++)
      for (let x = left; x < Math.min(width, left + wide); x++)
        pixels.fill(shade, (y * width + x) * 3, (y * width + x + 1) * 3);
  }
  return pixels;
}

const picture = (seed: number) => sharp(drawing(seed), { raw: { width, height, channels: 3 } });

function withDots(seed: number, share: number) {
  const pixels = drawing(seed);
  for (let n = 0; n < width * height * share; n++)
    pixels.fill((n * 89) % 256, ((n * 7919) % (width * height)) * 3, ((n * 7919) % (width * height)) * 3 + 3);
  return sharp(pixels, { raw: { width, height, channels: 3 } });
}

const leaf = (octets: Uint8Array): Leaf => ({ type: 'image/png', octets, isAttachment: false });
const hashesOf = async (image: { toBuffer(): Promise<Buffer> }) =>
  await imageHashes({ leaves: [leaf(await image.toBuffer())], pictures: [] });
const minDistance = (some: readonly ImageHash[], others: readonly ImageHash[]) =>
  Math.min(...some.flatMap((one) => others.map((other) => distance(one, other))));

const disguises = {
  'another format': () => picture(1).webp({ quality: 60 }),
  'a palette': () => picture(1).gif({ colours: 32 }),
  'random dots': () => withDots(1, 0.03).png(),
  'another size': () => picture(1).resize(150, 100).jpeg({ quality: 45 }),
  'another shape': () => picture(1).resize(300, 160, { fit: 'fill' }).png(),
  'more light': () => picture(1).linear(0.8, 20).png(),
  'a white border': () =>
    picture(1).extend({ top: 9, bottom: 3, left: 5, right: 12, background: '#ffffff' }).png(),
  'a border in colour': () =>
    picture(1).extend({ top: 4, bottom: 11, left: 2, right: 7, background: '#3020a0' }).jpeg({ quality: 70 }),
} as const;

for (const [name, disguised] of Object.entries(disguises))
  test(`a picture is the same one in spite of ${name}`, async () => {
    const first = await hashesOf(picture(1).png());
    assert.ok(minDistance(first, await hashesOf(disguised())) <= near);
  });

test('a picture that is in a page itself is the same one', async () => {
  const base64 = (await picture(1).jpeg().toBuffer()).toString('base64');
  const page = `<p>Hi</p><img alt="" src="data:image/jpeg;base64,${base64}">`;
  const content = readContent(Buffer.from(`Content-Type: text/html\r\n\r\n${page}`));
  assert.ok(minDistance(await hashesOf(picture(1).png()), await imageHashes(content)) <= near);
});

test('other pictures are other ones', async () => {
  const first = await hashesOf(picture(1).png());
  for (let seed = 2; seed < 12; seed++)
    assert.ok(minDistance(first, await hashesOf(picture(seed).png())) > near, `${seed}`);
});

test('dots, icons, one colour and what is no picture have no hash', async () => {
  const plain = sharp({ create: { width: 200, height: 200, channels: 3, background: '#808080' } }).png();
  assert.deepEqual(await hashesOf(plain), []);
  assert.deepEqual(await hashesOf(picture(1).resize(40, 40).png()), []);
  const whole = await picture(1).png().toBuffer();
  const claimed = Buffer.from(whole);
  claimed.writeUInt32BE(60_000, 16);
  claimed.writeUInt32BE(60_000, 20);
  const drawn =
    '<svg xmlns="http://www.w3.org/2000/svg" width="200" height="200"><circle r="90" cx="99" cy="99"/></svg>';
  const others = [Buffer.from(drawn), await picture(1).avif().toBuffer(), await picture(1).tiff().toBuffer()];
  for (const octets of [claimed, ...others, whole.subarray(0, 40), Buffer.from('GIF89a'), Buffer.alloc(0)])
    assert.deepEqual(await imageHashes({ leaves: [leaf(octets)], pictures: [] }), []);
});

test('pictures of one message are looked at up to a number of pixels', async () => {
  const large = await picture(1).resize(3900, 3900, { fit: 'fill' }).jpeg().toBuffer();
  const small = await picture(2).png().toBuffer();
  const hashes = (...all: Uint8Array[]) => imageHashes({ leaves: all.map(leaf), pictures: [] });
  assert.deepEqual(await hashes(large, large, small), await hashes(large, small));
});

test('a picture that was seen is found again with eight bits changed, and with more it is not', () => {
  const pictures = new Pictures(1024);
  const seen = { high: 0x1234_5678, low: 0x9abc_def0 };
  pictures.add(seen);
  const changed = { high: (seen.high ^ 0b1010_0000_0001) >>> 0, low: (seen.low ^ 0x8100_0101) >>> 0 };
  assert.equal(distance(seen, changed), 7);
  assert.deepEqual(pictures.find(changed), seen);
  assert.equal(pictures.find({ ...changed, high: (changed.high ^ 0x00ff_0000) >>> 0 }), undefined);
});
