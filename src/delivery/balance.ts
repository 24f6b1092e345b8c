/** Chooses among weighted hosts. */
import type { NextHost, RemoteTransport } from './transport.ts';

/**
 * The turns of weighted hosts: smooth weighted round robin, in which each host gains its weight with every turn, and
 * the one with the most takes it and pays the sum. With 3 and 1 the order is a a b a.
 */
export class Balance {
  /** By transport, so that a reload begins anew and nothing has to be forgotten. */
  readonly #credits = new WeakMap<RemoteTransport, number[]>();

  /**
   * The hosts of a weighted transport, the one whose turn it is first and the others in their order. Hosts that
   * are not well take no turn, unless none is.
   */
  turn(transport: RemoteTransport, isWell: (host: NextHost) => boolean): readonly NextHost[] {
    const { nextHop, weights } = transport;
    if (nextHop.kind !== 'hosts') return [];
    const { hosts } = nextHop;
    const credits = this.#credits.get(transport) ?? weights.map(() => 0);
    this.#credits.set(transport, credits);
    const isAnyWell = hosts.some(isWell);
    let best = -1;
    let sum = 0;
    for (const [i, host] of hosts.entries()) {
      if (isAnyWell && !isWell(host)) continue;
      const weight = weights[i] ?? 1;
      sum += weight;
      credits[i] = (credits[i] ?? 0) + weight;
      if (best < 0 || credits[i] > (credits[best] ?? 0)) best = i;
    }
    credits[best] = (credits[best] ?? 0) - sum;
    const taken = hosts[best];
    return taken === undefined ? hosts : [taken, ...hosts.filter((host) => host !== taken)];
  }
}
