import { isIPv6 } from 'node:net';
import type { Clock } from '../base/index.ts';

const maxKeys = 20_000;
const maxKnown = 50_000;
/** Attempts that wait for one address or one name; the next is told to come back. */
const maxWaiting = 20;
/** Wrong passwords that cost nothing: people mistype. */
const freeFailures = 3;
const firstDelayMs = 500;
const maxDelayMs = 30_000;
/** Half of the failures are forgotten in this time. */
const halfLifeMs = 600_000;

interface Record {
  failures: number;
  failedAt: number;
  /** The next attempt is judged no earlier than this. */
  nextAt: number;
  waiting: number;
}

/** What an attempt is made with. */
export interface Attempter {
  readonly address: string;
  /** Who it claims to be; absent where that is not known before the attempt is judged. */
  readonly name?: string | undefined;
}

/**
 * Slows down those who guess. Attempts from one address, and at one name, are judged one after the other with
 * a growing pause, so that many sessions at once gain nothing. Somebody who logged in from an address before
 * does not wait for what others try at his name. Nobody is locked out: the longest pause is half a minute.
 * The pause comes before the attempt is judged, so it says nothing about it.
 */
export class Throttle {
  readonly #clock: Clock;
  readonly #isExempt: (address: string) => boolean;
  readonly #records = new Map<string, Record>();
  /** Names and the addresses that they have logged in from. */
  readonly #known = new Set<string>();

  /** `isExempt` names our own proxies: everybody would pay for what comes through them. */
  constructor(clock: Clock, isExempt: (address: string) => boolean = () => false) {
    this.#clock = clock;
    this.#isExempt = isExempt;
  }

  /** Resolves when the attempt may be judged; `busy` when too many wait before it. */
  async enter(attempter: Attempter): Promise<'go' | 'busy'> {
    const now = this.#clock.now();
    const records = this.#keys(attempter).map((key) => this.#record(key));
    if (records.some(({ waiting }) => waiting >= maxWaiting)) return 'busy';
    const at = Math.max(now, ...records.map(({ nextAt }) => nextAt));
    for (const record of records) record.nextAt = Math.max(record.nextAt, at + delayOf(record, now));
    if (at <= now) return 'go';
    for (const record of records) record.waiting++;
    await new Promise<void>((resolve) => {
      this.#clock.after(at - now, resolve);
    });
    for (const record of records) record.waiting--;
    return 'go';
  }

  failed(attempter: Attempter): void {
    const now = this.#clock.now();
    for (const key of this.#keys(attempter)) {
      const record = this.#record(key);
      record.failures = failuresAt(record, now) + 1;
      record.failedAt = now;
      record.nextAt = Math.max(record.nextAt, now + delayOf(record, now));
    }
  }

  succeeded({ address, name }: Attempter): void {
    // A right password does not excuse the wrong ones: that would let a guesser with an account go on.
    if (name === undefined) return;
    const known = knownKey(address, name);
    this.#known.delete(known);
    this.#known.add(known);
    if (this.#known.size > maxKnown) for (const oldest of this.#known) if (this.#known.delete(oldest)) break;
  }

  #keys({ address, name }: Attempter): string[] {
    const keys: string[] = [];
    if (!this.#isExempt(address)) keys.push(`address ${networkOf(address)}`);
    if (name !== undefined && !this.#known.has(knownKey(address, name)))
      keys.push(`name ${name.toLowerCase()}`);
    return keys;
  }

  #record(key: string): Record {
    const known = this.#records.get(key);
    if (known !== undefined) return known;
    if (this.#records.size >= maxKeys) this.#forget();
    const record = { failures: 0, failedAt: 0, nextAt: 0, waiting: 0 };
    this.#records.set(key, record);
    return record;
  }

  /** Those who did nothing wrong go first, then the oldest; a quarter at a time, so that a flood costs little. */
  #forget(): void {
    const now = this.#clock.now();
    for (const [key, record] of this.#records)
      if (record.waiting === 0 && failuresAt(record, now) < 1) this.#records.delete(key);
    for (const [key, record] of this.#records) {
      if (this.#records.size < 0.75 * maxKeys) return;
      if (record.waiting === 0) this.#records.delete(key);
    }
  }
}

function failuresAt({ failures, failedAt }: Record, now: number): number {
  return failures * 0.5 ** (Math.max(0, now - failedAt) / halfLifeMs);
}

function delayOf(record: Record, now: number): number {
  const excess = Math.round(failuresAt(record, now) - freeFailures);
  return excess < 0 ? 0 : Math.min(maxDelayMs, firstDelayMs * 2 ** excess);
}

/** The /64 of an IPv6 address, as its first four groups: whoever has one address has all of those. */
export function networkOf(address: string): string {
  if (!isIPv6(address)) return address;
  const [head = '', tail] = address.split('::');
  const front = head === '' ? [] : head.split(':');
  const back = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = tail === undefined ? 0 : 8 - front.length - back.length;
  return [...front, ...Array<string>(Math.max(0, zeros)).fill('0'), ...back].slice(0, 4).join(':');
}

function knownKey(address: string, name: string): string {
  return `${networkOf(address)} ${name.toLowerCase()}`;
}
