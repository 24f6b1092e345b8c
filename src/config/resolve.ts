import { dirname, resolve as resolvePath } from 'node:path';
import { createSecureContext } from 'node:tls';
import type { DeliveryRoute } from '../delivery/index.ts';
import { type Domain, parseDomain, parseMailbox } from '../mail/index.ts';
import type { Config, DomainConfig, ListenerConfig, RecipientsConfig, TlsConfig } from './config.ts';
import { findingsOf, parseAliases, parseRecipientList } from './files.ts';
import type { Finding, KeyPath } from './problem.ts';
import type { Parsed } from './schema.ts';

/** What a configuration takes from the machine. */
export interface Env {
  /** The machine's name. */
  readonly hostname: string;
  /** The text of a file; throws what `readFileSync` throws. */
  readonly read: (path: string) => string;
}

/** What the resolving of one file shares: where its paths begin, and what was found wrong. */
class Resolver {
  readonly findings: Finding[] = [];
  readonly #base: string;
  readonly #env: Env;

  constructor(file: string, env: Env) {
    this.#base = dirname(resolvePath(file));
    this.#env = env;
  }

  get machineName(): string {
    return this.#env.hostname;
  }

  path(text: string): string {
    return resolvePath(this.#base, text);
  }

  find(path: KeyPath, message: string, hint?: string): void {
    this.findings.push(hint === undefined ? { path, message } : { path, message, hint });
  }

  read(path: KeyPath, file: string): string | undefined {
    try {
      return this.#env.read(this.path(file)).replace(/^\ufeff/, '');
    } catch (error) {
      this.find(path, `cannot read ${this.path(file)}: ${because(error)}`);
      return undefined;
    }
  }
}

function because(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const words: Readonly<Record<string, string>> = {
    ENOENT: 'there is no such file',
    EACCES: 'permission denied',
    EISDIR: 'it is a folder',
  };
  return words[code] ?? (error instanceof Error ? error.message : String(error));
}

/** Fills in what depends on other keys or on the machine, and reads the files that are named. */
export function resolveConfig(
  parsed: Parsed,
  file: string,
  env: Env,
): { readonly config: Config; readonly findings: readonly Finding[] } {
  const resolver = new Resolver(file, env);
  const hostname = parsed.hostname ?? machineName(resolver);
  const data = resolver.path(parsed.data);
  const tls = parsed.tls && readTls(parsed.tls, resolver);
  const config: Config = {
    file: resolvePath(file),
    hostname,
    ...defined('user', parsed.user),
    postmaster: parsed.postmaster ?? postmasterOf(hostname),
    data,
    listeners: listenersOf(parsed.listeners, parsed.tls !== undefined),
    xclientFrom: parsed.xclientFrom,
    ...defined('tls', tls),
    domains: parsed.domains.map((domain, i) => domainOf(domain, ['domains', i], resolver)),
    relay: { networks: parsed.relay.networks },
    routes: parsed.routes.map((route, i) => routeOf(route, ['routes', i], resolver)),
    dns: dnsOf(parsed.dns),
    queue: queueOf(parsed.queue),
    delivery: deliveryOf(parsed.delivery),
    limits: limitsOf(parsed.limits),
    spool: { floorBytes: parsed.spool.floor },
    capture: {
      folder: resolver.path(parsed.capture.folder ?? `${data}/capture`),
      maxMessages: parsed.capture.maxMessages,
      maxBytes: parsed.capture.maxBytes,
    },
    notifications: { maxReturnedBytes: parsed.notifications.returnSize },
    sendmail: {
      maildrop: resolver.path(parsed.sendmail.maildrop ?? `${data}/maildrop`),
      maxMessageBytes: parsed.sendmail.maxMessage ?? parsed.limits.messageSize,
    },
    logs: { format: parsed.logs.format },
  };
  return { config, findings: resolver.findings };
}

/** A property, or none: an absent option is an absent property. */
function defined<Key extends string, T>(key: Key, value: T | undefined): { readonly [K in Key]?: T } {
  return value === undefined ? {} : ({ [key]: value } as { [K in Key]: T });
}

function machineName(resolver: Resolver): Domain {
  const name = parseDomain(resolver.machineName);
  if (name === undefined) {
    resolver.find(
      ['hostname'],
      `the machine is called "${resolver.machineName}", which is no domain`,
      'set it',
    );
  }
  return name ?? ('localhost' as Domain);
}

function postmasterOf(hostname: Domain): Config['postmaster'] {
  const address = parseMailbox(`postmaster@${hostname}`, { smtputf8: false });
  return address ?? { text: `postmaster@${hostname}`, localPart: 'postmaster', domain: hostname };
}

function listenersOf(listeners: Parsed['listeners'], hasCertificate: boolean): ListenerConfig[] {
  const taken = new Set(listeners.map(({ name }) => name));
  return listeners.map(({ role, address: { host, port }, name, tls, proxyProtocolFrom }) => {
    const usual = `${role} ${host.includes(':') ? `[${host}]` : host}:${port}`;
    return {
      name: name ?? freeName(usual, taken),
      role,
      host,
      port,
      tls: tls ?? (hasCertificate ? 'starttls' : 'none'),
      proxyProtocolFrom,
    };
  });
}

/** Several listeners may have port 0 and so the same usual name. */
function freeName(usual: string, taken: Set<string | undefined>): string {
  let name = usual;
  for (let round = 2; taken.has(name); round++) name = `${usual} #${round}`;
  taken.add(name);
  return name;
}

function readTls(tls: NonNullable<Parsed['tls']>, resolver: Resolver): TlsConfig | undefined {
  const cert = resolver.read(['tls', 'cert'], tls.cert);
  const key = resolver.read(['tls', 'key'], tls.key);
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
      resolver.find(['tls', name], `not usable: ${because(error)}`, hint);
      return undefined;
    }
  }
  const minVersion = tls.minVersion === '1.3' ? 'TLSv1.3' : 'TLSv1.2';
  return { cert, key, minVersion, sessionTickets: tls.sessionTickets };
}

