/** The status of recipients and host when a session cannot be opened. */
import type { ClientError } from '../client/index.ts';
import { isTransient, type Reply, reply } from '../mail/index.ts';
import type { Health } from '../queue/index.ts';

/** The fault of a host in a transaction: its reply for the recipients, and its meaning for the lane. */
export interface HostFailure {
  readonly reply: Reply;
  readonly health: Health['kind'];
  /** The attempt as a whole is over: another host makes no difference. */
  readonly isOver: boolean;
}

/** The reply for recipients after an unexpected error, which the log has in full. */
export function faultReply(error: unknown): Reply {
  const kind = error instanceof Error ? error.name : typeof error;
  return reply(451, '3.0', `The delivery attempt failed: a fault of this relay (${kind})`);
}

export const shuttingDown = reply(451, '3.2', 'Delivery was interrupted');

/**
 * The meaning of a session that could not be opened (RFC 3463 §3.5). A refusal of the greeting or EHLO is the host's
 * own reply; a fault of TLS or our credentials is our affair and always transient.
 */
export function failureOf(error: ClientError, relay: string): HostFailure {
  const said = error.reply;
  switch (error.code) {
    case 'aborted':
      return { reply: shuttingDown, health: 'alive', isOver: true };
    case 'tls':
    case 'certificate':
      return failure(reply(451, '7.5', `TLS with ${relay} failed: ${error.message}`), 'unavailable');
    case 'tls-unavailable':
      return failure(reply(451, '7.4', `TLS is required, but was not offered by ${relay}`), 'unavailable');
    case 'auth-unavailable':
      return failure(reply(451, '7.4', `Cannot authenticate to ${relay}: ${error.message}`), 'unavailable');
    case 'rejected':
      return rejected(error, relay);
    case 'internal':
      return { reply: reply(451, '3.0', error.message), health: 'alive', isOver: true };
    case 'refused':
    case 'unreachable':
      return failure(reply(451, '4.1', `Connection to ${relay} failed: ${error.message}`), 'unavailable');
    default: {
      if (said !== undefined) return failure(said, 'throttled');
      const detail = error.phase === 'connect' ? '4.1' : '4.2';
      return failure(reply(451, detail, `No session with ${relay}: ${error.message}`), 'unavailable');
    }
  }
}

function rejected(error: ClientError, relay: string): HostFailure {
  const said = error.reply ?? reply(421, '4.2', `${relay} closed the session`);
  if (error.phase === 'auth') {
    const text = `Authentication to ${relay} failed: ${said.code} ${said.lines.join(' ')}`;
    return failure(reply(454, '7.8', text), isTransient(said) ? 'throttled' : 'unavailable');
  }
  if (error.phase === 'starttls') {
    return failure(
      reply(451, '7.5', `STARTTLS was refused by ${relay}: ${said.lines.join(' ')}`),
      'unavailable',
    );
  }
  return failure(said, isTransient(said) ? 'throttled' : 'alive');
}

function failure(why: Reply, health: Health['kind']): HostFailure {
  return { reply: why, health, isOver: false };
}

/** The health of that kind; `alive` has no reply. */
export function healthOf(kind: Health['kind'], why: Reply): Health {
  return kind === 'alive' ? { kind } : { kind, reply: why };
}
