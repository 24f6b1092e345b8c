/** The configuration of a relay that was started without one. */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { parseDomain } from '../mail/index.ts';
import { resolveConfig } from './resolve.ts';
import { type Config, schema } from './sections.ts';

/** The files for logins in the local profile, in its data folder. They are made at its first start. */
export interface LocalFiles {
  readonly cert: string;
  readonly key: string;
  readonly users: string;
  /** The password of the one user, in clear: this machine only, and nothing leaves it. */
  readonly password: string;
}

/** The user of the local profile. */
export const localUser = 'dev';

/** Where the files of the local profile are. */
export function localFiles(cwd: string): LocalFiles {
  const at = (name: string) => join(cwd, 'var', name);
  return {
    cert: at('local-cert.pem'),
    key: at('local-key.pem'),
    users: at('users.yaml'),
    password: at('local-password'),
  };
}

/** Whether they are all there, and the certificate is one of this key and still valid. */
export function hasLocalLogin(files: LocalFiles): boolean {
  if (!Object.values(files).every((file: string) => existsSync(file))) return false;
  try {
    const certificate = new X509Certificate(readFileSync(files.cert));
    const isPair = certificate.checkPrivateKey(createPrivateKey(readFileSync(files.key)));
    return isPair && certificate.validToDate > new Date();
  } catch {
    return false;
  }
}

/** The name of this machine where it is a domain, else `localhost`. */
export function localName(name: string = hostname()): string {
  return parseDomain(name) ?? 'localhost';
}

/**
 * The configuration of a relay that was started without one: loopback in, the capture inbox out, everything under
 * `./var`. Nothing leaves the machine. With valid files, users can log in, too.
 */
export function localProfile(options: { readonly cwd: string; readonly hostname?: string }): Config {
  const name = localName(options.hostname);
  const files = localFiles(options.cwd);
  const hasLogin = hasLocalLogin(files);
  const parsed = schema.parse({
    hostname: name,
    data: 'var',
    listeners: [
      { role: 'mx', address: '127.0.0.1:2525' },
      ...(hasLogin ? [{ role: 'submission', address: '127.0.0.1:2587' }] : []),
    ],
    relay: { networks: ['127.0.0.0/8', '::1/128'], authenticated: hasLogin },
    routes: [{ to: '*', via: 'capture' }],
    ...(hasLogin && { tls: { cert: files.cert, key: files.key }, users: { file: files.users } }),
  });
  const env = { hostname: name, read: (path: string) => readFileSync(path, 'utf8') };
  const { file: _, ...config } = resolveConfig(parsed, join(options.cwd, 'local'), env).config;
  return config;
}
