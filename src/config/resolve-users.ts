import { isIP } from 'node:net';
import type { DovecotOptions, OAuthOptions } from '../identity/index.ts';
import type { Config } from './config.ts';
import type { KeyPath } from './problem.ts';
import type { Parsed } from './schema.ts';

type Users = NonNullable<Parsed['users']>;

/** What the resolving of users asks of the rest. */
export interface UsersSource {
  path(text: string): string;
  secret(path: KeyPath, file: string): string | undefined;
  find(path: KeyPath, message: string, hint?: string): void;
}

/** Whether somebody is said to be there. */
export function hasUsers(users: Users | undefined): boolean {
  return users?.file !== undefined || users?.dovecot !== undefined || users?.oauth !== undefined;
}

/** Fills in the users: paths made absolute, secrets read. The file of users itself is read by those who use it. */
export function usersOf(users: Users | undefined, source: UsersSource): Config['users'] {
  if (users === undefined) return undefined;
  const { file, dovecot, oauth, plaintext } = users;
  if (!hasUsers(users)) return undefined;
  if (file !== undefined && dovecot !== undefined)
    source.find(['users', 'dovecot'], 'there is a file of users already', 'use one of them');
  return {
    plaintext,
    ...(file !== undefined && { file: source.path(file) }),
    ...(dovecot && { dovecot: dovecotOf(dovecot, source) }),
    ...(oauth && { oauth: oauthOf(oauth, source) }),
  };
}

function dovecotOf(
  { socket, domain, timeout }: NonNullable<Users['dovecot']>,
  source: UsersSource,
): DovecotOptions {
  const place = placeOf(socket, source);
  return { place, timeoutMs: timeout, ...(domain !== undefined && { domain }) };
}

/** `127.0.0.1:12345`, `[::1]:12345`, or the path of a socket. */
function placeOf(socket: string, source: UsersSource): DovecotOptions['place'] {
  const match = /^(?:\[([^\]]+)\]|([^/:]+)):(\d{1,5})$/.exec(socket);
  const host = match?.[1] ?? match?.[2];
  if (socket.includes('\0')) source.find(['users', 'dovecot', 'socket'], 'is not a path');
  if (host === undefined) return { path: source.path(socket) };
  const port = Number(match?.[3]);
  if (isIP(host) === 0 || port > 65_535 || port === 0)
    source.find(['users', 'dovecot', 'socket'], `not a path or an address and port: "${socket}"`);
  return { host, port };
}

function oauthOf(oauth: NonNullable<Users['oauth']>, source: UsersSource): OAuthOptions {
  const { issuer, audience, jwks, introspection, claim, scope, clockSkew, timeout } = oauth;
  const path = ['users', 'oauth'];
  if ((jwks === undefined) === (introspection === undefined))
    source.find(path, 'needs either jwks or introspection');
  const at = [...path, 'introspection', 'clientSecret', 'file'];
  const secret = introspection && source.secret(at, introspection.clientSecret.file);
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
