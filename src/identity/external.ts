/** The mechanism EXTERNAL: a login by client certificate. */
import type { CertificateFacts, Identity } from '../receiver/index.ts';
import { decodeText, type Mechanism } from './mechanism.ts';
import { isSameName } from './name.ts';
import { wrong } from './replies.ts';

const nothing = Buffer.alloc(0);

/** The identity of a certificate; `undefined` when it has none. */
export type IdentityOfCertificate = (certificate: CertificateFacts) => Identity | undefined;

/** EXTERNAL (RFC 4422 appendix A): the identity comes from the TLS handshake. */
export function external(identityOf: IdentityOfCertificate): Mechanism {
  return async function* exchange({ client }, first) {
    const authorization = decodeText(first ?? (yield nothing));
    const certificate = client.tls?.certificate;
    const identity = certificate && identityOf(certificate);
    if (identity === undefined) return wrong('a certificate that is nobody’s');
    if (authorization === undefined || (authorization !== '' && !isSameName(authorization, identity.name)))
      return wrong('another authorization identity');
    return { kind: 'success', identity };
  };
}
