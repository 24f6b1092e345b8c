import { isLoopback } from '../base/index.ts';
import type { PopUpstream } from '../pop3/index.ts';
import type { Config, PopListenerConfig } from './config.ts';
import type { KeyPath } from './problem.ts';
import type { Parsed } from './schema.ts';

/** What the resolving of POP3 asks of the rest. */
interface Source {
  find(path: KeyPath, message: string, hint?: string): void;
  read(path: KeyPath, file: string): string | undefined;
  secret(path: KeyPath, file: string): string | undefined;
}

type ParsedVia = NonNullable<Parsed['pop3']['listeners'][number]['via']>;

/** The shortest token that is not guessed. */
const minTokenLength = 16;

export function popBeforeSmtpOf(
  parsed: Parsed['relay']['popBeforeSmtp'],
  source: Source,
): Config['relay']['popBeforeSmtp'] {
  if (parsed === undefined) return undefined;
  const { window, maxLife, identitiesPerAddress, ipv6Prefix, events, ...rest } = parsed;
  const path = ['relay', 'popBeforeSmtp'];
  if (maxLife < window) source.find([...path, 'maxLife'], 'is shorter than window');
  return {
    windows: {
      ...rest,
      windowMs: window,
      maxLifeMs: maxLife,
      ipv6Prefix: ipv6Prefix === '64' ? 64 : 128,
      ...(identitiesPerAddress !== undefined && { identitiesPerAddress }),
    },
    ...(events && { events: { ...events.address, token: tokenOf(events.token.file, path, source) } }),
  };
}

function tokenOf(file: string, path: KeyPath, source: Source): string {
  const at = [...path, 'events', 'token', 'file'];
  const token = source.secret(at, file)?.trim();
  if (token !== undefined && token.length < minTokenLength)
    source.find(at, `the token has fewer than ${minTokenLength} characters`, 'openssl rand -hex 32');
  return token ?? '';
}

export function pop3Of({ pop3, tls }: Pick<Parsed, 'pop3' | 'tls'>, source: Source): Config['pop3'] {
  const { listeners, ...limits } = pop3;
  return {
    ...limits,
    listeners: listeners.map(({ address, name, via, ...listener }, i): PopListenerConfig => {
      const { host, port } = address;
      const usual = port === 995 ? 'implicit' : tls === undefined ? 'none' : 'stls';
      return {
        ...listener,
        name:
          name ?? `pop3 ${host.includes(':') ? `[${host}]` : host}:${port}${port === 0 ? ` #${i + 1}` : ''}`,
        host,
        port,
        tls: listener.tls ?? usual,
        ...(via && { via: upstreamOf(via, ['pop3', 'listeners', i, 'via'], source) }),
      };
    }),
  };
}

function upstreamOf(
  { server, starttls, verify, ca, proxyProtocol, timeout }: ParsedVia,
  path: KeyPath,
  source: Source,
): PopUpstream {
  const { host, port, isSecure } = server;
  if (isSecure && starttls !== undefined)
    source.find([...path, 'starttls'], 'pop3s is under TLS from the first octet');
  const isHere = host === 'localhost' || isLoopback(host);
  const tls = isSecure ? 'implicit' : (starttls ?? !isHere) ? 'stls' : 'none';
  const roots = ca === undefined ? undefined : source.read([...path, 'ca'], ca);
  return {
    host,
    port,
    tls,
    verify,
    ...(roots !== undefined && { ca: roots }),
    sendProxy: proxyProtocol,
    timeoutMs: timeout,
  };
}
