/** The share of pairs of copies that each peer matches, and the ham that it takes for a copy of a campaign. */
import type { Copy } from './generate.ts';
import { type Peer, type Readable, type ReadText, readable } from './peers/index.ts';

/** How many copies of a campaign are compared, each with each. */
export const comparedCopies = 6;

/** Share from 0 to 1 for each peer, by its name. `read` gives the text where it is not the peers' own way. */
export function pairShares(
  peers: readonly Peer[],
  copies: readonly Copy[],
  read?: ReadText,
): Readonly<Record<string, number>> {
  const compared = copies.filter(({ number }) => number < comparedCopies);
  const messages = compared.map(({ octets }) => readable(octets, read));
  const groups = Map.groupBy(
    compared.map(({ campaign }, index) => ({ campaign, index })),
    ({ campaign }) => campaign,
  );
  const pairs = [...groups.values()].flatMap((group) =>
    group.flatMap(({ index: a }, i) => group.slice(i + 1).map(({ index: b }) => [a, b] as const)),
  );
  const share = (peer: Peer): number => {
    const matches = peer.matcher(messages);
    return pairs.filter(([a, b]) => matches(a, b)).length / Math.max(1, pairs.length);
  };
  return Object.fromEntries(peers.map((peer) => [peer.name, share(peer)]));
}

/** The share of ham that matches at least one of the campaigns, from 0 to 1 for each peer. */
export function hamShares(
  peers: readonly Peer[],
  campaigns: readonly Readable[],
  ham: readonly Readable[],
): Readonly<Record<string, number>> {
  const messages = [...campaigns, ...ham];
  const share = (peer: Peer): number => {
    const matches = peer.matcher(messages);
    const hit = ham.filter((_, i) => campaigns.some((_one, j) => matches(campaigns.length + i, j)));
    return hit.length / Math.max(1, ham.length);
  };
  return Object.fromEntries(peers.map((peer) => [peer.name, share(peer)]));
}
