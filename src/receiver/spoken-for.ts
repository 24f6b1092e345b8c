/** A client's facts after XCLIENT. */
import type { ClientFacts } from './ask.ts';

/** The facts of a client that a proxy speaks for (XCLIENT): of the proxy itself only the address stays. */
export function spokenFor(
  { isStandIn: _, ...before }: ClientFacts,
  stated: Partial<Pick<ClientFacts, 'address' | 'port' | 'name'>>,
): ClientFacts {
  const isVouchedFor = before.isVouchedFor || stated.address !== undefined;
  return {
    ...before,
    port: stated.address === undefined ? before.port : 0,
    name: undefined,
    helo: '',
    tls: undefined,
    identity: undefined,
    ...stated,
    isVouchedFor,
    ...(!isVouchedFor && { isStandIn: true }),
  };
}
