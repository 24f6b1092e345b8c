/** `tls`: the certificate of the listeners. */
import { createSecureContext } from 'node:tls';
import { z } from 'zod';
import { because, section } from '../section.ts';
import { boolean, choice, path } from '../values/value.ts';

/** The certificate of the listeners; both texts are PEM and belong together. */
export interface TlsConfig {
  readonly cert: string;
  readonly key: string;
  readonly minVersion: 'TLSv1.2' | 'TLSv1.3';
  readonly sessionTickets: boolean;
}

const schema = z.strictObject({
  cert: path().describe('The certificate with its chain, PEM.'),
  key: path().describe('Its private key, PEM.'),
  minVersion: choice(['1.2', '1.3']).prefault('1.2').describe('The oldest TLS version to accept (RFC 8997).'),
  sessionTickets: boolean()
    .prefault(true)
    .describe('Whether clients may resume sessions. It saves both sides most of the handshake.'),
});

export const tls = section({
  schema: schema.optional().describe('The certificate that listeners show. Without one there is no TLS.'),
  effect: 'reload',
  resolve(value, site): TlsConfig | undefined {
    if (value === undefined) return undefined;
    const cert = site.read(['tls', 'cert'], value.cert);
    const key = site.read(['tls', 'key'], value.key);
    if (cert === undefined || key === undefined) return undefined;
    // The key is not given where the certificate alone is wrong, so that the message names the right one.
    for (const [name, parts] of [
      ['cert', { cert }],
      ['key', { cert, key }],
    ] as const) {
      try {
        createSecureContext(parts);
      } catch (error) {
        const hint = name === 'key' ? 'does it belong to the certificate?' : undefined;
        site.find(['tls', name], `not usable: ${because(error)}`, hint);
        return undefined;
      }
    }
    const minVersion = value.minVersion === '1.3' ? 'TLSv1.3' : 'TLSv1.2';
    return { cert, key, minVersion, sessionTickets: value.sessionTickets };
  },
});
