/** `relay.certificates`: the TLS client certificates that may relay. */
import { X509Certificate } from 'node:crypto';
import { rootCertificates } from 'node:tls';
import { z } from 'zod';
import { type Pattern, parsePattern } from '../../mail/index.ts';
import type { Finding, KeyPath } from '../problem.ts';
import { because, defined, type Site } from '../section.ts';
import { fingerprint } from '../values/secret.ts';
import { listOf, path, text } from '../values/value.ts';

/** A client certificate that may relay. */
export interface CertificateConfig {
  /** `sha256:` and 64 hexadecimal digits in lower case. */
  readonly fingerprint: string;
  readonly name: string;
  readonly senders?: readonly Pattern[];
}

/** One member of `relay.certificates`. */
export const certificateSchema = z.strictObject({
  fingerprint: fingerprint()
    .optional()
    .describe(
      '`sha256:` and the hexadecimal digits of one certificate. Default: none; one of `fingerprint` and `ca` is needed.',
    ),
  ca: path()
    .optional()
    .describe(
      'Authorities of your own, PEM: every valid client certificate of theirs may relay. Never a public one. Default: none.',
    ),
  name: text().optional().describe('The name of the client in logs and budgets. Default: the fingerprint.'),
  senders: listOf(text())
    .optional()
    .describe('The reverse-paths it may use: `user@example.org`, `*@example.org`. Default: any.'),
});

type Parsed = readonly z.output<typeof certificateSchema>[];

/** Reads the authorities, and parses the addresses that each listed certificate may send as. */
export function certificatesOf(
  value: Parsed,
  site: Site,
): { readonly certificates: readonly CertificateConfig[]; readonly clientAuthorities: readonly string[] } {
  const certificates: CertificateConfig[] = [];
  const clientAuthorities: string[] = [];
  value.forEach(({ fingerprint, ca, name, senders }, i) => {
    const at = ['relay', 'certificates', i];
    const text = ca === undefined ? undefined : site.read([...at, 'ca'], ca);
    if (text !== undefined && isAuthorities(text, [...at, 'ca'], site)) clientAuthorities.push(text);
    if (fingerprint === undefined) return;
    const patterns = senders?.map((sender, n) => patternOf(sender, [...at, 'senders', n], site));
    certificates.push({ fingerprint, name: name ?? fingerprint, ...defined('senders', patterns) });
  });
  return { certificates, clientAuthorities };
}

function patternOf(text: string, path: KeyPath, site: Site): Pattern {
  const pattern = parsePattern(text);
  if (pattern === undefined) site.find(path, `not an address or a pattern of addresses: "${text}"`);
  return pattern ?? { kind: 'null' };
}

/** A public authority signs any certificate: as a client authority it would open the relay. */
function isAuthorities(pem: string, path: KeyPath, site: Site): boolean {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  if (blocks.length === 0) site.find(path, 'there is no certificate in the file');
  try {
    const own = blocks.map((block) => new X509Certificate(block));
    const roots = rootCertificates.map((root) => new X509Certificate(root));
    const found = own.find((authority) => roots.some((root) => isOf(root, authority)));
    if (found !== undefined) {
      const subject = found.subject.replaceAll('\n', ', ');
      site.find(path, `${subject} is a public authority: this is an open relay`, 'use one of your own');
    }
    return blocks.length > 0 && found === undefined;
  } catch (error) {
    site.find(path, `not usable: ${because(error)}`);
    return false;
  }
}

/** Whether it is the public root itself, in any of its certificates, or an authority below it. */
function isOf(root: X509Certificate, authority: X509Certificate): boolean {
  if (root.publicKey.equals(authority.publicKey)) return true;
  return authority.checkIssued(root) && authority.verify(root.publicKey);
}

/** A member is about one certificate or about an authority. */
export function certificateProblems(value: Parsed): Finding[] {
  return value.flatMap(({ fingerprint, ca, name, senders }, i) => {
    const path = ['relay', 'certificates', i];
    if ((fingerprint === undefined) === (ca === undefined))
      return [{ path, message: 'needs either a fingerprint or a ca' }];
    const isOdd = ca !== undefined && (name !== undefined || senders !== undefined);
    return isOdd ? [{ path, message: 'name and senders are of one certificate: give its fingerprint' }] : [];
  });
}
