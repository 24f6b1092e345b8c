/** Where the next attempt goes on when a destination has more addresses than one attempt tries. */
import { isIPv6 } from 'node:net';
import type { LaneName } from '../mail/index.ts';

/** The number of lanes that are remembered; beyond it the one that was noted first begins anew. */
const maxLanes = 10_000;

/**
 * Where attempts go on at destinations that have more addresses than one attempt tries: behind those that were
 * tried in vain, until every address had its turn or one of them took a session (RFC 5321 §5.1). Kept in memory:
 * after a restart the best ones are tried first again.
 */
export class Onward {
  readonly #tried = new Map<LaneName, Set<string>>();

  /** The same values, those that the last attempts of the lane tried in vain behind the others. */
  order<T extends { readonly key: string }>(lane: LaneName, values: readonly T[]): readonly T[] {
    const tried = this.#tried.get(lane) ?? this.#begin(lane);
    const fresh = values.filter(({ key }) => !tried.has(key));
    if (fresh.length > 0) return [...fresh, ...values.filter(({ key }) => tried.has(key))];
    for (const { key } of values) tried.delete(key);
    return values;
  }

  /** No session came about with an address. */
  failed(lane: LaneName, key: string): void {
    this.#tried.get(lane)?.add(key);
  }

  /** One did: the next attempt begins with the best address. */
  reached(lane: LaneName): void {
    if (this.#tried.size > 0) this.#tried.delete(lane);
  }

  #begin(lane: LaneName): Set<string> {
    if (this.#tried.size >= maxLanes) {
      for (const oldest of this.#tried.keys()) {
        this.#tried.delete(oldest);
        break;
      }
    }
    const tried = new Set<string>();
    this.#tried.set(lane, tried);
    return tried;
  }
}

/**
 * The first `max` values in their order, but of one address family no more than half of them as long as the
 * other has some: where IPv6 leads nowhere, its addresses must not use up an attempt.
 */
export function mixed<T>(values: readonly T[], max: number, addressOf: (value: T) => string): readonly T[] {
  const half = Math.ceil(max / 2);
  const counts = { six: 0, four: 0 };
  const within = values.filter((value) => counts[isIPv6(addressOf(value)) ? 'six' : 'four']++ < half);
  const chosen = new Set(within.slice(0, max));
  for (const value of values) if (chosen.size < max) chosen.add(value);
  return values.filter((value) => chosen.has(value));
}
