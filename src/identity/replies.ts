/** The replies to failed logins, which give a guesser no hint. */
import { reply } from '../mail/index.ts';
import type { SaslStep } from '../receiver/index.ts';

type Failure = SaslStep & { readonly kind: 'failure' };

const wrongCredentials = reply(535, '7.8', 'authentication failed');
const unavailable = reply(454, '7.0', 'authentication is not possible now, try again later');
const malformed = reply(501, '5.2', 'malformed authentication exchange');

/** The one reply for every name and every fault, so that a client learns nothing from it. */
export function wrong(because: string): Failure {
  return { kind: 'failure', reply: wrongCredentials, because };
}

/** A broken backend, or too much to do: never a grant, and never for good (RFC 4954 §6). */
export function notNow(because: string): Failure {
  return { kind: 'failure', reply: unavailable, because };
}

/** The reply to a message that is none of the mechanism's. */
export function garbled(because: string): Failure {
  return { kind: 'failure', reply: malformed, because };
}
