import { hidesRoute, reply } from '../mail/index.ts';
import type { Decision, RelayRequest } from '../receiver/index.ts';
import { lookUpRecipient } from './domains.ts';
import type { PolicyOptions } from './options.ts';
import { type Outcome, pass, type Rule } from './rule.ts';

const unknownUser = reply(550, '1.1', 'no such recipient here');
const routeRefused = reply(550, '7.1', 'addresses that name a route are not accepted');
const cannotVerify = reply(450, '1.1', 'recipient cannot be verified now, try again later');
const notOurs = pass('it is not a domain of ours');
const noBackup = pass('we are no backup of it');

/** The domain is ours: whether the recipient exists is all that counts, whoever asks. */
export const ourDomain: Rule = {
  name: 'our domain',
  looksAt: ({ recipient }, { domains }) =>
    `the domain ${recipient.domain}, among ${domains.size} of ours (domains)`,
  judge: judgeOurDomain,
};

/** We are a backup MX of the domain. */
export const backupDomain: Rule = {
  name: 'backup domain',
  looksAt: ({ recipient }, { backupDomains }) =>
    `the domain ${recipient.domain}, among ${backupDomains.size} that we are a backup of (domains, backup: true)`,
  judge: judgeBackup,
};

function judgeOurDomain({ recipient, isPostmaster }: RelayRequest, options: PolicyOptions): Outcome {
  const domain = options.domains.get(recipient.domain);
  if (domain === undefined) return isPostmaster ? toPostmaster(options) : notOurs;
  const found = lookUpRecipient(recipient, domain, options);
  switch (found.kind) {
    case 'known':
      return { kind: 'grant', ground: 'recipient', because: found.because, to: found.to };
    case 'unknown':
      return {
        kind: 'refusal',
        reply: hidesRoute(recipient) ? routeRefused : unknownUser,
        because: found.because,
      };
    case 'ask':
      return { kind: 'ask' };
  }
}

/** RFC 5321 §4.5.1: a server without a domain of its own has a postmaster too. */
function toPostmaster({ postmaster }: PolicyOptions): Outcome {
  return { kind: 'grant', ground: 'recipient', because: 'the postmaster of this server', to: [postmaster] };
}

function judgeBackup({ recipient }: RelayRequest, options: PolicyOptions): Outcome {
  if (!options.backupDomains.has(recipient.domain)) return noBackup;
  // The primary trusts its backup, so a route hidden here would be followed there.
  if (hidesRoute(recipient)) {
    return { kind: 'refusal', reply: routeRefused, because: 'the local part hides a route' };
  }
  return { kind: 'grant', ground: 'recipient', because: 'backup domain', to: [recipient] };
}

/** The answer for a recipient whose existence only its destination knows. Silence is no grant. */
export async function askDestination({ recipient }: RelayRequest, options: PolicyOptions): Promise<Decision> {
  const answer = await options.verify(recipient);
  switch (answer) {
    case 'known':
      return { kind: 'grant', ground: 'recipient', because: 'its destination knows it', to: [recipient] };
    case 'unknown': {
      const catchAll = options.domains.get(recipient.domain)?.catchAll;
      return catchAll === undefined
        ? { kind: 'refusal', reply: unknownUser, because: 'its destination does not know it' }
        : { kind: 'grant', ground: 'recipient', because: 'catch-all', to: [catchAll] };
    }
    case 'unavailable':
      return { kind: 'refusal', reply: cannotVerify, because: 'its destination cannot be asked now' };
  }
}
