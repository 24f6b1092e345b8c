/** Slows down clients that guess passwords, and no others. */
import { createHmac, randomBytes } from 'node:crypto';
import { blockOf, type Clock } from '../base/index.ts';
import { nameKey } from './name.ts';
import { type AttemptEnd, Pace, type PaceRule } from './pace.ts';
import { Recent } from './recent.ts';

/** Names at addresses, names, and addresses that are remembered, each. */
const maxPaces = 20_000;
const maxKnown = 50_000;
/** Secrets that were right, and that were wrong, each. */
const maxSecrets = 20_000;

/** One name tried from one address: people mistype, then it becomes slow. */
const ofPair: PaceRule = { free: 3, doubling: 1, halfLifeMs: 600_000, room: 20 };
/** One name from everywhere, or all names at one address: far more than people with old passwords cause. */
const ofMany: PaceRule = { free: 300, doubling: 100, halfLifeMs: 6 * 3_600_000, room: 100 };

/**
 * The number of secrets offered for a name at an address, as far as they are remembered, after which a right one waits
 * like a wrong one. Without that bound a guesser would not have to wait: any attempt without an immediate answer would
 * be wrong.
 */
const maxOffered = 50;

/** The facts of an attempt. */
export interface Attempter {
  readonly address: string;
  /** The claimed name; absent if it is not known before the attempt is judged. */
  readonly name?: string | undefined;
  /** The secret, where the same secret always looks the same; kept as a keyed hash. */
  readonly secret?: string | undefined;
  /** Aborts when the client has gone. */
  readonly signal?: AbortSignal | undefined;
}

/** The keys under which an attempt is counted. */
interface Keys {
  readonly pair: string;
  readonly name: string | undefined;
  /** Absent for a proxy of ours. */
  readonly block: string | undefined;
}

/** An attempt that is being judged. Exactly one of its ends counts; disposed without one, it was not judged. */
export interface Attempt extends Disposable {
  succeeded(): void;
  failed(): void;
}

/**
 * Slows down clients that guess, and no others (decision 0017). The pause comes before the attempt is judged, so it
 * reveals nothing about it. It is for one name at one address; a name that is guessed at from everywhere, and an
 * address that guesses at all names, get pauses of their own, which concern only pairs that never logged in. A secret
 * that was right before waits for nothing, unless many others are offered there, and one that was wrong before counts
 * no second time.
 */
export class Throttle {
  readonly #isExempt: (address: string) => boolean;
  readonly #pairs: PaceTable;
  readonly #names: PaceTable;
  readonly #addresses: PaceTable;
  /** Names and the addresses that they have logged in from. */
  readonly #known = new Recent(maxKnown);
  readonly #right = new Recent(maxSecrets);
  readonly #wrong = new Recent(maxSecrets);
  readonly #key = randomBytes(32);

  /** `isExempt` names our own proxies: all of their clients would pay for one. */
  constructor(clock: Clock, isExempt: (address: string) => boolean = () => false) {
    this.#isExempt = isExempt;
    this.#pairs = new PaceTable(clock, ofPair);
    this.#names = new PaceTable(clock, ofMany);
    this.#addresses = new PaceTable(clock, ofMany);
  }

  /** Resolves when the attempt may be judged; `busy` when too many wait before it. */
  async enter({ address, name, secret, signal }: Attempter): Promise<Attempt | 'busy'> {
    const who = nameKey(name ?? '');
    const keys: Keys = {
      pair: this.#code(blockOf(address), who),
      name: name === undefined ? undefined : this.#code(who),
      block: this.#isExempt(address) ? undefined : blockOf(address),
    };
    const code = secret === undefined ? undefined : this.#code(who, secret);
    const passed: Pace[] = [];
    for (const pace of this.#before(keys, code)) {
      if ((await pace.enter({ rank: passed[0]?.failures ?? 0, signal })) === 'go') passed.push(pace);
      else {
        for (const each of passed) each.end('none');
        return 'busy';
      }
    }
    return new JudgedOnce((outcome) => this.#judged({ keys, code, passed }, outcome));
  }

  /** The paces that the attempt has to pass; none where the answer is known and does not help to guess. */
  #before(keys: Keys, code: string | undefined): readonly Pace[] {
    const pair = this.#pairs.of(keys.pair);
    if (code !== undefined) {
      if (this.#wrong.has(code)) return [];
      if (!this.#right.has(code)) pair.offer();
      else if (pair.offered < maxOffered) return [];
    }
    return this.#known.has(keys.pair) ? [pair] : this.#pacesOf(keys);
  }

  #judged(
    {
      keys,
      code,
      passed,
    }: { readonly keys: Keys; readonly code?: string | undefined; readonly passed: Pace[] },
    outcome: AttemptEnd,
  ): void {
    if (outcome === 'right' && keys.name !== undefined) this.#known.add(keys.pair);
    const isAgain = outcome === 'wrong' && code !== undefined && this.#wrong.has(code);
    if (code !== undefined) this.#note(code, outcome);
    for (const pace of passed) pace.end(isAgain ? 'none' : outcome);
    if (outcome !== 'wrong' || isAgain) return;
    for (const pace of this.#pacesOf(keys)) if (!passed.includes(pace)) pace.fail();
  }

  /** From the narrowest to the widest. */
  #pacesOf({ pair, name, block }: Keys): readonly Pace[] {
    return [
      this.#pairs.of(pair),
      ...(name === undefined ? [] : [this.#names.of(name)]),
      ...(block === undefined ? [] : [this.#addresses.of(block)]),
    ];
  }

  #note(code: string, outcome: AttemptEnd): void {
    if (outcome === 'none') return;
    const [now, before] = outcome === 'right' ? [this.#right, this.#wrong] : [this.#wrong, this.#right];
    before.delete(code);
    now.add(code);
  }

  /** Of fixed length, and useless without the key. */
  #code(...parts: readonly string[]): string {
    return createHmac('sha256', this.#key).update(JSON.stringify(parts)).digest('base64');
  }
}

class JudgedOnce implements Attempt {
  #tell: ((outcome: AttemptEnd) => void) | undefined;

  constructor(tell: (outcome: AttemptEnd) => void) {
    this.#tell = tell;
  }

  succeeded(): void {
    this.#end('right');
  }

  failed(): void {
    this.#end('wrong');
  }

  [Symbol.dispose](): void {
    this.#end('none');
  }

  #end(outcome: AttemptEnd): void {
    const tell = this.#tell;
    this.#tell = undefined;
    tell?.(outcome);
  }
}

/** The paces of many, bounded. */
class PaceTable {
  readonly #clock: Clock;
  readonly #rule: PaceRule;
  readonly #paces = new Map<string, Pace>();

  constructor(clock: Clock, rule: PaceRule) {
    this.#clock = clock;
    this.#rule = rule;
  }

  of(key: string): Pace {
    const known = this.#paces.get(key);
    if (known !== undefined) return known;
    if (this.#paces.size >= maxPaces) this.#forget();
    const pace = new Pace(this.#clock, this.#rule);
    this.#paces.set(key, pace);
    return pace;
  }

  /** Entries without a pause go first, then the oldest; a quarter at a time, so that a flood costs little. */
  #forget(): void {
    for (const [key, pace] of this.#paces) if (pace.isFree) this.#drop(key);
    for (const [key, pace] of this.#paces) if (!pace.isInUse) this.#drop(key);
  }

  #drop(key: string): void {
    if (this.#paces.size >= 0.75 * maxPaces) this.#paces.delete(key);
  }
}
