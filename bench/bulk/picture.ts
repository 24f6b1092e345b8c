/** Pictures with a message in them, and copies of a picture that differ in every octet. Integer arithmetic only. */
import { encode as encodeJpeg } from 'jpeg-js';
import { PNG } from 'pngjs';
import type { Random } from './random.ts';

export interface Picture {
  readonly width: number;
  readonly height: number;
  /** Three octets a pixel, row by row. */
  readonly pixels: Uint8Array;
}

/** Blocks, bars and lines of glyphs in colours, as an advertisement would have them. */
export function drawPicture(random: Random): Picture {
  const [width, height] = [180, 130];
  const pixels = new Uint8Array(width * height * 3);
  const colour = (): readonly number[] => [random.int(256), random.int(256), random.int(256)];
  const fillBox = (box: readonly number[], ink: readonly number[]): void => {
    const [left = 0, top = 0, wide = 0, high = 0] = box;
    for (let y = top; y < Math.min(height, top + high); y++) {
      for (let x = left; x < Math.min(width, left + wide); x++) pixels.set(ink, (y * width + x) * 3);
    }
  };
  fillBox([0, 0, width, height], colour());
  for (let i = 0; i < 7; i++) {
    fillBox(
      [random.int(width - 20), random.int(height - 20), 20 + random.int(90), 15 + random.int(60)],
      colour(),
    );
  }
  for (let row = 0; row < 4; row++) {
    const ink = colour();
    const [top, size] = [8 + row * 30 + random.int(8), 2 + random.int(2)];
    const glyphs = 6 + random.int(5);
    for (let dot = 0; dot < glyphs * 20; dot++) {
      if (!random.chance(0.5)) continue;
      const left = 8 + Math.trunc(dot / 20) * size * 6 + (dot % 4) * size;
      fillBox([left, top + Math.trunc((dot % 20) / 4) * size, size, size], ink);
    }
  }
  return { width, height, pixels };
}

/** Bilinear, in 1/256 of a pixel. */
export function resize(picture: Picture, width: number, height: number): Picture {
  const pixels = new Uint8Array(width * height * 3);
  const at = (x: number, y: number, channel: number): number =>
    picture.pixels[
      (Math.min(picture.height - 1, y) * picture.width + Math.min(picture.width - 1, x)) * 3 + channel
    ] ?? 0;
  for (let y = 0; y < height; y++) {
    const sourceY = Math.trunc((y * picture.height * 256) / height);
    for (let x = 0; x < width; x++) {
      const sourceX = Math.trunc((x * picture.width * 256) / width);
      const [left, top, right, low] = [sourceX >> 8, sourceY >> 8, sourceX & 255, sourceY & 255];
      for (let channel = 0; channel < 3; channel++) {
        const upper = at(left, top, channel) * (256 - right) + at(left + 1, top, channel) * right;
        const lower = at(left, top + 1, channel) * (256 - right) + at(left + 1, top + 1, channel) * right;
        pixels[(y * width + x) * 3 + channel] = (upper * (256 - low) + lower * low) >> 16;
      }
    }
  }
  return { width, height, pixels };
}

export interface Encoded {
  readonly type: 'image/jpeg' | 'image/png';
  readonly extension: string;
  readonly octets: Uint8Array;
}

/** Resized by up to 15 %, 2 % of the pixels random, a little lighter or darker, compressed anew. */
export function disguisePicture(picture: Picture, random: Random): Encoded {
  const scale = (side: number): number => Math.trunc((side * (85 + random.int(31))) / 100);
  const changed = resize(picture, scale(picture.width), scale(picture.height));
  const shift = random.int(17) - 8;
  const pixels = changed.pixels.map((value) => Math.max(0, Math.min(255, value + shift)));
  const count = changed.width * changed.height;
  for (let i = 0; i < count / 50; i++) {
    pixels.set([random.int(256), random.int(256), random.int(256)], random.int(count) * 3);
  }
  return encodePicture({ ...changed, pixels }, random);
}

function encodePicture({ width, height, pixels }: Picture, random: Random): Encoded {
  const data = Buffer.alloc(width * height * 4, 255);
  for (let i = 0; i < width * height; i++) data.set(pixels.subarray(i * 3, i * 3 + 3), i * 4);
  if (random.chance(0.7)) {
    const octets = encodeJpeg({ width, height, data }, 55 + random.int(40)).data;
    return { type: 'image/jpeg', extension: 'jpg', octets };
  }
  // Stored, not deflated: zlib's output is not the same on every machine.
  const octets = PNG.sync.write(Object.assign(new PNG({ width, height }), { data }), {
    deflateLevel: 0,
    colorType: 2,
  });
  return { type: 'image/png', extension: 'png', octets };
}
