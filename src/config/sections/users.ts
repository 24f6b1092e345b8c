/** `users`: the users that may log in. */
import { isIP } from 'node:net';
import { z } from 'zod';
import { isPort, splitHostPort } from '../../base/index.ts';
import { type DovecotOptions, defaultDovecotTimeoutMs, type OAuthOptions } from '../../identity/options.ts';
import { defined, type Site, section } from '../section.ts';
import { domainName } from '../values/mail.ts';
import { duration, durationText } from '../values/quantity.ts';
import { choice, path, text } from '../values/value.ts';
import { oauthOf, oauthSchema } from './users-oauth.ts';

/** Where the users of logins are. */
export interface UsersConfig {
  /** The path of a file of users; `identity` reads it. */
  readonly file?: string;
  readonly dovecot?: DovecotOptions;
  readonly oauth?: OAuthOptions;
  readonly plaintext: 'never' | 'loopback';
}

const schema = z.strictObject({
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
      timeout: duration({ min: '1s', max: '2m' })
        .prefault(durationText(defaultDovecotTimeoutMs))
        .describe('Time for one answer; after it the login is answered 454.'),
    })
    .optional()
    .describe('Ask a Dovecot. Default: none.'),
  oauth: oauthSchema
    .optional()
    .describe('Take OAuth 2.0 access tokens (OAUTHBEARER, XOAUTH2). Default: none.'),
  plaintext: choice(['never', 'loopback'])
    .prefault('never')
    .describe('Whether passwords may come without TLS, from this machine only.'),
});

type Parsed = z.output<typeof schema>;

export const users = section({
  schema: schema.optional().describe('Users that may log in. Default: none.'),
  effect: 'reload',
  resolve(value, site): UsersConfig | undefined {
    if (value === undefined || !hasUsers(value)) return undefined;
    const { file, dovecot, oauth, plaintext } = value;
    if (file !== undefined && dovecot !== undefined)
      site.find(['users', 'dovecot'], 'there is a file of users already', 'use one of them');
    return {
      plaintext,
      ...defined('file', file && site.path(file)),
      ...defined('dovecot', dovecot && dovecotOf(dovecot, site)),
      ...defined('oauth', oauth && oauthOf(oauth, site)),
    };
  },
});

/** Whether any user can log in. */
export function hasUsers(value: Parsed | undefined): boolean {
  return value?.file !== undefined || value?.dovecot !== undefined || value?.oauth !== undefined;
}

function dovecotOf({ socket, domain, timeout }: NonNullable<Parsed['dovecot']>, site: Site): DovecotOptions {
  const place = placeOf(socket, site);
  return { place, timeoutMs: timeout, ...(domain !== undefined && { domain }) };
}

/** `127.0.0.1:12345`, `[::1]:12345`, or the path of a socket. */
function placeOf(socket: string, site: Site): DovecotOptions['place'] {
  const { host, port } = splitHostPort(socket) ?? {};
  if (socket.includes('\0')) site.find(['users', 'dovecot', 'socket'], 'is not a path');
  if (host === undefined || port === undefined) return { path: site.path(socket) };
  if (isIP(host) === 0 || !isPort(port))
    site.find(['users', 'dovecot', 'socket'], `not a path or an address and port: "${socket}"`);
  return { host, port };
}
