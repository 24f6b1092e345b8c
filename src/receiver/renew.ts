/** Gives a session the permissions of a new configuration, and ends it where its client may not go on. */
import { type Reply, reply } from '../mail/index.ts';
import type { ClientFacts } from './ask.ts';
import type { Dialogue, Outcome } from './dialogue.ts';
import type { ReceiverSettings } from './options.ts';
import { logRefusal } from './refusal.ts';

const loginOver = reply(421, '7.0', 'your login does not hold any more: connect and log in again');
const proxyOver = reply(421, '7.0', 'you may not speak for others any more');
const cannotTell = reply(451, '7.0', 'logins cannot be checked now, try again later');

/**
 * Asked before each MAIL, for a session may last for hours: takes over what permits as it is now (policy, users,
 * proxies, authorities), and ends the session of a client that would not be let in today. Undefined: it goes on.
 */
export function renew(dialogue: Dialogue): Outcome {
  dialogue.adopt();
  const { client, facts, settings } = dialogue;
  if (dialogue.hasSpokenFor && !settings.xclientFrom.has(facts.address)) return end(dialogue, proxyOver);
  const { identity } = client;
  if (identity === undefined) return undefined;
  const renewed = settings.authenticator?.renew(identity, client);
  if (renewed === 'unavailable') {
    logRefusal(dialogue, { stage: 'mail', reply: cannotTell });
    return cannotTell;
  }
  if (renewed === undefined) return end(dialogue, loginOver);
  if (renewed !== identity) dialogue.learn({ ...client, identity: renewed });
  return undefined;
}

/** The permissions as they are now; our name, keys and limits stay those that the session began with. */
export function adopted(before: ReceiverSettings, now: ReceiverSettings): ReceiverSettings {
  const { authenticator: _, screening: __, ...kept } = before;
  const { policy, authenticator, screening, xclientFrom, postmasterDomain } = now;
  return {
    ...kept,
    policy,
    xclientFrom,
    postmasterDomain,
    ...(authenticator && { authenticator }),
    ...(screening && { screening }),
  };
}

/** The client without trust in a certificate whose authorities may have been taken away since it was verified. */
export function stillTrusted(
  client: ClientFacts,
  before: ReceiverSettings,
  now: ReceiverSettings,
): ClientFacts {
  const certificate = client.tls?.certificate;
  if (!client.tls || !certificate?.isTrusted || before.clientAuthorities === now.clientAuthorities)
    return client;
  return { ...client, tls: { ...client.tls, certificate: { ...certificate, isTrusted: false } } };
}

function end(dialogue: Dialogue, last: Reply): Outcome {
  logRefusal(dialogue, { stage: 'mail', reply: last });
  return { reply: last, next: 'close' };
}
