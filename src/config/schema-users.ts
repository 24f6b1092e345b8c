import { z } from 'zod';
import { choice, domainName, duration, path, text, webAddress } from './scalar.ts';

const secretFile = () =>
  z.strictObject({ file: path().describe('A file that holds the secret and nothing else.') });

const oauth = z.strictObject({
  issuer: text().describe('Who issues the tokens: the `iss` that they must have.'),
  audience: text().optional().describe('The `aud` that they must have. Default: any.'),
  jwks: webAddress()
    .optional()
    .describe('Where the keys of the issuer are (RFC 7517). Default: none; this or `introspection`.'),
  introspection: z
    .strictObject({
      url: webAddress().describe('Where the issuer is asked (RFC 7662).'),
      clientId: text().describe('Who we are to the issuer.'),
      clientSecret: secretFile().describe('Our secret.'),
    })
    .optional()
    .describe('Ask the issuer about each token. Default: `jwks` is used.'),
  claim: text()
    .prefault('email')
    .describe('The claim that names who it is. `email` counts only beside `email_verified: true`.'),
  scope: text().optional().describe('A scope that the token must have. Default: any.'),
  clockSkew: duration({ max: '10m' })
    .prefault('60s')
    .describe('How far the clock of the issuer may be from ours.'),
  timeout: duration({ min: '100ms', max: '1m' })
    .prefault('5s')
    .describe('For one answer of the issuer; then 454.'),
});

export const users = z.strictObject({
  file: path()
    .optional()
    .describe(
      'A file of users, written by `posthouse user`. Default: none; this, `dovecot` or `oauth` is needed.',
    ),
  dovecot: z
    .strictObject({
      socket: text().describe('The socket of its authentication for clients: a path, or `host:port`.'),
      domain: domainName()
        .optional()
        .describe(
          'Completes names that are no address: `anna` may send as `anna@` this domain. Default: none.',
        ),
      timeout: duration({ min: '1s', max: '2m' }).prefault('15s').describe('For one answer; then 454.'),
    })
    .optional()
    .describe('Ask a Dovecot. Default: none.'),
  oauth: oauth.optional().describe('Take OAuth 2.0 access tokens (OAUTHBEARER, XOAUTH2). Default: none.'),
  plaintext: choice(['never', 'loopback'])
    .prefault('never')
    .describe('Whether passwords may come without TLS, from this machine only.'),
});
