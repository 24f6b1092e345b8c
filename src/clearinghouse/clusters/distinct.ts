/** Counts distinct recipients and reporters without a list of them. */

/** Registers of one sketch; the standard error is 1.04/√256 = 6.5 %. */
const registers = 256;
const bits = 8;
const alpha = 0.7213 / (1 + 1.079 / registers);

/**
 * Counts distinct hashes for many subjects, each in 512 octets: HyperLogLog (Flajolet et al. 2007) with linear
 * counting below 2.5 × 256. Each subject has two generations of a sketch; hashes of the older one fade in the course
 * of the newer one.
 */
export class DistinctCounts {
  readonly #now: Uint8Array;
  readonly #before: Uint8Array;
  readonly #begunAt: Float64Array;

  constructor(subjects: number) {
    this.#now = new Uint8Array(subjects * registers);
    this.#before = new Uint8Array(subjects * registers);
    this.#begunAt = new Float64Array(subjects);
  }

  static readonly octetsEach = 2 * registers + 8;

  clear(subject: number, at: number): void {
    const from = subject * registers;
    this.#now.fill(0, from, from + registers);
    this.#before.fill(0, from, from + registers);
    this.#begunAt[subject] = at;
  }

  /** Counts a hash of 48 bits. */
  add(subject: number, hash: number): void {
    const low = hash >>> 0;
    const index = subject * registers + (low & (registers - 1));
    // The leading zeros in the rest of the lower half; its first bits would be enough for 2^24 × 256.
    const rank = Math.clz32((low >>> bits) << bits) + 1;
    if (rank > (this.#now[index] ?? 0)) this.#now[index] = rank;
  }

  /** The estimated number of distinct hashes. `halfLifeMs` is the length of a generation. */
  count(subject: number, at: number, halfLifeMs: number): number {
    this.turn(subject, at, halfLifeMs);
    const from = subject * registers;
    const recent = estimate(this.#now, from);
    const elapsed = Math.min(1, Math.max(0, (at - (this.#begunAt[subject] ?? 0)) / halfLifeMs));
    if (elapsed >= 1) return recent;
    const all = estimate(this.#now, from, this.#before);
    return recent + (1 - elapsed) * Math.max(0, all - recent);
  }

  /** All that was counted of one is counted of another; each has its own half-life. */
  join(
    from: { readonly subject: number; readonly halfLifeMs: number },
    to: { readonly subject: number; readonly halfLifeMs: number },
    at: number,
  ): void {
    for (const { subject, halfLifeMs } of [from, to]) this.turn(subject, at, halfLifeMs);
    for (const sketch of [this.#now, this.#before])
      for (let place = 0; place < registers; place++) {
        const rank = sketch[from.subject * registers + place] ?? 0;
        const index = to.subject * registers + place;
        if (rank > (sketch[index] ?? 0)) sketch[index] = rank;
      }
    this.clear(from.subject, at);
  }

  /** The sketch of a subject for other clearinghouses, without the older generation once it has faded. */
  sketch(subject: number, at: number, halfLifeMs: number): Uint8Array {
    this.turn(subject, at, halfLifeMs);
    const from = subject * registers;
    const sketch = this.#now.slice(from, from + registers);
    if (at - (this.#begunAt[subject] ?? 0) > halfLifeMs / 2) return sketch;
    return sketch.map((rank, place) => Math.max(rank, this.#before[from + place] ?? 0));
  }

  arrays(): readonly (Uint8Array | Float64Array)[] {
    return [this.#now, this.#before, this.#begunAt];
  }

  /**
   * Begins a new generation when the time of the current one is over. It has to be called with the time of each
   * addition before the recipients are added, and may be called at any time between: that changes nothing, so a replay
   * comes to the same state.
   */
  turn(subject: number, at: number, halfLifeMs: number): void {
    const begun = this.#begunAt[subject] ?? 0;
    // By a clock that was ahead; from now on it fades as it should.
    if (begun > at) this.#begunAt[subject] = at;
    if (at - begun < halfLifeMs) return;
    const from = subject * registers;
    const generations = Math.floor((at - begun) / halfLifeMs);
    const isNext = generations === 1;
    for (let place = from; place < from + registers; place++) {
      this.#before[place] = isNext ? (this.#now[place] ?? 0) : 0;
      this.#now[place] = 0;
    }
    this.#begunAt[subject] = begun + generations * halfLifeMs;
  }
}

/** How many different hashes a sketch of 256 registers has counted. */
export function estimateOf(sketch: Uint8Array): number {
  return estimate(sketch, 0);
}

/** Of one sketch, or of two together. */
function estimate(sketch: Uint8Array, from: number, other?: Uint8Array): number {
  let sum = 0;
  let zeros = 0;
  for (let at = from; at < from + registers; at++) {
    const rank = Math.max(sketch[at] ?? 0, other?.[at] ?? 0);
    sum += 2 ** -rank;
    if (rank === 0) zeros++;
  }
  const raw = (alpha * registers * registers) / sum;
  if (raw > 2.5 * registers || zeros === 0) return raw;
  return registers * Math.log(registers / zeros);
}
