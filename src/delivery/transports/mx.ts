/** Mail for the exchangers of a domain, as the DNS names them: that of the recipient, or another one (`mx:example.net`). */
import { type Domain, parseDomain } from '../../mail/index.ts';
import type { TransportKind, Via } from './kind.ts';
import { remoteTransport } from './remote.ts';

export const mx: TransportKind = {
  schemes: ['mx'],
  forms: ['mx'],
  parse(rest) {
    if (rest === undefined) return byMx;
    const domain = parseDomain(rest);
    return domain === undefined ? `not a domain: "${rest}"` : viaMx(domain);
  },
};

/** The exchangers of the recipient's domain. */
export const byMx: Via = { ...viaMx(undefined), isByDomain: true };

function viaMx(named: Domain | undefined): Via {
  return {
    scheme: 'mx',
    mayFallBack: true,
    transport(rule, domain) {
      const target = named ?? domain;
      if (target === undefined) return undefined;
      return remoteTransport(rule, {
        scheme: 'mx',
        place: target,
        protocol: 'smtp',
        nextHop: { kind: 'mx', domain: target },
      });
    },
  };
}
