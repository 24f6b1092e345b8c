/** The addresses to try for a transport, best first. */
import type { Resolver } from '../dns/index.ts';
import { type Reply, reply } from '../mail/index.ts';
import { socketTarget, type Target, targetOf } from './dialer.ts';
import type { HostMemory } from './host-memory.ts';
import { findExchangers, findHost, type HostList, type MxOptions } from './mx.ts';
import { mixed, type Onward } from './onward.ts';
import type { NextHost, RemoteTransport } from './transport.ts';

/** The parts that finding targets needs besides the transport. */
export interface TargetOptions extends Omit<MxOptions, 'families' | 'resolver'> {
  readonly resolver: Resolver;
  readonly mxPort: number;
  readonly memory: HostMemory;
  readonly onward: Onward;
  /** The maximum number of targets that one attempt tries. */
  readonly maxAddresses: number;
}

/** Whether a second host could be tried after the first: false is known without asking the DNS. */
export function hasAlternatives({ nextHop, fallback }: RemoteTransport): boolean {
  return (
    nextHop.kind === 'mx' || fallback.length > 0 || (nextHop.kind === 'hosts' && nextHop.hosts.length > 1)
  );
}

/**
 * The hosts to try for a transport, best first: by preference or in the order of the route (or of `hosts`, which are
 * the same in another order), those that failed lately last. A reply is the reason why there are none. Never rejects.
 */
export async function findTargets(
  transport: RemoteTransport,
  options: TargetOptions,
  signal: AbortSignal,
  hosts?: readonly NextHost[],
): Promise<readonly Target[] | Reply> {
  const { nextHop, policy } = transport;
  const families = policy.addresses;
  switch (nextHop.kind) {
    case 'socket':
      return [socketTarget(nextHop.path)];
    case 'mx': {
      const list = await findExchangers(nextHop.domain, { ...options, families }, signal);
      if (list.kind === 'failed') return list.reply;
      const targets = list.hosts.map(({ host, address }) => targetOf(host, address, options.mxPort));
      return chosen(targets, transport, options);
    }
    case 'hosts':
      return findHosts(hosts ?? nextHop.hosts, transport, options, signal);
  }
}

/** The same for a list of hosts of a route, such as its fallback. */
export async function findHosts(
  hosts: readonly NextHost[],
  transport: RemoteTransport,
  options: TargetOptions,
  signal: AbortSignal,
): Promise<readonly Target[] | Reply> {
  const found = await Promise.all(
    hosts.map(async (next) => {
      const list = await findHost(next.host, { ...options, families: transport.policy.addresses }, signal);
      return { next, list };
    }),
  );
  return targetsOf(found, transport, options);
}

/** The addresses of smart hosts in order of the hosts, so that a second address comes before a second host. */
function targetsOf(
  found: readonly { readonly next: NextHost; readonly list: HostList }[],
  transport: RemoteTransport,
  options: TargetOptions,
): readonly Target[] | Reply {
  const targets = found.flatMap(({ next, list }) =>
    list.kind === 'failed'
      ? []
      : list.hosts.map(({ host, address }) => targetOf(host, address, next.port, next)),
  );
  if (targets.length > 0) return chosen(targets, transport, options);
  for (const { list } of found) if (list.kind === 'failed') return list.reply;
  return reply(451, '4.4', 'The route has no hosts');
}

/** The targets of one attempt: from where the last one stopped, hosts that do badly last, both address families. */
function chosen(
  targets: readonly Target[],
  { lane }: RemoteTransport,
  { memory, onward, maxAddresses }: TargetOptions,
): readonly Target[] {
  const isWhole = targets.length <= maxAddresses;
  const ordered = memory.order(isWhole ? targets : onward.order(lane, targets), (target) => target.keys);
  if (isWhole) return ordered;
  return mixed(ordered, maxAddresses, ({ address }) => (typeof address === 'string' ? address : ''));
}
