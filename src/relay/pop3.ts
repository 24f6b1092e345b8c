import { type Clock, IpSet, type Log } from '../base/index.ts';
import type { Config } from '../config/index.ts';
import { personalMailbox } from '../delivery/index.ts';
import { parseMailbox } from '../mail/index.ts';
import {
  defaultPopLimits,
  defaultPopSessionLimits,
  Mailboxes,
  openPopListener,
  type PopConnection,
  type PopListener,
  servePop3,
  serveProxy,
} from '../pop3/index.ts';
import { type ListeningAddress, type Receiver, readProxyHeader } from '../receiver/index.ts';
import type { Current } from './parts.ts';
import type { RelayWindows } from './windows.ts';

/** What the POP3 side of a relay works with. */
export interface RelayPop3Parts {
  readonly current: Current;
  /** It has the certificate of the moment. */
  readonly receiver: Pick<Receiver, 'settings'>;
  readonly windows: RelayWindows;
  readonly clock: Clock;
  readonly log: Log;
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

type PopListenerConfig = Config['pop3']['listeners'][number];

/** The POP3 listeners of a relay: proxies and servers whose logins open relay windows. */
export class RelayPop3 {
  readonly #parts: RelayPop3Parts;
  readonly #listeners: PopListener[] = [];
  readonly #mailboxes = new Mailboxes();

  constructor(parts: RelayPop3Parts) {
    this.#parts = parts;
  }

  /** Binds. Rejects with the system's error. */
  async listen(): Promise<readonly ListeningAddress[]> {
    const { current, receiver, clock, log } = this.#parts;
    const { listeners, ...limits } = current.config.pop3;
    const addresses: ListeningAddress[] = [];
    for (const config of listeners) {
      const { name, host, port, tls } = config;
      const listener = await openPopListener({
        name,
        host,
        port,
        tls,
        proxyProtocolFrom: new IpSet(config.proxyProtocolFrom),
        readProxyHeader,
        secureContext: () => receiver.settings.secureContext,
        limits: { ...defaultPopLimits, ...limits },
        serve: (connection) => this.#serve(config, connection),
        clock,
        log,
      });
      this.#listeners.push(listener);
      const role = tls === 'implicit' ? 'pop3s' : 'pop3';
      addresses.push({ name, role, address: listener.address, host, port: listener.port });
    }
    return addresses;
  }

  /** Takes no more connections; what is left when `signal` aborts is cut off. */
  async drain(signal: AbortSignal): Promise<void> {
    await Promise.all(this.#listeners.map((listener) => listener.drain(signal)));
  }

  *sessions(): Generator<PopSessionItem> {
    for (const listener of this.#listeners) for (const each of listener.connections) yield describe(each);
  }

  /** Ends those that fit; how many they were. */
  closeSessions(fits: (session: PopSessionItem) => boolean): number {
    const those = this.#listeners.flatMap(({ connections }) => [...connections]);
    const found = those.filter((connection) => fits(describe(connection)));
    for (const connection of found) connection.end('-ERR [SYS/TEMP] the operator ended this session\r\n');
    return found.length;
  }

  #serve({ via, plaintext, name }: PopListenerConfig, connection: PopConnection): Promise<void> {
    const { current, windows, clock, log } = this.#parts;
    if (via !== undefined) {
      const opened = windows.open.bind(windows);
      return serveProxy(connection, {
        upstream: via,
        plaintext,
        opened,
        throttle: current.throttle,
        clock,
        log,
      });
    }
    return servePop3(connection, {
      get identities() {
        return current.identities.identities;
      },
      mailboxes: this.#mailboxes,
      mailboxOf: (login) => mailboxOf(current.config, login),
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
export function mailboxOf({ domains }: Pick<Config, 'domains'>, login: string): string | undefined {
  const mine = domains.filter(({ deliver, isBackup }) => !isBackup && deliver?.startsWith('maildir:'));
  const [first, ...others] = mine;
  const isShort = !login.includes('@') && first !== undefined && others.length === 0;
  const address = parseMailbox(isShort ? `${login}@${first.name}` : login, { smtputf8: true });
  const deliver = mine.find(({ name }) => name === address?.domain)?.deliver;
  return address && deliver && personalMailbox(deliver, address);
}