function domainOf(domain: Parsed['domains'][number], path: KeyPath, resolver: Resolver): DomainConfig {
  const { name, deliver, catchAll, tagSeparator, backup, owner } = domain;
  return {
    name,
    ...defined('deliver', deliver),
    recipients: recipientsOf(domain, path, resolver),
    aliases: aliasesOf(domain, path, resolver),
    ...defined('catchAll', catchAll),
    tagSeparators: tagSeparator === 'none' ? '' : tagSeparator,
    isBackup: backup,
    ...defined('owner', owner),
  };
}

function recipientsOf(
  { recipients }: Parsed['domains'][number],
  path: KeyPath,
  resolver: Resolver,
): RecipientsConfig {
  if (recipients.kind === 'list') return { kind: 'list', names: new Set(recipients.names) };
  if (recipients.kind !== 'file') return { kind: recipients.kind };
  const at = [...path, 'recipients', 'file'];
  const { value, faults } = parseRecipientList(resolver.read(at, recipients.file) ?? '');
  resolver.findings.push(...findingsOf(at, resolver.path(recipients.file), faults));
  return { kind: 'list', names: value };
}

function aliasesOf(
  { aliases }: Parsed['domains'][number],
  path: KeyPath,
  resolver: Resolver,
): DomainConfig['aliases'] {
  if (aliases === undefined) return new Map();
  const at = [...path, 'aliases'];
  const { value, faults } = parseAliases(resolver.read(at, aliases) ?? '');
  resolver.findings.push(...findingsOf(at, resolver.path(aliases), faults));
  return value;
}

function routeOf(route: Parsed['routes'][number], path: KeyPath, resolver: Resolver): DeliveryRoute {
  const { to, from, via, password, tls, verify, ca, source, addresses } = route;
  const at = [...path, 'password', 'file'];
  const secret = password && resolver.read(at, password.file)?.replace(/\r?\n$/, '');
  if (secret === '') resolver.find(at, `${resolver.path(password?.file ?? '')} is empty`);
  if (secret?.includes('\n')) resolver.find(at, `${resolver.path(password?.file ?? '')} has several lines`);
  return {
    to,
    via,
    addresses,
    ...defined('from', from),
    ...defined('password', secret),
    ...defined('tls', tls),
    ...defined('verify', verify),
    ...defined('ca', ca === undefined ? undefined : resolver.read([...path, 'ca'], ca)),
    ...defined('source', source),
  };
}

function dnsOf({ servers, timeout, refusePrivateMx }: Parsed['dns']): Config['dns'] {
  return { ...defined('servers', servers), timeoutMs: timeout, refusePrivateMx };
}

function queueOf({ retry, lanes }: Parsed['queue']): Config['queue'] {
  return {
    retry: {
      minMs: retry.min,
      maxMs: retry.max,
      maxAgeMs: retry.maxAge,
      bounceMaxAgeMs: retry.bounceMaxAge,
      warnAfterMs: retry.warnAfter,
    },
    lanes,
  };
}

function deliveryOf(delivery: Parsed['delivery']): Config['delivery'] {
  const { timeouts, mxPort, ownNames, ownAddresses, idle, sessionAge, avoid, conversion, ...counts } =
    delivery;
  return {
    timeouts,
    limits: {
      ...counts,
      idleMs: idle,
      sessionAgeMs: sessionAge,
      avoidMs: avoid,
      conversionBytes: conversion,
    },
    mxPort,
    ownNames,
    ...defined('ownAddresses', ownAddresses),
  };
}

function limitsOf(limits: Parsed['limits']): Config['limits'] {
  const { messageSize, idleTimeout, openingTimeout, transactionTimeout, ...counts } = limits;
  return {
    ...counts,
    messageBytes: messageSize,
    idleMs: idleTimeout,
    openingMs: openingTimeout,
    contentMs: transactionTimeout,
  };
}
