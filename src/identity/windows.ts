/** POP before SMTP: the addresses that may relay, for which users, and until when. */
import { blockOf, type Clock, canonicalIp, IpSet, isLoopback, type Log, parseCidr } from '../base/index.ts';
import type { ExpiringTable } from '../store/index.ts';
import type { IdentityEvents } from './events.ts';
import type { WindowOptions } from './options.ts';
import { WindowBlocks } from './windows-blocks.ts';
import {
  maxNames,
  namesAt,
  type StoredWindow,
  type WindowName,
  withLogin,
  withoutName,
} from './windows-row.ts';

/** The facts of addresses that their form does not show. */
export interface AddressFacts {
  /** Whether the address is one of this machine. */
  readonly isOwn: (address: string) => boolean;
  /** Whether it is a listed proxy: all of its clients would have the window. */
  readonly isProxy: (address: string) => boolean;
  /** Why the address cannot be a client's own. */
  readonly untruth: (address: string) => { readonly because: string } | undefined;
}

/** A login to a mailbox that succeeded. */
export interface MailboxLogin {
  /** As text, in any spelling. */
  readonly address: string;
  /** The login, as it was typed and accepted. */
  readonly name: string;
  /** The source of the login: `pop3 0.0.0.0:110`, `dovecot`. */
  readonly source: string;
  /** The credential of a local user's login (`Identity.credential`): the window ends with it. */
  readonly credential?: string;
  /** Instead of `windowMs`; the longest life holds nevertheless. */
  readonly forMs?: number;
}

/** The outcome of a login. */
export type WindowOutcome =
  | { readonly outcome: 'opened' | 'renewed'; readonly address: string; readonly expiresAt: number }
  | { readonly outcome: 'refused'; readonly because: string };

/** A window as operators see it. */
export interface WindowItem {
  /** Canonical; a network where `ipv6Prefix` is 64. */
  readonly address: string;
  readonly names: readonly string[];
  readonly source: string;
  readonly openedAt: number;
  readonly lastAt: number;
  readonly expiresAt: number;
  readonly needsAuth: boolean;
}

/** The parts that the windows need. */
export interface WindowParts {
  readonly table: ExpiringTable<StoredWindow>;
  readonly facts: AddressFacts;
  /** Whether the credential of one of our users is still valid. Cheap: asked for every recipient. */
  readonly holds: (name: string, credential: string) => boolean;
  readonly clock: Clock;
  readonly log: Log<IdentityEvents>;
}

/** Windows at once: the rows of their table. */
export const windowLimit = 100_000;

/** The number of changes of one address that wait while a login is written; further ones are refused. */
const maxWaiting = 50;

const never = setOf('0.0.0.0/8', '224.0.0.0/3', '::/128', 'ff00::/8');
const linkLocal = setOf('169.254.0.0/16', 'fe80::/10');
const shared = setOf('100.64.0.0/10');

/**
 * POP before SMTP: the users who have just read mail, and their addresses. A window is for one address and for the
 * senders of those who logged in from there; it gives permission to relay and nothing else. It is durable before a
 * login is answered, and ends by the wall clock, for each name by itself.
 */
export class Windows {
  readonly #parts: WindowParts;
  #options: WindowOptions;
  readonly #blocks: WindowBlocks;
  /** Changes of one address are made one after the other, so that none is lost. */
  readonly #changing = new Map<string, { waiting: number; last: Promise<unknown> }>();

  constructor(parts: WindowParts, options: WindowOptions) {
    this.#parts = parts;
    this.#options = options;
    this.#blocks = new WindowBlocks((key) => parts.table.get(key) !== undefined);
    for (const [key] of parts.table.entries()) this.#blocks.note(key);
  }

  /** Counts from the next login on. */
  reload(options: WindowOptions): void {
    this.#options = options;
  }

  get size(): number {
    return this.#parts.table.size;
  }

  /** Opens or renews the window of the address. Never rejects; resolves when it is durable, or has failed to be. */
  async open(given: MailboxLogin): Promise<WindowOutcome> {
    const login = { ...given, name: given.name.normalize('NFC') };
    const fault = this.#fault(login);
    const key = fault === undefined ? this.#key(login.address) : undefined;
    if (key === undefined) return this.#refuse(login, fault ?? 'not an IP address');
    try {
      return await this.#inTurn(key, () => this.#write(key, login));
    } catch (error) {
      return this.#refuse(login, error instanceof Error ? error.message : String(error));
    }
  }

