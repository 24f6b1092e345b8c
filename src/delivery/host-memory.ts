/** Remembers which hosts failed, and how long each is avoided. */
import { backOff, type Clock } from '../base/index.ts';
import type { Reply } from '../mail/index.ts';

/** The number of hosts that are remembered; beyond it the one that was noted first is forgotten. */
const maxHosts = 10_000;
/** So many transactions in a row that a host took up and did not carry through make it a failed one. */
const brokenToAvoid = 3;

/** How long a host is avoided. */
export interface AvoidOptions {
  /** After the first failure; it doubles with each further one. */
  readonly avoidMs: number;
  readonly avoidMaxMs: number;
  /** How long a host at which opportunistic TLS broke is talked to in clear. */
  readonly tlsRetryMs: number;
}

/** A host that does not do well. */
export interface HostRecord {
  /** Since when nothing has worked there; ms since 1970. */
  readonly since: number;
  readonly reply: Reply;
  /** Failures in a row: sessions that did not come about, or runs of broken transactions. */
  readonly failures: number;
  /** Transactions in a row that it did not carry through. */
  readonly broken: number;
  /** It is tried last until then. 0: not at all. */
  readonly avoidUntil: number;
}

/**
 * The health of hosts (RFC 5321 §4.5.4.1). One that could not be reached, or that takes sessions and carries no
 * message through, is tried last for a time that grows, so that it costs its time-out seldom and not with every
 * message. After that time one attempt tries it, and the others go on to avoid it until that worked. Healthy hosts
 * cost nothing: only failures are remembered.
 */
export class HostMemory {
  readonly #clock: Clock;
  #options: AvoidOptions;
  readonly #hosts = new Map<string, HostRecord>();
  /** Until when hosts are talked to in clear. It is not held against them. */
  readonly #clear = new Map<string, number>();

  constructor(clock: Clock, options: AvoidOptions) {
    this.#clock = clock;
    this.#options = options;
  }

  reload(options: AvoidOptions): void {
    this.#options = options;
  }

  /** Whether no host has a fault: then nothing else needs to be asked. */
  get isEmpty(): boolean {
    return this.#hosts.size === 0;
  }

  /** No session came about: refused, timed out, no TLS, no AUTH, 4yz or 5yz before a transaction. */
  failed(key: string, reply: Reply): void {
    const known = this.#hosts.get(key);
    this.#avoid(key, { since: known?.since ?? this.#clock.now(), broken: known?.broken ?? 0, reply });
  }

  /** A session was opened. The results of its transactions are another matter. */
  answered(key: string): void {
    if (this.#hosts.size === 0) return;
    const known = this.#hosts.get(key);
    if (known === undefined) return;
    if (known.broken === 0) this.#hosts.delete(key);
  }

  /** It answered every MAIL or end of data with 4yz, or broke off in a transaction. */
  broke(key: string, reply: Reply): void {
    const known = this.#hosts.get(key);
    const broken = (known?.broken ?? 0) + 1;
    const since = known?.since ?? this.#clock.now();
    if (broken % brokenToAvoid === 0 || (known?.failures ?? 0) > 0)
      this.#avoid(key, { since, broken, reply });
    else putBounded(this.#hosts, key, { since, broken, reply, failures: 0, avoidUntil: 0 });
  }

  /** A message went through, or a recipient was refused for good: it does its work. */
  worked(key: string): void {
    if (this.#hosts.size > 0) this.#hosts.delete(key);
  }

  isAvoided(key: string): boolean {
    if (this.#hosts.size === 0) return false;
    return (this.#hosts.get(key)?.avoidUntil ?? 0) > this.#clock.now();
  }

  /** A host offered TLS, and it failed; in clear it may work. */
  tlsBroke(key: string): void {
    putBounded(this.#clear, key, this.#clock.now() + this.#options.tlsRetryMs);
  }

  /** It takes no mail in clear. */
  tlsWanted(key: string): void {
    this.#clear.delete(key);
  }

  /** Whether that was a short while ago. */
  isTlsBroken(key: string): boolean {
    if (this.#clear.size === 0) return false;
    const until = this.#clear.get(key) ?? 0;
    if (until > this.#clock.now()) return true;
    this.#clear.delete(key);
    return false;
  }

  /** The remembered failure of a host; `undefined` when there is none. */
  record(key: string): HostRecord | undefined {
    return this.#hosts.get(key);
  }

  /**
   * The same values, avoided ones last; otherwise in their order. One whose time is over keeps its place this once:
   * the caller is its probe. The first key of a value is the one that counts.
   */
  order<T>(values: readonly T[], keysOf: (value: T) => readonly string[]): readonly T[] {
    if (this.#hosts.size === 0 || values.length < 2) return values;
    const avoided = values.filter((value) => this.isAvoided(keysOf(value)[0] ?? ''));
    const rest = values.filter((value) => !avoided.includes(value));
    const [first] = rest;
    if (first !== undefined) for (const key of keysOf(first)) this.#probe(key);
    return avoided.length === 0 ? values : [...rest, ...avoided];
  }

  /** Keeps others away from a host that is being tried again. */
  #probe(key: string): void {
    const known = this.#hosts.get(key);
    if (known === undefined || known.failures === 0) return;
    this.#hosts.set(key, { ...known, avoidUntil: this.#clock.now() + this.#options.avoidMs });
  }

  #avoid(key: string, record: Pick<HostRecord, 'since' | 'broken' | 'reply'>): void {
    const failures = (this.#hosts.get(key)?.failures ?? 0) + 1;
    const { avoidMs, avoidMaxMs } = this.#options;
    const forMs = backOff(failures, { minMs: avoidMs, maxMs: Math.max(avoidMs, avoidMaxMs) });
    putBounded(this.#hosts, key, { ...record, failures, avoidUntil: this.#clock.now() + forMs });
  }
}

function putBounded<T>(map: Map<string, T>, key: string, value: T): void {
  map.delete(key);
  if (map.size >= maxHosts) {
    for (const oldest of map.keys()) {
      map.delete(oldest);
      break;
    }
  }
  map.set(key, value);
}
