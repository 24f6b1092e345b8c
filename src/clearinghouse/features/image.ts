/** Hashes pictures by their look, and finds similar ones. */
import type { Content } from '../content/content.ts';

/** A perceptual hash of 64 bits, in two halves. */
export interface ImageHash {
  readonly high: number;
  readonly low: number;
}

const side = 32;
/** A picture is looked at in this size to find its border; a multiple of `side`. */
const canvas = 128;
/** Of each edge so much may be border. */
const maxBorder = canvas / 4;
/** A line is border where so many of its dots are nearly of one grey; noise may change the others. */
const borderShare = 0.9;
const borderTolerance = 12;
/** The lowest frequencies in each direction, without the first, which is brightness. */
const kept = 8;
/** Smaller pictures are icons, logos and tracking pixels. */
const minSide = 100;
/** The largest number of pixels of one picture, and of all pictures of a message. */
const maxPixels = 16_000_000;
const maxSeconds = 1;
const maxOctets = 8_000_000;
const maxImages = 4;
/** A picture of one colour, or nearly, is no picture of anything. */
const minContrast = 12;

const cosines = Float64Array.from({ length: side * side }, (_, at) => {
  const [frequency, place] = [Math.floor(at / side), at % side];
  return Math.cos((Math.PI * frequency * (2 * place + 1)) / (2 * side));
});

export function hasPictures({ leaves, pictures }: Pick<Content, 'leaves' | 'pictures'>): boolean {
  return pictures.length > 0 || leaves.some(({ type }) => type.startsWith('image/'));
}

/**
 * The hashes of the pictures of a message, each as a whole and without its border, if it has one. Unreadable and plain
 * pictures are left out.
 */
export async function imageHashes({
  leaves,
  pictures,
}: Pick<Content, 'leaves' | 'pictures'>): Promise<ImageHash[]> {
  const attached = leaves.flatMap(({ type, octets }) => (type.startsWith('image/') ? [octets] : []));
  const images = [...attached, ...pictures].filter(({ length }) => length <= maxOctets);
  const found: ImageHash[] = [];
  let left = maxPixels;
  for (const octets of images.filter(isPicture).slice(0, maxImages)) {
    const { pixels, grey } = await greyOf(octets, left);
    left -= pixels;
    if (grey === undefined) continue;
    const whole: Box = { left: 0, top: 0, right: canvas, bottom: canvas };
    const inner = withoutBorder(grey);
    const boxes = areaOf(inner) === areaOf(whole) ? [whole] : [whole, inner];
    for (const box of boxes) {
      const hash = perceptualHash(shrunk(grey, box));
      if (hash !== undefined) found.push(hash);
    }
  }
  return found;
}

