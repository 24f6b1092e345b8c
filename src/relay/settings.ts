import { constants } from 'node:crypto';
import { createSecureContext, type SecureContext } from 'node:tls';
import { IpSet } from '../base/index.ts';
import type { Config } from '../config/index.ts';
import type { DeliveryDomain, DeliveryOptions } from '../delivery/index.ts';
import type { ResolverOptions } from '../dns/index.ts';
import { createPolicy, type LocalDomain, type PolicyOptions, type VerifyRecipient } from '../policy/index.ts';
import type { QueueOptions } from '../queue/index.ts';
import type { ListenerOptions, ReceiverSettings } from '../receiver/index.ts';
import { findAccount } from './accounts.ts';
import type { NotifierParts } from './notifier.ts';

/** The part of the options of delivery that says where mail goes. */
export function routingOptions({ domains, routes, capture }: Config) {
  return {
    domains: domains.map(({ name, deliver, isBackup }) => ({
      name,
      backup: isBackup,
      ...(deliver === undefined ? {} : { deliver }),
    })),
    routes,
    capture,
  } satisfies Partial<DeliveryOptions>;
}

/** The options of delivery that a configuration comes to. Throws `UnknownAccountError`. */
export function deliveryOptions(config: Config): DeliveryOptions {
  const { delivery } = config;
  const routing = routingOptions(config);
  return {
    ...routing,
    domains: routing.domains.map((domain, index): DeliveryDomain => {
      const owner = config.domains[index]?.owner;
      return owner === undefined ? domain : { ...domain, owner: findAccount(owner) };
    }),
    hostname: config.hostname,
    ownNames: delivery.ownNames,
    refusePrivateMx: config.dns.refusePrivateMx,
    mxPort: delivery.mxPort,
    limits: delivery.limits,
    timeouts: delivery.timeouts,
    ...(delivery.ownAddresses === undefined ? {} : { ownAddresses: delivery.ownAddresses }),
  };
}

export function queueOptions(config: Config): QueueOptions {
  return config.queue;
}

export function resolverOptions({ dns: { servers, timeoutMs } }: Config): ResolverOptions {
  if (servers === undefined) return { timeoutMs };
  const places = servers.map(({ host, port }) => `${host.includes(':') ? `[${host}]` : host}:${port}`);
  return { timeoutMs, servers: places };
}

/** What notices to senders say and how much they carry. */
export function noticeSettings({
  hostname,
  postmaster,
  notifications,
}: Config): ReturnType<NotifierParts['settings']> {
  return { hostname, postmaster, maxReturnedBytes: notifications.maxReturnedBytes };
}

function policyOptions(config: Config, verify: VerifyRecipient): PolicyOptions {
  const ours = config.domains.filter(({ isBackup }) => !isBackup);
  const domains = ours.map((domain): [LocalDomain['name'], LocalDomain] => [
    domain.name,
    {
      name: domain.name,
      recipients: domain.recipients,
      aliases: domain.aliases,
      catchAll: domain.catchAll,
      tagSeparators: domain.tagSeparators,
      // An LMTP server or another relay knows what to do with a tag; a Maildir is found without it.
      keepsTag: domain.deliver?.startsWith('maildir:') !== true,
    },
  ]);
  return {
    domains: new Map(domains),
    backupDomains: new Set(config.domains.filter(({ isBackup }) => isBackup).map(({ name }) => name)),
    networks: new IpSet(config.relay.networks),
    postmaster: config.postmaster,
    verify,
  };
}

/** What sessions that begin now work with. */
export function receiverSettings(
  config: Config,
  parts: {
    readonly verify: VerifyRecipient;
    readonly clientName: NonNullable<ReceiverSettings['clientName']>;
  },
): ReceiverSettings {
  const context = secureContext(config);
  return {
    hostname: config.hostname,
    postmasterDomain: config.postmaster.domain,
    limits: config.limits,
    policy: createPolicy(policyOptions(config, parts.verify)),
    xclientFrom: new IpSet(config.xclientFrom),
    clientName: parts.clientName,
    ...(context === undefined ? {} : { secureContext: context }),
  };
}

/** Keys and certificates as they are on disk now. */
function secureContext({ tls }: Config): SecureContext | undefined {
  if (tls === undefined) return undefined;
  return createSecureContext({
    cert: tls.cert,
    key: tls.key,
    minVersion: tls.minVersion,
    // Some clients break off when tickets come after the handshake; they are of little use between mailers.
    ...(tls.sessionTickets ? {} : { secureOptions: constants.SSL_OP_NO_TICKET }),
  });
}

export function listenerOptions(config: Config): readonly ListenerOptions[] {
  return config.listeners.map(({ proxyProtocolFrom, ...listener }) => ({
    ...listener,
    proxyProtocolFrom: new IpSet(proxyProtocolFrom),
  }));
}
