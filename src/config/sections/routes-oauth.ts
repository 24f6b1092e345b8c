/** `routes[].oauth`: a login at a smart host with a token instead of a password. */
import { z } from 'zod';
import type { OauthOptions } from '../../delivery/options.ts';
import type { KeyPath } from '../problem.ts';
import type { Site } from '../section.ts';
import { passwordOf, secretFile } from '../values/secret.ts';
import { choice, text } from '../values/value.ts';

/** The schema of `oauth`. */
export const oauthSchema = z.strictObject({
  tokenUrl: text().describe('The token endpoint, `https://…`.'),
  grant: choice(['client-credentials', 'refresh-token']).describe(
    '`client-credentials`: the relay logs in as an application. `refresh-token`: a user authorised it once.',
  ),
  clientId: text().describe('The name of the application.'),
  clientSecret: secretFile('A file that holds the secret of the application and nothing else.')
    .optional()
    .describe('Required for `client-credentials`. Default: none.'),
  refreshToken: secretFile(
    'A file that holds the refresh token. It is read at each renewal, and written when the server hands out a new one: the relay needs to write the file and its folder.',
  )
    .optional()
    .describe('Required for `refresh-token`. Default: none.'),
  scope: text().optional().describe('The scope to ask for. Default: none.'),
  mechanism: choice(['auto', 'xoauth2', 'oauthbearer'])
    .prefault('auto')
    .describe('How the token is shown to the server. `auto`: as it offers, OAUTHBEARER before XOAUTH2.'),
  expires: text()
    .optional()
    .describe(
      'The day on which the secret or the refresh token ends, `2027-03-01`. An alarm comes 14 days before. Default: what the server says.',
    ),
});

/** Reads the secret. The token file is read anew at each renewal; here only whether that can be done. */
export function oauthOf(oauth: z.output<typeof oauthSchema>, path: KeyPath, site: Site): OauthOptions {
  const { clientSecret, refreshToken, expires, scope, ...plain } = oauth;
  const secret = clientSecret && passwordOf(clientSecret.file, [...path, 'clientSecret', 'file'], site);
  if (refreshToken !== undefined) passwordOf(refreshToken.file, [...path, 'refreshToken', 'file'], site);
  const expiresAt = expires === undefined ? undefined : Date.parse(expires);
  if (expiresAt !== undefined && !(/^\d{4}-\d{2}-\d{2}/.test(expires ?? '') && expiresAt > 0))
    site.find([...path, 'expires'], `not a day: "${expires}"`, 'write 2027-03-01');
  return {
    ...plain,
    ...(secret === undefined ? {} : { clientSecret: secret }),
    ...(refreshToken === undefined ? {} : { refreshTokenFile: site.path(refreshToken.file) }),
    ...(scope === undefined ? {} : { scope }),
    ...(expiresAt === undefined ? {} : { expiresAt }),
  };
}
