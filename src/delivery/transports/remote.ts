/** The common part of smtp, mx and lmtp: attempts over sessions with a server. */
import { formatLane } from '../../mail/index.ts';
import { attemptRemote } from '../remote-attempt.ts';
import type { RemoteTransport } from '../transport.ts';
import type { Transport, TransportRule } from './kind.ts';

/** Where to. */
type RemotePlace = Pick<RemoteTransport, 'protocol' | 'nextHop'> & {
  readonly scheme: string;
  readonly place: string;
};

/** The transport to this place under a rule. */
export function remoteTransport(
  { policy, suffix, fallback, weights }: TransportRule,
  { scheme, place, protocol, nextHop }: RemotePlace,
): Transport {
  const lane = formatLane({ scheme, place, suffix });
  const remote: RemoteTransport = { lane, protocol, nextHop, policy, fallback, weights };
  return {
    lane,
    remote,
    deliver: (attempt, context, signal) => attemptRemote(attempt, remote, context.remote, signal),
  };
}
