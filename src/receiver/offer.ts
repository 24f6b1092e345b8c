/** What EHLO offers to a client. */
import type { Extensions } from '../smtp/index.ts';
import type { ClientFacts } from './ask.ts';
import type { Session } from './session.ts';
import type { SessionFacts } from './state.ts';

const none: readonly string[] = [];

function mechanisms(
  client: ClientFacts,
  { settings: { authenticator }, listener }: Pick<SessionFacts, 'settings' | 'listener'>,
): readonly string[] {
  if (authenticator === undefined || !listener.offersAuth) return none;
  return authenticator.mechanisms(client);
}

/** What EHLO offers to this client now, and what parameters are taken from it. */
export function offerTo({ client, facts, isSecured, mayXclient }: Session): Extensions {
  const { settings, listener } = facts;
  const { limits, secureContext } = settings;
  return {
    size: limits.messageBytes,
    pipelining: true,
    eightBitMime: true,
    smtputf8: true,
    chunking: true,
    binaryMime: true,
    dsn: true,
    enhancedStatusCodes: true,
    startTls: listener.tls === 'starttls' && secureContext !== undefined && !isSecured,
    auth: mechanisms(client, { settings, listener }),
    limits: { rcptMax: limits.recipients, mailMax: limits.transactions },
    ...(mayXclient ? { xclient: ['NAME', 'ADDR', 'PORT', 'PROTO', 'HELO'] } : {}),
  };
}
