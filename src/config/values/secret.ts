/** Options that prove an identity: fingerprints of certificates, and files that hold a secret. */
import { z } from 'zod';
import type { KeyPath } from '../problem.ts';
import type { Site } from '../section.ts';
import { describe, Fault, hasControl, path, textual } from './value.ts';

/** Of a certificate: `sha256:` and 64 hexadecimal digits, colons between them allowed. Lower case without colons. */
export const fingerprint = () =>
  textual('fingerprint', (value): string | Fault => {
    const digits = value
      .replace(/^sha256:/i, '')
      .replaceAll(':', '')
      .toLowerCase();
    return /^[0-9a-f]{64}$/.test(digits)
      ? `sha256:${digits}`
      : new Fault(
          `not a SHA-256 fingerprint: ${describe(value)}`,
          'openssl x509 -noout -fingerprint -sha256 -in client.pem',
        );
  });

/** `{ file: PATH }`: a secret never stands in the configuration itself. */
export const secretFile = (prose = 'A file that holds the secret and nothing else.') =>
  z.strictObject({ file: path().describe(prose) });

/** The shortest token that is not guessed. */
const minTokenLength = 16;

/** The token in a file; too short a one is a problem. */
export function tokenOf(file: string, at: KeyPath, site: Site): string {
  const token = site.secret(at, file)?.trim();
  if (token !== undefined && token.length < minTokenLength)
    site.find(at, `the token has fewer than ${minTokenLength} characters`, 'openssl rand -hex 32');
  return token ?? '';
}

/** The password in a file: one line of text. */
export function passwordOf(file: string, at: KeyPath, site: Site): string | undefined {
  const text = site.secret(at, file);
  if (text === '') site.find(at, `${site.path(file)} is empty`);
  if (text?.includes('\n')) site.find(at, `${site.path(file)} has several lines`);
  else if (text !== undefined && hasControl(text))
    site.find(at, `${site.path(file)} has a control character`);
  return text;
}
