/** The rules about the recipient: our domain, backup domain. */
import { type Address, reply } from '../mail/index.ts';
import type { Decision, Later, RelayRequest } from '../receiver/index.ts';
import { mailboxOf } from './domains.ts';
import type { PolicyOptions } from './options.ts';
import {
  type Answered,
  type Resolution,
  resolve,
  resolveCatchAll,
  resolvePostmaster,
  type Way,
  wayOfCatchAll,
} from './resolve.ts';
import { pass, type Rule } from './rule.ts';

const unknownUser = reply(550, '1.1', 'no such recipient here');
const routeRefused = reply(550, '7.1', 'addresses that name a route are not accepted');
const cannotVerify = reply(450, '1.1', 'recipient cannot be verified now, try again later');
const loops = reply(451, '3.5', 'the recipient leads in a circle here, try again later');
const notOurs = pass('the domain is not ours');
const noBackup = pass('we are not a backup of the domain');

/** The domain is ours: only the existence of the recipient counts, for every client. */
export const ourDomain: Rule = {
  name: 'our domain',
  looksAt: ({ recipient }, { domains }) =>
    `the domain ${recipient.domain}, among ${domains.size} of ours (domains)`,
  judge: (request, options) =>
    options.domains.has(request.recipient.domain) || request.isPostmaster
      ? judge(find(request, options), request.recipient, options)
      : notOurs,
};

/** We are a backup MX of the domain. */
export const backupDomain: Rule = {
  name: 'backup domain',
  looksAt: ({ recipient }, { backupDomains }) =>
    `the domain ${recipient.domain}, among ${backupDomains.size} that we are a backup of (domains, backup: true)`,
  judge: ({ recipient }, options) =>
    options.backupDomains.has(recipient.domain)
      ? judge(resolve(recipient, options), recipient, options)
      : noBackup,
};

/** RFC 5321 §4.5.1: a server without a domain of its own has a postmaster too. */
function find({ recipient, isPostmaster }: RelayRequest, options: PolicyOptions): Resolution {
  const isElsewhere = isPostmaster && !options.domains.has(recipient.domain);
  return isElsewhere ? resolvePostmaster(options) : resolve(recipient, options);
}

/** The answer for a recipient; later where a destination has to be asked. Silence is no grant. */
function judge(found: Resolution, recipient: Address, options: PolicyOptions): Later<Decision> {
  const isToAsk = found.kind === 'ask' || (found.kind === 'known' && found.toAsk.length > 0);
  return isToAsk ? ask(found, recipient, options) : decided(found);
}

function decided(found: Answered): Decision {
  const { because } = found;
  switch (found.kind) {
    case 'known':
      return { kind: 'grant', ground: 'recipient', because, to: found.to };
    case 'unknown':
      return { kind: 'refusal', reply: found.isRoute ? routeRefused : unknownUser, because };
    case 'loop':
      return { kind: 'refusal', reply: loops, because };
  }
}

async function ask(found: Resolution, recipient: Address, options: PolicyOptions): Promise<Decision> {
  if (found.kind !== 'ask') return decided(await asked(found, options, []));
  switch (await options.verify(recipient)) {
    case 'known': {
      const domain = options.domains.get(recipient.domain);
      const to = domain === undefined ? recipient : mailboxOf(recipient, domain);
      return { kind: 'grant', ground: 'recipient', because: 'its destination knows it', to: [to] };
    }
    case 'unknown':
      return decided(await catchAllOf(recipient, options, []));
    case 'unavailable':
      return { kind: 'refusal', reply: cannotVerify, because: 'its destination cannot be asked now' };
  }
}

/**
 * Asks for the members. A member that cannot be asked about now stays: the message waits for its destination, as for
 * one that is down.
 */
async function asked(found: Answered, options: PolicyOptions, way: Way): Promise<Answered> {
  if (found.kind !== 'known' || found.toAsk.length === 0) return found;
  const to = [...found.to];
  for (const member of found.toAsk) {
    const isUnknown = (await options.verify(member)) === 'unknown';
    const instead = isUnknown ? await catchAllOf(member, options, way) : undefined;
    if (instead?.kind === 'loop') return instead;
    to.push(...(instead?.kind === 'known' ? instead.to : [member]));
  }
  return { ...found, to, toAsk: [] };
}

async function catchAllOf({ domain: name }: Address, options: PolicyOptions, way: Way): Promise<Answered> {
  const domain = options.domains.get(name);
  if (domain === undefined) return { kind: 'unknown', because: 'its destination does not know it' };
  return await asked(resolveCatchAll(domain, options, way), options, [...way, wayOfCatchAll(domain)]);
}

/** Where a message goes for a recipient, or why it does not: a refusal may be temporary. */
export type Destination =
  | { readonly kind: 'known'; readonly to: readonly Address[] }
  | (Decision & { readonly kind: 'refusal' });

/**
 * The policy's answer for a recipient alone, for mail of our own and of clients that may send to any domain: the same
 * as at RCPT. A recipient outside our domains is known.
 */
export async function destinationOf(recipient: Address, options: PolicyOptions): Promise<Destination> {
  const decision = await judge(resolve(recipient, options), recipient, options);
  return decision.kind === 'grant' ? { kind: 'known', to: decision.to } : decision;
}
