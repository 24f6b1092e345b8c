/** The POP3 side of a relay: its listeners, as proxies or as servers of the Maildirs. */
import { type Clock, IpSet, type Log } from '../base/index.ts';
import type { Identities, PopBeforeSmtp, Throttle } from '../identity/index.ts';
import { type Address, type Domain, parseMailbox } from '../mail/index.ts';
import { ListenerSet, type PreparedListeners, placeKey } from '../net/index.ts';
import type { ListeningAddress } from '../receiver/index.ts';
import type { PopConnection } from './connection.ts';
import type { Pop3Events } from './events.ts';
import { PopListener, type PopListenerOptions } from './listener.ts';
import { Mailboxes } from './mailbox.ts';
import { defaultPopLimits, type PopListenerConfig } from './options.ts';
import { serveProxy } from './proxy.ts';
import { servePop3 } from './server.ts';
import { defaultPopSessionLimits } from './session-options.ts';

/** The part of the configuration that POP3 depends on. */
export interface PopConfig {
  readonly pop3: {
    readonly listeners: readonly PopListenerConfig[];
    readonly connections: number;
    readonly connectionsPerClient: number;
  };
  readonly domains: readonly {
    readonly name: Domain;
    readonly deliver?: string;
    readonly isBackup: boolean;
  }[];
}

/** The parts that the POP3 side of a relay needs. */
export interface PopListenersParts {
  /** Of the moment. */
  readonly config: () => PopConfig;
  readonly identities: () => Identities;
  readonly throttle: Throttle;
  readonly secureContext: PopListenerOptions['secureContext'];
  /** The Maildir of an address, where `deliver` of its domain has one for each. */
  readonly mailboxAt: (deliver: string, address: Address) => string | undefined;
  readonly windows: Pick<PopBeforeSmtp, 'open'>;
  readonly clock: Clock;
  readonly log: Log<Pop3Events>;
}

/** A session as people see it. */
export interface PopSessionItem {
  readonly id: string;
  readonly listener: string;
  readonly address: string;
  readonly port: number;
  readonly since: number;
  readonly user?: string;
  readonly tls?: string;
}

/** The POP3 listeners of a relay: proxies and servers whose logins open relay windows. */
export class PopListeners {
  readonly #parts: PopListenersParts;
  readonly #listeners: ListenerSet<PopListenerOptions, PopListener>;
  readonly #mailboxes = new Mailboxes();

  constructor(parts: PopListenersParts) {
    this.#parts = parts;
    this.#listeners = new ListenerSet<PopListenerOptions, PopListener>({
      keyOf: placeKey,
      bind: (options) => PopListener.bind(options),
      clock: parts.clock,
    });
  }

  /**
   * Binds new listeners. They serve nobody before `commit`, which drains those that are gone. Rejects with the
   * system's error.
   */
  prepare({ listeners, ...limits }: PopConfig['pop3']): Promise<PreparedListeners> {
    const { secureContext, clock, log } = this.#parts;
    return this.#listeners.prepare(
      listeners.map((config) => ({
        name: config.name,
        host: config.host,
        port: config.port,
        tls: config.tls,
        proxyProtocolFrom: new IpSet(config.proxyProtocolFrom),
        secureContext,
        limits: { ...defaultPopLimits, ...limits },
        serve: (connection) => this.#serve(config, connection),
        clock,
        log,
      })),
    );
  }

  get addresses(): readonly ListeningAddress[] {
    return this.#listeners.open.map(({ options: { name, host, tls }, address, port }) => ({
      name,
      role: tls === 'implicit' ? 'pop3s' : 'pop3',
      address,
      host,
      port,
    }));
  }

  /** Takes no more connections; those that are left when `signal` aborts are cut off. */
  drain(signal: AbortSignal): Promise<void> {
    return this.#listeners.drain(signal);
  }

  *sessions(): Generator<PopSessionItem> {
    for (const listener of this.#listeners.all())
      for (const each of listener.connections) yield describe(each);
  }

  /** Ends the matching sessions; returns their number. */
  closeSessions(fits: (session: PopSessionItem) => boolean): number {
    const those = [...this.#listeners.all()].flatMap(({ connections }) => [...connections]);
    const found = those.filter((connection) => fits(describe(connection)));
    for (const connection of found) connection.end('-ERR [SYS/TEMP] the operator ended this session\r\n');
    return found.length;
  }

  #serve({ via, plaintext, name }: PopListenerConfig, connection: PopConnection): Promise<void> {
    const { config, identities, throttle, windows, clock, log } = this.#parts;
    if (via !== undefined) {
      const opened = windows.open.bind(windows);
      return serveProxy(connection, {
        upstream: via,
        plaintext,
        opened,
        throttle,
        clock,
        log,
      });
    }
    return servePop3(connection, {
      get identities() {
        return identities();
      },
      mailboxes: this.#mailboxes,
      mailboxOf: (login) => mailboxOf(config(), login, this.#parts.mailboxAt),
      allowPlaintext: plaintext === 'loopback',
      limits: defaultPopSessionLimits,
      onLogin: async (login) => void (await windows.open({ ...login, source: name })),
      clock,
      log,
    });
  }
}

function describe({ facts, since, user, tls }: PopConnection): PopSessionItem {
  const { id, listener, address, port } = facts;
  return {
    ...{ id, listener, address, port, since },
    ...(user !== undefined && { user }),
    ...(tls && { tls: tls.version }),
  };
}

/**
 * The Maildir that delivery writes mail for a login to: the login is an address of ours, or a local part where one
 * domain alone has Maildirs.
 */
export function mailboxOf(
  { domains }: Pick<PopConfig, 'domains'>,
  login: string,
  mailboxAt: PopListenersParts['mailboxAt'],
): string | undefined {
  const mine = domains.filter(({ deliver, isBackup }) => !isBackup && deliver?.startsWith('maildir:'));
  const [first, ...others] = mine;
  const isShort = !login.includes('@') && first !== undefined && others.length === 0;
  const address = parseMailbox(isShort ? `${login}@${first.name}` : login, { smtputf8: true });
  const deliver = mine.find(({ name }) => name === address?.domain)?.deliver;
  return address && deliver && mailboxAt(deliver, address);
}
