/** The digests and shingles of rspamd's fuzzy storage, in fixed memory. */
import { crc32 } from 'node:zlib';
import { digestOctets, type FuzzyCommand, shingleCount } from './fuzzy-wire.ts';

/** Places that a digest or a shingle may be in. */
const ways = 4;
/** Lists that one digest may be on. */
const flagsEach = 4;
/** Of the shingles, from which on it is the same text. */
const minShared = shingleCount / 2 + 1;
const magic = 'PHFZ';
const layout = 1;

/** The facts of a digest. */
export interface Found {
  readonly flag: number;
  readonly value: number;
  /** Seconds since 1970. */
  readonly time: number;
  readonly digest: Buffer;
  readonly probability: number;
}

/**
 * Digests with their weights on numbered lists, and the shingles that lead to them, in fixed memory: the oldest entry
 * of a full bucket gives way.
 */
export class FuzzyTable {
  readonly #digests: Buffer;
  readonly #flags: Uint8Array;
  readonly #values: Int32Array;
  readonly #times: Uint32Array;
  /** Place of the digest and 1, by shingle. */
  readonly #places: Uint32Array;
  readonly #marks: Uint32Array;
  readonly #capacity: number;
  readonly #expirySeconds: number;
  #count = 0;
  #turn = 0;

  /** `capacity` is a power of two. */
  constructor(capacity: number, expirySeconds: number) {
    this.#capacity = capacity;
    this.#expirySeconds = expirySeconds;
    this.#digests = Buffer.alloc(capacity * digestOctets);
    this.#flags = new Uint8Array(capacity * flagsEach);
    this.#values = new Int32Array(capacity * flagsEach);
    this.#times = new Uint32Array(capacity);
    this.#places = new Uint32Array(capacity * shingleCount);
    this.#marks = new Uint32Array(capacity * shingleCount);
  }

  /** The number of digests, including expired ones that were not looked up since. */
  get size(): number {
    return this.#count;
  }

