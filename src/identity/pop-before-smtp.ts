/** The windows of POP before SMTP of a relay, under the configuration of the moment. */
import { ControlError } from '../admin/index.ts';
import { type Cidr, type Clock, IpSet, type Log } from '../base/index.ts';
import type { PolicyOptions } from '../policy/index.ts';
import { ExpiringTable, type Store, StoreError, type StoreEvents } from '../store/index.ts';
import type { WindowControl } from './commands.ts';
import type { IdentityEvents } from './events.ts';
import { defaultWindows, type WindowOptions } from './options.ts';
import { type MailboxLogin, type WindowItem, type WindowOutcome, Windows, windowLimit } from './windows.ts';
import { decodeWindow, type StoredWindow } from './windows-row.ts';

/** Where windows are kept; the number is that of its frames for good. */
export const windowTable = { name: 'windows', kind: 1 } as const;

/** The part of the configuration that lists proxies. */
export interface ProxyConfig {
  readonly listeners: readonly { readonly proxyProtocolFrom: readonly Cidr[] }[];
  readonly pop3: { readonly listeners: readonly { readonly proxyProtocolFrom: readonly Cidr[] }[] };
  readonly xclientFrom: readonly Cidr[];
}

/** The part of the configuration that windows depend on. */
export interface WindowConfig extends ProxyConfig {
  readonly relay: { readonly popBeforeSmtp?: { readonly windows: WindowOptions } };
}

/** The parts that relay windows need. */
export interface PopBeforeSmtpParts {
  readonly state: Store;
  /** Of the moment. */
  readonly config: () => WindowConfig;
  /** Addresses of this machine. */
  readonly isOwn: (address: string) => boolean;
  readonly untruth: PolicyOptions['untruth'];
  /** Whether the credential of a login is still valid for a user. */
  readonly holds: (name: string, credential: string) => boolean;
  readonly clock: Clock;
  readonly log: Log<IdentityEvents | StoreEvents>;
}

/** The windows of POP before SMTP under the present configuration: without it there are none. */
export class PopBeforeSmtp {
  readonly #windows: Windows;
  readonly #config: () => WindowConfig;

  /** Reads the windows that were open. Throws `StoreError`. */
  constructor({ state, config, isOwn, untruth, holds, clock, log }: PopBeforeSmtpParts) {
    const table = new ExpiringTable<StoredWindow>({
      store: state,
      name: windowTable,
      decode: decodeWindow,
      limit: windowLimit,
      clock,
      log,
    });
    const isProxy = (address: string) => proxiesOf(config()).has(address);
    const facts = { isOwn, isProxy, untruth };
    this.#config = config;
    this.#windows = new Windows({ table, facts, holds, clock, log }, optionsOf(config()));
  }

  /** How many there are; undefined where the configuration has none. */
  get size(): number | undefined {
    return this.#isOn ? this.#windows.size : undefined;
  }

  /** Takes over the configuration of the moment. */
  reload(): void {
    this.#windows.reload(optionsOf(this.#config()));
  }

  /** Never rejects. */
  open(login: MailboxLogin): Promise<WindowOutcome> {
    if (this.#isOn) return this.#windows.open(login);
    return Promise.resolve({ outcome: 'refused', because: 'relay.popBeforeSmtp is not configured' });
  }

  find(address: string): ReturnType<Windows['find']> {
    return this.#isOn ? this.#windows.find(address) : undefined;
  }

  list(): Iterable<WindowItem> {
    return this.#windows.list();
  }

  /** Resolves with the number of windows that were changed; rejects with `StoreError`. */
  revoke(which: Parameters<Windows['revoke']>[0]): Promise<number> {
    return this.#windows.revoke(which);
  }

  get #isOn(): boolean {
    return this.#config().relay.popBeforeSmtp !== undefined;
  }
}

function optionsOf({ relay: { popBeforeSmtp } }: WindowConfig): typeof defaultWindows {
  return popBeforeSmtp?.windows ?? defaultWindows;
}

/** A proxy that did not name its client would give the window to all of its clients. */
export function proxiesOf({ listeners, pop3, xclientFrom }: ProxyConfig): IpSet {
  const proxies = [...listeners, ...pop3.listeners].flatMap(({ proxyProtocolFrom }) => proxyProtocolFrom);
  return new IpSet([...xclientFrom, ...proxies]);
}

/** Answers the commands about windows. */
export function createWindowControl(windows: PopBeforeSmtp): WindowControl {
  return {
    async *windowsList() {
      yield* windows.list();
    },
    async windowsRevoke(which) {
      try {
        return { windows: await windows.revoke(which) };
      } catch (error) {
        if (!(error instanceof StoreError)) throw error;
        throw new ControlError('storage', error.message, { cause: error });
      }
    },
  };
}
