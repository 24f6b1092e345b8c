import { hostname } from 'node:os';
import { join } from 'node:path';
import { parseDomain } from '../mail/index.ts';
import type { Config } from './config.ts';
import { resolveConfig } from './resolve.ts';
import { schema } from './schema.ts';

/**
 * The configuration of a machine where nobody asked for one: loopback in, the capture inbox out, everything
 * under `./var`. Nothing leaves the machine.
 */
export function localProfile(options: { readonly cwd: string; readonly hostname?: string }): Config {
  const name = parseDomain(options.hostname ?? hostname()) ?? 'localhost';
  const parsed = schema.parse({
    hostname: name,
    data: 'var',
    listeners: [{ role: 'mx', address: '127.0.0.1:2525' }],
    relay: { networks: ['127.0.0.0/8', '::1/128'] },
    routes: [{ to: '*', via: 'capture' }],
  });
  const env = { hostname: name, read: () => '' };
  const { file: _, ...config } = resolveConfig(parsed, join(options.cwd, 'local'), env).config;
  return config;
}