/** In dots of the canvas; right and bottom are the first that are outside. */
interface Box {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

function areaOf({ left, top, right, bottom }: Box): number {
  return (right - left) * (bottom - top);
}

/** The box that is left after cutting off lines at each edge that have only the grey of the outermost line. */
function withoutBorder(grey: Uint8Array): Box {
  const row = (y: number) => grey.subarray(y * canvas, (y + 1) * canvas);
  const column = (x: number) => Uint8Array.from({ length: canvas }, (_, y) => grey[y * canvas + x] ?? 0);
  const last = canvas - 1;
  return {
    left: borderOf(column),
    top: borderOf(row),
    right: canvas - borderOf((at) => column(last - at)),
    bottom: canvas - borderOf((at) => row(last - at)),
  };
}

/** How many lines, from the edge on, are border. */
function borderOf(line: (at: number) => Uint8Array): number {
  const shade = line(0).slice().sort()[canvas / 2] ?? 0;
  const isBorder = (dots: Uint8Array) =>
    dots.filter((dot) => Math.abs(dot - shade) <= borderTolerance).length >= borderShare * canvas;
  let width = 0;
  while (width < maxBorder && isBorder(line(width))) width++;
  return width;
}

/** A part of the canvas in 32 × 32 dots, each the mean of the area that it covers. */
function shrunk(grey: Uint8Array, { left, top, right, bottom }: Box): Uint8Array {
  const small = new Uint8Array(side * side);
  const edge = (from: number, to: number, at: number) => from + Math.floor(((to - from) * at) / side);
  for (let y = 0; y < side; y++)
    for (let x = 0; x < side; x++) {
      let [sum, count] = [0, 0];
      for (let v = edge(top, bottom, y); v < edge(top, bottom, y + 1); v++)
        for (let u = edge(left, right, x); u < edge(left, right, x + 1); u++) {
          sum += grey[v * canvas + u] ?? 0;
          count++;
        }
      small[y * side + x] = Math.round(sum / count);
    }
  return small;
}

/**
 * The discrete cosine transform of a picture of 32 × 32 in grey; each bit tells whether one of its 64 lowest
 * frequencies is above their median ("pHash", Zauner 2010). Random dots, another size and another compression change a
 * few bits.
 */
function perceptualHash(grey: Uint8Array): ImageHash | undefined {
  if (contrastOf(grey) < minContrast) return undefined;
  const rows = new Float64Array(side * (kept + 1));
  for (let y = 0; y < side; y++)
    for (let u = 0; u <= kept; u++) {
      let sum = 0;
      for (let x = 0; x < side; x++) sum += (grey[y * side + x] ?? 0) * (cosines[u * side + x] ?? 0);
      rows[y * (kept + 1) + u] = sum;
    }
  const frequencies: number[] = [];
  for (let v = 0; v <= kept; v++)
    for (let u = 0; u <= kept; u++) {
      if (u + v === 0 || frequencies.length === 64) continue;
      let sum = 0;
      for (let y = 0; y < side; y++) sum += (rows[y * (kept + 1) + u] ?? 0) * (cosines[v * side + y] ?? 0);
      frequencies.push(sum);
    }
  const median = [...frequencies].sort((a, b) => a - b)[32] ?? 0;
  const bits = (from: number) =>
    frequencies
      .slice(from, from + 32)
      .reduce((value, one, at) => (one > median ? value | (1 << at) : value), 0) >>> 0;
  return { high: bits(0), low: bits(32) };
}

/** Bits that differ. */
export function distance(a: ImageHash, b: ImageHash): number {
  return ones(a.high ^ b.high) + ones(a.low ^ b.low);
}

/** Formats that mail programs show and that are cheap to read: JPEG, PNG, GIF, WebP. Others are programs, nearly. */
function isPicture(octets: Uint8Array): boolean {
  const begin = Buffer.from(octets.subarray(0, 12)).toString('latin1');
  return /^(?:\xff\xd8\xff|\x89PNG\r\n|GIF8|RIFF[\s\S]{4}WEBP)/.test(begin);
}

/** The picture as a whole in the size of the canvas, if it has no more pixels than that; and how many it took. */
async function greyOf(octets: Uint8Array, maxPixels: number): Promise<{ pixels: number; grey?: Uint8Array }> {
  try {
    const { default: sharp } = await import('sharp');
    const image = sharp(octets, { limitInputPixels: maxPixels, pages: 1, failOn: 'none' });
    const { width, height } = await image.metadata();
    const pixels = width * height;
    if (width < minSide || height < minSide || pixels > maxPixels) return { pixels: 0 };
    const grey = await image
      .timeout({ seconds: maxSeconds })
      .flatten({ background: 'white' })
      .greyscale()
      .resize(canvas, canvas, { fit: 'fill' })
      .raw()
      .toBuffer();
    return { pixels, grey };
  } catch {
    return { pixels: 0 };
  }
}

function contrastOf(grey: Uint8Array): number {
  const mean = grey.reduce((sum, one) => sum + one, 0) / grey.length;
  return Math.sqrt(grey.reduce((sum, one) => sum + (one - mean) ** 2, 0) / grey.length);
}

function ones(word: number): number {
  let count = 0;
  for (let left = word; left !== 0; left &= left - 1) count++;
  return count;
}

const bands = 4;
const ways = 16;
/** Pictures that differ in no more bits are the same one. */
const near = 8;

/**
 * The known pictures, in fixed memory, found by a quarter of their bits: two hashes that differ in eight of 64 bits
 * have a quarter that differs in at most two, so the neighbours of each quarter are searched too.
 */
export class Pictures {
  readonly #buckets: number;
  readonly #high: Uint32Array;
  readonly #low: Uint32Array;
  readonly #turns: Uint8Array;

  /** `places` is a power of two. */
  constructor(places: number) {
    this.#buckets = places / ways;
    this.#high = new Uint32Array(places);
    this.#low = new Uint32Array(places);
    this.#turns = new Uint8Array(this.#buckets);
  }

  static readonly octetsEach = 8;

  /** The known picture that looks like this one. */
  find(image: ImageHash): ImageHash | undefined {
    let best: ImageHash | undefined;
    let least = near + 1;
    for (let band = 0; band < bands; band++) {
      for (const bucket of this.#bucketsOf(image, band)) {
        for (let at = bucket * ways; at < (bucket + 1) * ways; at++) {
          const seen = { high: this.#high[at] ?? 0, low: this.#low[at] ?? 0 };
          const bits = distance(seen, image);
          if (bits < least && (seen.high !== 0 || seen.low !== 0)) [best, least] = [seen, bits];
        }
      }
    }
    return best;
  }

  /** Adds a picture that looks like no other. */
  add(image: ImageHash): void {
    for (let band = 0; band < bands; band++) this.#put(image, band);
  }

  arrays(): readonly (Uint32Array | Uint8Array)[] {
    return [this.#high, this.#low, this.#turns];
  }

  /** The bucket of a band, and the buckets of values that differ in one bit. */
  #bucketsOf(image: ImageHash, band: number): number[] {
    const value = bandOf(image, band);
    const values = [value, ...Array.from({ length: 16 }, (_, bit) => value ^ (1 << bit))];
    return values.map((one) => this.#bucket(one, band));
  }

  #put(image: ImageHash, band: number): void {
    const bucket = this.#bucket(bandOf(image, band), band);
    const turn = this.#turns[bucket] ?? 0;
    this.#turns[bucket] = (turn + 1) % ways;
    this.#high[bucket * ways + turn] = image.high;
    this.#low[bucket * ways + turn] = image.low;
  }

  #bucket(value: number, band: number): number {
    return (Math.imul(value * bands + band + 1, 0x9e3779b1) >>> 8) & (this.#buckets - 1);
  }
}

function bandOf({ high, low }: ImageHash, band: number): number {
  const half = band < 2 ? high : low;
  return band % 2 === 0 ? half & 0xffff : half >>> 16;
}
