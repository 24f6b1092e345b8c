import { X509Certificate } from 'node:crypto';
import { dirname, resolve as resolvePath } from 'node:path';
import { createSecureContext, rootCertificates } from 'node:tls';
import { type Domain, type Pattern, parseDomain, parseMailbox, parsePattern } from '../mail/index.ts';
import type {
  CertificateConfig,
  Config,
  DomainConfig,
  ListenerConfig,
  RecipientsConfig,
  TlsConfig,
} from './config.ts';
import { findingsOf, parseAliases, parseRecipientList } from './files.ts';
import type { Finding, KeyPath } from './problem.ts';
import { clearinghouseOf } from './resolve-clearinghouse.ts';
import { pop3Of, popBeforeSmtpOf } from './resolve-pop3.ts';
import { alarmsOf, routeOf } from './resolve-routes.ts';
import { hasUsers, usersOf } from './resolve-users.ts';
import type { Parsed } from './schema.ts';
import { guardOf, trapOf } from './schema-guard.ts';

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

  /** The one line of a file, without its end. */
  secret(path: KeyPath, file: string): string | undefined {
    return this.read(path, file)?.replace(/\r?\n$/, '');
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
  const listeners = listenersOf(parsed);
  const config: Config = {
    file: resolvePath(file),
    hostname,
    ...defined('user', parsed.user),
    postmaster: parsed.postmaster ?? postmasterOf(hostname),
    data,
    listeners,
    xclientFrom: parsed.xclientFrom,
    ...defined('tls', tls),
    ...defined('users', usersOf(parsed.users, resolver)),
    pop3: pop3Of(parsed, resolver),
    ...defined('clearinghouse', clearinghouseOf(parsed.clearinghouse, { data, listeners }, resolver)),
    domains: parsed.domains.map((domain, i) => domainOf(domain, ['domains', i], resolver)),
    relay: relayOf(parsed.relay, resolver),
    routes: parsed.routes.map((route, i) => routeOf(route, ['routes', i], resolver)),
    dns: dnsOf(parsed.dns),
    queue: queueOf(parsed.queue),
    delivery: deliveryOf(parsed.delivery),
    alarms: alarmsOf(parsed.alarms),
    limits: limitsOf(parsed.limits),
    spool: { floorBytes: parsed.spool.floor },
    guard: guardOf(parsed),
    trap: trapOf(parsed, (folder) => resolver.path(folder ?? `${data}/trap`)),
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

function listenersOf({ listeners, tls: certificate, users }: Parsed): ListenerConfig[] {
  const taken = new Set(listeners.map(({ name }) => name));
  return listeners.map((listener) => {
    const { role, address, name, tls, proxyProtocolFrom, networks } = listener;
    const { host, port } = address;
    const usual = `${role} ${host.includes(':') ? `[${host}]` : host}:${port}`;
    return {
      name: name ?? freeName(usual, taken),
      role,
      host,
      port,
      tls: tls ?? usualTls(role, certificate !== undefined),
      proxyProtocolFrom,
      networks,
      ...defined('interface', listener.interface),
      offersAuth: role !== 'trap' && (listener.auth ?? (role !== 'mx' && hasUsers(users))),
    };
  });
}

function usualTls(role: ListenerConfig['role'], hasCertificate: boolean): ListenerConfig['tls'] {
  if (role === 'submissions') return 'implicit';
  return hasCertificate ? 'starttls' : 'none';
}

function relayOf(relay: Parsed['relay'], resolver: Resolver): Config['relay'] {
  const { networks, authenticated, certificates, open, openAcknowledgement } = relay;
  const listed: CertificateConfig[] = [];
  const clientAuthorities: string[] = [];
  certificates.forEach(({ fingerprint, ca, name, senders }, i) => {
    const at = ['relay', 'certificates', i];
    const text = ca === undefined ? undefined : resolver.read([...at, 'ca'], ca);
    if (text !== undefined && isAuthorities(text, [...at, 'ca'], resolver)) clientAuthorities.push(text);
    if (fingerprint === undefined) return;
    const patterns = senders?.map((sender, n) => patternOf(sender, [...at, 'senders', n], resolver));
    listed.push({ fingerprint, name: name ?? fingerprint, ...defined('senders', patterns) });
  });
  const relays = { networks, authenticated, certificates: listed, clientAuthorities, open };
  return {
    ...relays,
    ...defined('openAcknowledgement', openAcknowledgement),
    ...defined('popBeforeSmtp', popBeforeSmtpOf(relay.popBeforeSmtp, resolver)),
  };
}

function patternOf(text: string, path: KeyPath, resolver: Resolver): Pattern {
  const pattern = parsePattern(text);
  if (pattern === undefined) resolver.find(path, `not an address or a pattern of addresses: "${text}"`);
  return pattern ?? { kind: 'null' };
}

/** A public authority signs anybody's certificate: as a client authority it would open the relay. */
function isAuthorities(pem: string, path: KeyPath, resolver: Resolver): boolean {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  if (blocks.length === 0) resolver.find(path, 'there is no certificate in the file');
  try {
    const own = blocks.map((block) => new X509Certificate(block));
    const roots = rootCertificates.map((root) => new X509Certificate(root));
    const found = own.find((authority) => roots.some((root) => isOf(root, authority)));
    if (found !== undefined) {
      const subject = found.subject.replaceAll('\n', ', ');
      resolver.find(path, `${subject} is a public authority: this is an open relay`, 'use one of your own');
    }
    return blocks.length > 0 && found === undefined;
  } catch (error) {
    resolver.find(path, `not usable: ${because(error)}`);
    return false;
  }
}

/** Whether it is the public root itself, in whatever certificate, or an authority below it. */
function isOf(root: X509Certificate, authority: X509Certificate): boolean {
  if (root.publicKey.equals(authority.publicKey)) return true;
  return authority.checkIssued(root) && authority.verify(root.publicKey);
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
  const {
    timeouts,
    mxPort,
    ownNames,
    ownAddresses,
    idle,
    sessionAge,
    avoid,
    avoidMax,
    tlsRetry,
    conversion,
    callouts,
    ...counts
  } = delivery;
  return {
    timeouts,
    callouts,
    limits: {
      ...counts,
      idleMs: idle,
      sessionAgeMs: sessionAge,
      avoidMs: avoid,
      avoidMaxMs: avoidMax,
      tlsRetryMs: tlsRetry,
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
