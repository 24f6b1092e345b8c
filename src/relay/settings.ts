/** Turns the configuration into the options of the modules. */
import { constants } from 'node:crypto';
import { createSecureContext, type SecureContext } from 'node:tls';
import { findAccount, IpSet } from '../base/index.ts';
import type { Config } from '../config/index.ts';
import type { DeliveryDomain, DeliveryOptions } from '../delivery/index.ts';
import type { NotifierParts } from '../notices/index.ts';
import {
  createPolicy,
  isMailbox,
  type PolicyOptions,
  type RecipientOptions,
  type VerifyRecipient,
} from '../policy/index.ts';
import type { ListenerOptions, ReceiverSettings } from '../receiver/index.ts';

/** The routing part of the options of delivery. */
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
    hasMailbox: mailboxes(config),
    hostname: config.hostname,
    ownNames: delivery.ownNames,
    refusePrivateMx: config.dns.refusePrivateMx,
    mxPort: delivery.mxPort,
    limits: delivery.limits,
    callouts: delivery.callouts,
    timeouts: delivery.timeouts,
    ...(delivery.ownAddresses === undefined ? {} : { ownAddresses: delivery.ownAddresses }),
  };
}

/** The last guard against accidental mailboxes: only mailboxes to which a recipient leads at RCPT are made. */
function mailboxes(config: Config): NonNullable<DeliveryOptions['hasMailbox']> {
  const options = recipientOptions(config);
  return (address) => isMailbox(address, options);
}

/** The settings of notices to senders, and their size. */
export function noticeSettings({
  hostname,
  postmaster,
  notifications,
}: Config): ReturnType<NotifierParts['settings']> {
  return { hostname, postmaster, maxReturnedBytes: notifications.maxReturnedBytes };
}

/** The facts that policy and receiver use beside the configuration. */
export interface ReceiverFacts {
  readonly verify: VerifyRecipient;
  readonly clientName: NonNullable<ReceiverSettings['clientName']>;
  readonly untruth: PolicyOptions['untruth'];
  /** Whether the address is in a network of that interface of this machine. */
  readonly interfaceHas: (name: string, address: string) => boolean;
  readonly noteName?: PolicyOptions['noteName'];
  readonly window?: PolicyOptions['window'];
  readonly authenticator?: ReceiverSettings['authenticator'];
}

/** The options of the policy under this configuration. */
export function policyOptions(config: Config, facts: Omit<ReceiverFacts, 'clientName'>): PolicyOptions {
  const { relay, listeners } = config;
  const { verify, untruth, interfaceHas, noteName, window = () => undefined } = facts;
  return {
    ...recipientOptions(config),
    verify,
    networks: new IpSet(relay.networks),
    listenerHas: listenerNetworks(listeners, interfaceHas),
    proxies: new IpSet(listeners.flatMap(({ proxyProtocolFrom }) => proxyProtocolFrom)),
    untruth,
    authenticated: relay.authenticated,
    certificates: {
      byFingerprint: new Map(relay.certificates.map(({ fingerprint, ...grant }) => [fingerprint, grant])),
      trusted: relay.clientAuthorities.length > 0,
    },
    window,
    open: () => relay.open,
    ...(noteName && { noteName }),
  };
}

/** The domains and names in which recipients are looked up. */
export function recipientOptions(config: Config): RecipientOptions {
  return {
    domains: localDomains(config),
    backupDomains: new Set(config.domains.filter(({ isBackup }) => isBackup).map(({ name }) => name)),
    postmaster: config.postmaster,
  };
}

function listenerNetworks(
  listeners: Config['listeners'],
  interfaceHas: ReceiverFacts['interfaceHas'],
): PolicyOptions['listenerHas'] {
  const sets = new Map(listeners.map(({ name, networks }) => [name, new IpSet(networks)]));
  const interfaces = new Map(listeners.map((listener) => [listener.name, listener.interface]));
  return (listener, address) => {
    if (sets.get(listener)?.has(address)) return true;
    const name = interfaces.get(listener);
    return name !== undefined && interfaceHas(name, address);
  };
}

function localDomains({ domains }: Config): PolicyOptions['domains'] {
  return new Map(domains.filter(({ isBackup }) => !isBackup).map((domain) => [domain.name, domain]));
}

/** The parts for sessions that begin now. */
export function receiverSettings(config: Config, facts: ReceiverFacts): ReceiverSettings {
  const context = secureContext(config);
  const { certificates, clientAuthorities } = config.relay;
  const asks = clientAuthorities.length > 0 ? 'trusted' : certificates.length > 0 ? 'listed' : undefined;
  return {
    hostname: config.hostname,
    postmasterDomain: config.postmaster.domain,
    limits: config.limits,
    policy: createPolicy(policyOptions(config, facts)),
    xclientFrom: new IpSet(config.xclientFrom),
    clientName: facts.clientName,
    ...(facts.authenticator && { authenticator: facts.authenticator }),
    ...(asks && { clientCertificates: asks }),
    clientAuthorities: clientAuthorities.join('\n'),
    ...(context === undefined ? {} : { secureContext: context }),
  };
}

/** Keys and certificates as they are on disk now. */
function secureContext({ tls, relay }: Config): SecureContext | undefined {
  if (tls === undefined) return undefined;
  return createSecureContext({
    cert: tls.cert,
    key: tls.key,
    minVersion: tls.minVersion,
    // None rather than the public authorities, whose certificates anybody can have.
    ca: [...relay.clientAuthorities],
    // Without it a session in which a certificate was asked for cannot be resumed: the handshake fails.
    sessionIdContext: 'posthouse',
    // Some clients break off when tickets come after the handshake; they are of little use between mailers.
    ...(tls.sessionTickets ? {} : { secureOptions: constants.SSL_OP_NO_TICKET }),
  });
}

export function listenerOptions(config: Config): readonly ListenerOptions[] {
  return config.listeners.map(({ proxyProtocolFrom, networks: _, interface: __, ...listener }) => ({
    ...listener,
    proxyProtocolFrom: new IpSet(proxyProtocolFrom),
  }));
}
