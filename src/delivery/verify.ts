import { ClientError } from '../client/index.ts';
import { type Address, isPermanent, isPositive } from '../mail/index.ts';
import type { RemoteParts } from './remote-attempt.ts';
import { findTargets } from './targets.ts';
import type { RemoteTransport } from './transport.ts';

/** What a destination says about a recipient. */
export type Verification = 'known' | 'unknown' | 'unavailable';

/** Dialling and asking together may take this long: somebody waits for the reply to RCPT. */
const verifyMs = 20_000;

/**
 * Asks the hosts of a transport, in order, whether they would take mail for the recipient: MAIL, RCPT, RSET
 * on a session of its own. The first reply that is 2yz or 5yz counts. Never rejects.
 */
export async function verifyAt(
  transport: RemoteTransport,
  recipient: Address,
  parts: RemoteParts,
): Promise<Verification> {
  const signal = AbortSignal.timeout(verifyMs);
  const targets = await findTargets(transport, parts.targets, signal);
  if ('code' in targets) return 'unavailable';
  for (const target of targets) {
    const opened = await parts.dialer.open(transport, target, signal);
    if (!('session' in opened)) continue;
    await using session = opened.session;
    try {
      const reply = await session.verify(null, { address: recipient });
      if (isPositive(reply)) return 'known';
      if (isPermanent(reply)) return 'unknown';
    } catch (error) {
      if (!(error instanceof ClientError)) throw error;
    }
  }
  return 'unavailable';
}
