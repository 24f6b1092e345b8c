/** The extensions that EHLO offers to a client. */
import type { Extensions } from '../smtp/index.ts';
import type { Dialogue } from './dialogue.ts';

const none: readonly string[] = [];

type Offering = Pick<Dialogue, 'client' | 'facts' | 'settings' | 'isSecured' | 'mayXclient'>;

function mechanisms({ client, facts, settings }: Offering): readonly string[] {
  if (settings.authenticator === undefined || !facts.listener.offersAuth) return none;
  return settings.authenticator.mechanisms(client);
}

/** The extensions that EHLO offers to this client now, and the parameters accepted from it. */
export function offerTo(dialogue: Offering): Extensions {
  const { facts, settings, isSecured, mayXclient } = dialogue;
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
    startTls: facts.listener.tls === 'starttls' && secureContext !== undefined && !isSecured,
    auth: mechanisms(dialogue),
    limits: { rcptMax: limits.recipients, mailMax: limits.transactions },
    ...(mayXclient ? { xclient: ['NAME', 'ADDR', 'PORT', 'PROTO', 'HELO'] } : {}),
  };
}
