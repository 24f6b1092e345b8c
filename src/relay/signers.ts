import type { Resolver } from '../dns/index.ts';
import { headerFields } from '../mail/index.ts';

/** Verifications under way at once; beyond them nobody is taken for a signer. */
const mostAtOnce = 20;

/** Signatures of one message whose keys are asked for: an honest one has one or two of a domain. */
const mostKeys = 5;

/** Says whether a message is signed by one of these domains, or one below them (DKIM, RFC 6376). Never rejects. */
export type SignedBy = (octets: Uint8Array, domains: ReadonlySet<string>) => Promise<boolean>;

/**
 * Verifies signatures of those that are asked for, and no others: what claims nobody's name costs nothing. A signature
 * that covers a part of the body only (`l=`) does not count, for more can be put behind it.
 */
export function createSignedBy(resolver: () => Pick<Resolver, 'lookup'>): SignedBy {
  let underWay = 0;
  return async (octets, domains) => {
    if (!claimsToBeSigned(octets, domains) || underWay >= mostAtOnce) return false;
    underWay++;
    try {
      const { dkimVerify } = await import('mailauth/lib/dkim/verify.js');
      const { results } = await dkimVerify(Buffer.from(octets), {
        resolver: lookupWith(resolver(), domains),
      });
      return results.some(
        ({ status, signingDomain, canonBodyLengthLimited }) =>
          status.result === 'pass' && canonBodyLengthLimited !== true && isAmong(signingDomain, domains),
      );
    } catch {
      return false;
    } finally {
      underWay--;
    }
  };
}

function claimsToBeSigned(octets: Uint8Array, domains: ReadonlySet<string>): boolean {
  for (const { name, value } of headerFields(octets)) {
    if (name.toLowerCase() !== 'dkim-signature') continue;
    const domain = /(?:^|;)\s*d\s*=\s*([^;\s]+)/.exec(value)?.[1];
    if (isAmong(domain, domains)) return true;
  }
  return false;
}

function isAmong(domain: string | undefined, domains: ReadonlySet<string>): boolean {
  for (let name = domain?.toLowerCase() ?? ''; name !== ''; name = name.slice(name.indexOf('.') + 1)) {
    if (domains.has(name)) return true;
    if (!name.includes('.')) return false;
  }
  return false;
}

/**
 * As mailauth asks: what is not there is an error with the code of node:dns. Other signatures in the same message have
 * no key: else a letter with a thousand of them would have us ask and calculate a thousand times.
 */
function lookupWith(resolver: Pick<Resolver, 'lookup'>, domains: ReadonlySet<string>) {
  let asked = 0;
  return async (name: string, type: string): Promise<string[][]> => {
    const [, domain] = name.split('._domainkey.');
    if (type !== 'TXT' || !isAmong(domain, domains) || ++asked > mostKeys)
      throw Object.assign(new Error(`"${name}" is not asked for`), { code: 'ENODATA' });
    const result = await resolver.lookup(name, 'TXT');
    if (result.kind === 'found') return result.records.map((texts) => [...texts]);
    throw Object.assign(new Error(`${name}: ${result.kind}`), {
      code: result.kind === 'none' ? 'ENOTFOUND' : 'ETIMEOUT',
    });
  };
}
