/** A client's facts after XCLIENT. */
import type { ClientFacts } from './ask.ts';

/** What is known of a client once a proxy has spoken for it (XCLIENT): nothing of the proxy's own but its address. */
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
