/** Asks before each MAIL whether the session's permissions still hold. */
import { reply } from '../mail/index.ts';
import { logRefusal } from './refusal.ts';
import type { Session } from './session.ts';
import type { Outcome } from './verbs.ts';

const loginOver = reply(421, '7.0', 'your login does not hold any more: connect and log in again');
const proxyOver = reply(421, '7.0', 'you may not speak for others any more');
const cannotTell = reply(451, '7.0', 'logins cannot be checked now, try again later');

/**
 * Asked before each MAIL, for a session may last for hours: takes over what permits as it is now (policy, users,
 * proxies, authorities), and ends the session of whoever would not be let in today. Our name, keys and limits stay
 * those that the session began with. Undefined: it goes on.
 */
export function renew(session: Session): Outcome {
  adopt(session);
  const { client, facts } = session;
  const { xclientFrom, authenticator } = facts.settings;
  if (session.hasSpokenFor && !xclientFrom.has(facts.address)) return refuse(session, proxyOver);
  const { identity } = client;
  if (identity === undefined) return undefined;
  const renewed = authenticator?.renew(identity, client);
  if (renewed === 'unavailable') {
    logRefusal(session, { stage: 'mail', reply: cannotTell });
    return cannotTell;
  }
  if (renewed === undefined) return refuse(session, loginOver);
  if (renewed !== identity) session.client = { ...client, identity: renewed };
  return undefined;
}

/** What permits, under the configuration in force. */
export function adopt(session: Session): void {
  const { facts, client } = session;
  const now = facts.current?.();
  if (now === undefined || now === session.adopted) return;
  session.adopted = now;
  const { policy, authenticator, xclientFrom, postmasterDomain, clientAuthorities } = now;
  const { authenticator: _, ...before } = facts.settings;
  const certificate = client.tls?.certificate;
  // It was verified by authorities that may have been taken away since.
  if (client.tls && certificate?.isTrusted && before.clientAuthorities !== clientAuthorities)
    session.client = { ...client, tls: { ...client.tls, certificate: { ...certificate, isTrusted: false } } };
  session.facts = {
    ...facts,
    settings: { ...before, policy, xclientFrom, postmasterDomain, ...(authenticator && { authenticator }) },
  };
}

function refuse(session: Session, last: typeof loginOver): Outcome {
  logRefusal(session, { stage: 'mail', reply: last });
  return { reply: last, next: 'close' };
}