  /** Looks a text up by its digest, otherwise by the majority of its shingles. `now` in seconds. */
  find({ digest, shingles }: Pick<FuzzyCommand, 'digest' | 'shingles'>, now: number): Found | undefined {
    const exact = this.#placeOf(digest, now);
    if (exact !== undefined) return this.#found(exact, 1);
    if (shingles === undefined) return undefined;
    const votes = new Map<number, number>();
    for (let at = 0; at < shingleCount; at++) {
      const place = this.#ofShingle(shingles, at);
      if (place !== undefined && this.#isAlive(place, now)) votes.set(place, (votes.get(place) ?? 0) + 1);
    }
    const [best] = [...votes].sort(([, a], [, b]) => b - a);
    if (best === undefined || best[1] < minShared) return undefined;
    return this.#found(best[0], best[1] / shingleCount);
  }

  /** Adds to the weight of a digest on a list. */
  write({ digest, shingles, flag, value }: FuzzyCommand, now: number): void {
    let place = this.#placeOf(digest, now);
    if (place === undefined) {
      place = this.#victim(digest, now);
      this.#clear(place);
      digest.copy(this.#digests, place * digestOctets);
      this.#count++;
    }
    this.#times[place] = now;
    const at = this.#flagOf(place, flag) ?? this.#freeFlag(place);
    if (this.#flags[at] !== flag) this.#values[at] = 0;
    this.#flags[at] = flag;
    this.#values[at] = Math.max(-0x7fffffff, Math.min(0x7fffffff, (this.#values[at] ?? 0) + value));
    if (shingles !== undefined) for (let n = 0; n < shingleCount; n++) this.#noteShingle(shingles, n, place);
  }

  /** Takes a digest from a list. False where it was not on it. */
  delete({ digest, flag }: Pick<FuzzyCommand, 'digest' | 'flag'>, now: number): boolean {
    const place = this.#placeOf(digest, now);
    const at = place === undefined ? undefined : this.#flagOf(place, flag);
    if (place === undefined || at === undefined) return false;
    this.#flags[at] = 0;
    this.#values[at] = 0;
    const from = place * flagsEach;
    if (this.#flags.subarray(from, from + flagsEach).every((other) => other === 0)) this.#clear(place);
    return true;
  }

  /** The whole table as octets, with a checksum. */
  save(): Buffer {
    const body = Buffer.concat(this.#arrays());
    const head = Buffer.alloc(16);
    head.write(magic, 'latin1');
    head.writeUInt32LE(layout, 4);
    head.writeUInt32LE(this.#capacity, 8);
    head.writeUInt32LE(crc32(body), 12);
    return Buffer.concat([head, body]);
  }

  /** Why it cannot be used; undefined when it was. */
  restore(saved: Buffer): string | undefined {
    if (saved.length < 16 || saved.toString('latin1', 0, 4) !== magic) return 'it is no fuzzy storage';
    const arrays = this.#arrays();
    const length = arrays.reduce((sum, array) => sum + array.length, 16);
    const isSame = saved.readUInt32LE(4) === layout && saved.readUInt32LE(8) === this.#capacity;
    if (!isSame || saved.length !== length) return 'it is of another size or layout';
    if (crc32(saved.subarray(16)) !== saved.readUInt32LE(12)) return 'it is damaged';
    let at = 16;
    for (const array of arrays) {
      array.set(saved.subarray(at, at + array.length));
      at += array.length;
    }
    this.#count = this.#times.reduce((sum, time) => sum + (time > 0 ? 1 : 0), 0);
    return undefined;
  }

  #arrays(): readonly Uint8Array[] {
    const all = [this.#flags, this.#values, this.#times, this.#places, this.#marks];
    const octets = all.map(
      ({ buffer, byteOffset, byteLength }) => new Uint8Array(buffer, byteOffset, byteLength),
    );
    return [this.#digests, ...octets];
  }

  #found(place: number, probability: number): Found {
    let at = place * flagsEach;
    for (let other = at; other < (place + 1) * flagsEach; other++)
      if ((this.#values[other] ?? 0) > (this.#values[at] ?? 0)) at = other;
    const from = place * digestOctets;
    return {
      flag: this.#flags[at] ?? 0,
      value: this.#values[at] ?? 0,
      time: this.#times[place] ?? 0,
      digest: this.#digests.subarray(from, from + digestOctets),
      probability,
    };
  }

  #isAlive(place: number, now: number): boolean {
    const time = this.#times[place] ?? 0;
    return time > 0 && now - time < this.#expirySeconds;
  }

  #placeOf(digest: Buffer, now: number): number | undefined {
    const from = this.#bucket(digest);
    for (let place = from; place < from + ways; place++) {
      const at = place * digestOctets;
      if (this.#isAlive(place, now) && digest.equals(this.#digests.subarray(at, at + digestOctets)))
        return place;
    }
    return undefined;
  }

  #victim(digest: Buffer, now: number): number {
    const from = this.#bucket(digest);
    let oldest = from;
    for (let place = from; place < from + ways; place++) {
      if (!this.#isAlive(place, now)) return place;
      if ((this.#times[place] ?? 0) < (this.#times[oldest] ?? 0)) oldest = place;
    }
    return oldest;
  }

  #clear(place: number): void {
    if ((this.#times[place] ?? 0) > 0) this.#count--;
    this.#times[place] = 0;
    this.#flags.fill(0, place * flagsEach, (place + 1) * flagsEach);
    this.#values.fill(0, place * flagsEach, (place + 1) * flagsEach);
  }

  #flagOf(place: number, flag: number): number | undefined {
    for (let at = place * flagsEach; at < (place + 1) * flagsEach; at++)
      if (this.#flags[at] === flag && flag !== 0) return at;
    return undefined;
  }

  /** A free place for a list, otherwise that of the list with the least weight. */
  #freeFlag(place: number): number {
    let least = place * flagsEach;
    for (let at = least; at < (place + 1) * flagsEach; at++) {
      if (this.#flags[at] === 0) return at;
      if ((this.#values[at] ?? 0) < (this.#values[least] ?? 0)) least = at;
    }
    return least;
  }

  #bucket(digest: Buffer): number {
    return (digest.readUInt32LE(0) & (this.#capacity / ways - 1)) * ways;
  }

  #ofShingle(shingles: Buffer, n: number): number | undefined {
    const [from, mark] = this.#shingle(shingles, n);
    for (let at = from; at < from + ways; at++)
      if (this.#marks[at] === mark && this.#places[at] !== 0) return (this.#places[at] ?? 0) - 1;
    return undefined;
  }

  #noteShingle(shingles: Buffer, n: number, place: number): void {
    const [from, mark] = this.#shingle(shingles, n);
    let free = from + (this.#turn++ & (ways - 1));
    for (let at = from; at < from + ways; at++) {
      if (this.#marks[at] !== mark && this.#places[at] !== 0) continue;
      free = at;
      break;
    }
    this.#marks[free] = mark;
    this.#places[free] = place + 1;
  }

  /** The bucket of a shingle at its place in the row, and the mark by which it is told from others there. */
  #shingle(shingles: Buffer, n: number): readonly [bucket: number, mark: number] {
    const [low, high] = [shingles.readUInt32LE(8 * n), shingles.readUInt32LE(8 * n + 4)];
    const mixed = Math.imul(low ^ Math.imul(n + 1, 0x9e3779b1), 0x85ebca6b) >>> 0;
    const buckets = (this.#capacity * shingleCount) / ways;
    return [(mixed & (buckets - 1)) * ways, (high ^ (low >>> 3)) >>> 0];
  }
}
