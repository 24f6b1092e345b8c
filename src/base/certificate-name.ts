/** Checks whether a certificate is for a host (RFC 6125). */
import { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { checkServerIdentity, type PeerCertificate } from 'node:tls';

/**
 * Why a certificate is not for a host of this name or address (RFC 6125); `undefined` when it is. Two readers of the
 * certificate have to agree, that of Node and that of OpenSSL: either has been led astray before (CVE-2021-44531,
 * CVE-2026-105483), and seldom both by the same one.
 */
export function certificateNameFault(name: string, certificate: PeerCertificate): Error | undefined {
  const fault = checkServerIdentity(name, certificate);
  if (fault !== undefined) return fault;
  const x509 = new X509Certificate(certificate.raw);
  const isFor = isIP(name) === 0 ? x509.checkHost(name.replace(/\.$/, '')) : x509.checkIP(name);
  if (isFor !== undefined) return undefined;
  return Object.assign(new Error(`the certificate is not for ${name}`), {
    code: 'ERR_TLS_CERT_ALTNAME_INVALID',
  });
}