  /** The window of a canonical address, for each recipient of the policy. */
  find(address: string):
    | {
        readonly names: readonly string[];
        readonly source: string;
        readonly expiresAt: number;
        readonly needsAuth: boolean;
      }
    | undefined {
    if (this.#parts.table.size === 0) return undefined;
    const key = this.#prefixed(address);
    const row = this.#parts.table.get(key);
    return row && this.#item(key, row);
  }

  /** Every window that is open now. */
  *list(): Generator<WindowItem> {
    for (const [key, row] of this.#parts.table.entries()) {
      const item = this.#item(key, row);
      if (item !== undefined) yield item;
    }
  }

  /**
   * Closes the window of an address, or takes a name out of every window. Resolves with the number of windows
   * when that is durable; rejects with `StoreError`.
   */
  async revoke(
    which: { readonly address: string } | { readonly name: string },
    because = 'the operator asked for it',
  ): Promise<number> {
    if ('address' in which) {
      const key = this.#key(which.address.replace(/\/64$/, ''));
      return key === undefined ? 0 : this.#inTurn(key, () => this.#revoke(key, undefined, because));
    }
    let count = 0;
    for (const [key] of [...this.#parts.table.entries()])
      count += await this.#inTurn(key, () => this.#revoke(key, which.name, because));
    return count;
  }

  async #write(key: string, login: MailboxLogin): Promise<WindowOutcome> {
    const { table, clock, log } = this.#parts;
    const now = clock.now();
    const { windowMs, maxLifeMs } = this.#options;
    const before = table.get(key);
    const wasOpen = before !== undefined && namesAt(before, now).length > 0;
    const { row, added } = withLogin(before, login, { now, windowMs: login.forMs ?? windowMs, maxLifeMs });
    const expiresAt = Math.max(...row.names.map((name) => name.expiresAt));
    await table.put(key, row, expiresAt);
    this.#blocks.sweep(table.size);
    const crowded = this.#blocks.note(key);
    if (crowded !== undefined) await this.#revoke(crowded, undefined, 'too many windows in its /64');
    const { name, source } = login;
    const names = row.names.length;
    const event = wasOpen ? 'window-renewed' : 'window-opened';
    log.info(event, { client: key, user: name, source, names, expiresAt: new Date(expiresAt).toISOString() });
    if (added && this.#needsAuth(row.names))
      log.warn('window-shared', { client: key, names, because: 'too many users share the address' });
    return { outcome: wasOpen ? 'renewed' : 'opened', address: key, expiresAt };
  }

  async #revoke(key: string, name: string | undefined, because: string): Promise<number> {
    const { table, log } = this.#parts;
    const row = table.get(key);
    if (row === undefined) return 0;
    const left = name === undefined ? undefined : withoutName(row, name);
    if (left === row) return 0;
    if (left === undefined) await table.remove(key);
    else await table.put(key, left, Math.max(...left.names.map(({ expiresAt }) => expiresAt)));
    log.info('window-revoked', { client: key, ...(name !== undefined && { user: name }), because });
    return 1;
  }

  #refuse({ address, name, source }: MailboxLogin, because: string): WindowOutcome {
    this.#parts.log.info('window-refused', { client: address, user: name, source, because });
    return { outcome: 'refused', because };
  }

  /** Why a login opens nothing. */
  #fault({ address: text, name }: MailboxLogin): string | undefined {
    const address = canonicalIp(text);
    if (address === undefined) return 'not an IP address';
    if (!isName(name)) return 'the login has no valid name';
    const { isOwn, isProxy, untruth } = this.#parts.facts;
    const { allowLoopback, allowSharedRange } = this.#options;
    if (never.has(address)) return 'no address of a client';
    if (text.includes('%') || linkLocal.has(address))
      return 'a link-local address is somebody else on each link';
    if (isLoopback(address)) return allowLoopback ? undefined : 'it is this machine';
    if (isOwn(address)) return 'it is an address of this machine';
    if (isProxy(address)) return 'a listed proxy did not say for whom it speaks';
    if (!allowSharedRange && shared.has(address)) return 'many customers share an address in 100.64.0.0/10';
    return untruth(address)?.because;
  }

  #key(text: string): string | undefined {
    const address = canonicalIp(text);
    return address && this.#prefixed(address);
  }

  #prefixed(address: string): string {
    return this.#options.ipv6Prefix === 64 ? blockOf(address) : address;
  }

  #item(address: string, row: StoredWindow): WindowItem | undefined {
    const names = namesAt(row, this.#parts.clock.now()).filter(
      ({ name, credential }) => credential === undefined || this.#parts.holds(name, credential),
    );
    const latest = names.at(-1);
    if (latest === undefined) return undefined;
    return {
      address,
      names: names.map(({ name }) => name),
      source: latest.source,
      openedAt: Math.min(...names.map(({ openedAt }) => openedAt)),
      lastAt: latest.lastAt,
      expiresAt: Math.max(...names.map(({ expiresAt }) => expiresAt)),
      needsAuth: this.#needsAuth(names),
    };
  }

  #needsAuth(names: readonly WindowName[]): boolean {
    return names.length > Math.min(this.#options.identitiesPerAddress ?? maxNames - 1, maxNames - 1);
  }

  async #inTurn<T>(key: string, change: () => Promise<T>): Promise<T> {
    const turn = this.#changing.get(key) ?? { waiting: 0, last: Promise.resolve() };
    if (turn.waiting >= maxWaiting) throw new Error('too many logins from there at once');
    this.#changing.set(key, turn);
    turn.waiting++;
    const mine = turn.last.then(change, change);
    turn.last = mine.catch(() => {});
    try {
      return await mine;
    } finally {
      turn.waiting--;
      if (turn.waiting === 0) this.#changing.delete(key);
    }
  }
}

/** Anonymous logins exist in SASL (RFC 4505) and prove nothing. */
function isName(name: string): boolean {
  const isPlain = name.length > 0 && name.length <= 320 && name.trim() === name && !hasControl(name);
  return isPlain && name.toLowerCase() !== 'anonymous';
}

function hasControl(text: string): boolean {
  for (const character of text) if (character < ' ' || character === '\x7f') return true;
  return false;
}

function setOf(...texts: readonly string[]): IpSet {
  return new IpSet(texts.flatMap((text) => parseCidr(text) ?? []));
}
