import type { IpSet } from '../base/index.ts';
import { type Address, type Domain, hidesRoute, reply } from '../mail/index.ts';
import type { ClientFacts, Decision, Policy, RelayRequest } from '../receiver/index.ts';
import { type LocalDomain, lookUpRecipient } from './domains.ts';

/** Asks the destination of a domain of ours whether it knows a recipient. Cached by whoever gives it. */
export type VerifyRecipient = (recipient: Address) => Promise<'known' | 'unknown' | 'unavailable'>;

/** What the policy rests on. It is replaced as a whole on reload. */
export interface PolicyOptions {
  readonly domains: ReadonlyMap<Domain, LocalDomain>;
  /** Domains for which we are a backup MX: onwards by MX. */
  readonly backupDomains: ReadonlySet<Domain>;
  readonly networks: IpSet;
  readonly postmaster: Address;
  readonly verify: VerifyRecipient;
}

const unknownUser = reply(550, '1.1', 'no such recipient here');
const relayDenied = reply(550, '7.1', 'relaying denied');
const routeRefused = reply(550, '7.1', 'addresses that name a route are not accepted');
const cannotVerify = reply(450, '1.1', 'recipient cannot be verified now, try again later');

/**
 * The ordered rules; the first that fits decides, and when none does the answer is no. Only the client's
 * address and the recipient give a grant: HELO and reverse-path are not even looked at (RFC 2505 §2.1).
 */
const rules: readonly ((request: RelayRequest, options: PolicyOptions) => Decision | 'ask' | undefined)[] = [
  ourDomain,
  backupDomain,
  trustedNetwork,
];

function ourDomain({ recipient }: RelayRequest, options: PolicyOptions): Decision | 'ask' | undefined {
  const domain = options.domains.get(recipient.domain);
  if (domain === undefined) return undefined;
  const found = lookUpRecipient(recipient, domain, options);
  switch (found.kind) {
    case 'known':
      return { kind: 'grant', ground: 'recipient', because: found.because, to: found.to };
    case 'unknown':
      return hidesRoute(recipient)
        ? { kind: 'refusal', reply: routeRefused, because: found.because }
        : { kind: 'refusal', reply: unknownUser, because: found.because };
    case 'ask':
      return 'ask';
  }
}

function backupDomain({ recipient }: RelayRequest, options: PolicyOptions): Decision | undefined {
  if (!options.backupDomains.has(recipient.domain)) return undefined;
  // The primary trusts its backup, so a route hidden here would be followed there.
  if (hidesRoute(recipient)) {
    return { kind: 'refusal', reply: routeRefused, because: 'the local part hides a route' };
  }
  return { kind: 'grant', ground: 'recipient', because: 'backup domain', to: [recipient] };
}

function trustedNetwork({ client, recipient }: RelayRequest, options: PolicyOptions): Decision | undefined {
  if (!isTrusted(client, options)) return undefined;
  return { kind: 'grant', ground: 'network', because: `${client.address} is in networks`, to: [recipient] };
}

function isTrusted(client: ClientFacts, options: PolicyOptions): boolean {
  return options.networks.has(client.address);
}

/** Makes the policy that the receiver asks. */
export function createPolicy(options: PolicyOptions): Policy {
  return {
    refuseSender: () => undefined,
    decide(request) {
      for (const rule of rules) {
        const decision = rule(request, options);
        if (decision === 'ask') return askDestination(request, options);
        if (decision !== undefined) return decision;
      }
      return { kind: 'refusal', reply: relayDenied, because: 'no rule grants it' };
    },
  };
}

async function askDestination({ recipient }: RelayRequest, options: PolicyOptions): Promise<Decision> {
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
