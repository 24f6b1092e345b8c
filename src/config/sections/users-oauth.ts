/** `users.oauth`: logins with OAuth 2.0 access tokens. */
import { z } from 'zod';
import { defaultOAuth, type OAuthOptions } from '../../identity/options.ts';
import type { Site } from '../section.ts';
import { webAddress } from '../values/place.ts';
import { duration, durationText } from '../values/quantity.ts';
import { secretFile } from '../values/secret.ts';
import { text } from '../values/value.ts';

/** The schema of `oauth`. */
export const oauthSchema = z.strictObject({
  issuer: text().describe('The issuer of the tokens: the `iss` that they must have.'),
  audience: text().optional().describe('The `aud` that they must have. Default: any.'),
  jwks: webAddress()
    .optional()
    .describe('Where the keys of the issuer are (RFC 7517). Default: none; this or `introspection`.'),
  introspection: z
    .strictObject({
      url: webAddress().describe('Where the issuer is asked (RFC 7662).'),
      clientId: text().describe('The client id of the relay at the issuer.'),
      clientSecret: secretFile().describe('The secret of that client.'),
    })
    .optional()
    .describe('Ask the issuer about each token. Default: `jwks` is used.'),
  claim: text()
    .prefault(defaultOAuth.claim)
    .describe('The claim that names the user. `email` counts only beside `email_verified: true`.'),
  scope: text().optional().describe('A scope that the token must have. Default: any.'),
  clockSkew: duration({ max: '10m' })
    .prefault(durationText(defaultOAuth.clockSkewMs))
    .describe('How far the clock of the issuer may be from ours.'),
  timeout: duration({ min: '100ms', max: '1m' })
    .prefault(durationText(defaultOAuth.timeoutMs))
    .describe('Time for one answer of the issuer; after it the login is answered 454.'),
});

/** Reads the secret of the introspection. */
export function oauthOf(oauth: z.output<typeof oauthSchema>, site: Site): OAuthOptions {
  const { issuer, audience, jwks, introspection, claim, scope, clockSkew, timeout } = oauth;
  const path = ['users', 'oauth'];
  if ((jwks === undefined) === (introspection === undefined))
    site.find(path, 'needs either jwks or introspection');
  const at = [...path, 'introspection', 'clientSecret', 'file'];
  const secret = introspection && site.secret(at, introspection.clientSecret.file);
  return {
    issuer,
    audience,
    jwks,
    introspection: introspection && {
      url: introspection.url,
      clientId: introspection.clientId,
      clientSecret: secret ?? '',
    },
    claim,
    scope,
    clockSkewMs: clockSkew,
    timeoutMs: timeout,
  };
}
