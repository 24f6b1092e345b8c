/** The accounts that clients of Razor have registered, in a file. */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { blockOf, type Clock, type Log, systemClock } from '../../base/index.ts';
import type { ClearinghouseEvents } from '../events.ts';
import { syncFolder, writeSynced } from '../files.ts';
import { hexBase64 } from '../keys/razor-text.ts';
import { Rates } from './rates.ts';

export interface RazorAccountsOptions {
  /** Without one they are forgotten at the end. */
  readonly path?: string;
  readonly clock?: Clock;
  readonly log?: Log<ClearinghouseEvents>;
  /** Accounts that there can be. */
  readonly maxAccounts?: number;
}

const maxAccounts = 100_000;
/** New accounts of one address. */
const limits = { inMinute: 5, inDay: 50 } as const;
const dayMs = 86_400_000;
/** After this many days an account that was never used with its password may be replaced. */
const unprovedDays = 90;
/** Accounts are written together, this long after the first of them; where that fails, again after the other. */
const [writeMs, againMs] = [1000, 60_000] as const;
const form = /^[\w.@+-]{1,64}$/;

interface Account {
  readonly password: string;
  /** The day of registration, counted from 1970; absent once the password was proved. */
  readonly unprovedSince?: number;
}

/**
 * The accounts that registered with Razor. The protocol proves a password with the password itself, so the file
 * contains passwords: only its owner may read it, and the passwords are good for reporting only.
 *
 * An account is valid before it is written down, a second later and together with others. A crash in between loses it,
 * and its client then registers again by itself. Disposal writes the rest.
 */
export class RazorAccounts implements AsyncDisposable {
  readonly #options: RazorAccountsOptions;
  readonly #clock: Clock;
  readonly #accounts = new Map<string, Account>();
  readonly #inMinute: Rates;
  readonly #inDay: Rates;
  #isChanged = false;
  #cancel: (() => void) | undefined;
  #writing: Promise<void> = Promise.resolve();

  /** Throws the system's error for a file that cannot be read. */
  constructor(options: RazorAccountsOptions = {}) {
    this.#options = options;
    const { path, clock = systemClock } = options;
    this.#clock = clock;
    this.#inMinute = new Rates(clock);
    this.#inDay = new Rates(clock, dayMs);
    const text = path === undefined ? undefined : readIfThere(path);
    for (const line of text?.split('\n') ?? []) {
      const [user = '', password = '', day = ''] = line.split(':');
      if (!form.test(user) || password === '') continue;
      this.#accounts.set(user, { password, ...(/^\d{1,7}$/.test(day) && { unprovedSince: Number(day) }) });
    }
  }

  /**
   * Makes an account; a missing name or password is made up. Undefined if the name is taken or malformed, or there are
   * too many accounts, of that address or in all.
   */
  register(
    address: string,
    { user, password }: { readonly user?: string | undefined; readonly password?: string | undefined },
  ): { readonly user: string; readonly password: string } | undefined {
    const name = user ?? `user${randomBytes(6).toString('hex')}`;
    const secret = password ?? randomBytes(9).toString('hex');
    if (!form.test(name) || !/^[\x21-\x39\x3b-\x7e]{1,64}$/.test(secret)) return undefined;
    if (this.#accounts.has(name)) return undefined;
    const block = blockOf(address);
    if (!this.#inMinute.admits(block, limits.inMinute) || !this.#inDay.admits(block, limits.inDay))
      return undefined;
    const today = Math.floor(this.#clock.now() / dayMs);
    if (!this.#hasRoom(today)) return undefined;
    this.#accounts.set(name, { password: secret, unprovedSince: today });
    this.#changed();
    return { user: name, password: secret };
  }

  has(user: string): boolean {
    return this.#accounts.has(user);
  }

  /** Whether the answer to a challenge proves the password. */
  proves(
    user: string,
    { challenge, answer }: { readonly challenge: string; readonly answer: string },
  ): boolean {
    const account = this.#accounts.get(user);
    if (account === undefined) return false;
    const { password } = account;
    const wanted = Buffer.from(razorProof(password, challenge));
    const given = Buffer.from(answer);
    const isProved = given.length === wanted.length && timingSafeEqual(given, wanted);
    if (isProved && account.unprovedSince !== undefined) {
      this.#accounts.set(user, { password });
      this.#changed();
    }
    return isProved;
  }

  /** Writes the accounts that are not written yet. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#cancel?.();
    await this.#writing;
    await this.#write();
    this.#cancel?.();
  }

  /** Replaces the oldest account that was never used again if all places are taken. */
  #hasRoom(today: number): boolean {
    if (this.#accounts.size < (this.#options.maxAccounts ?? maxAccounts)) return true;
    for (const [user, { unprovedSince = today }] of this.#accounts)
      if (today - unprovedSince >= unprovedDays) return this.#accounts.delete(user);
    return false;
  }

  #changed(): void {
    this.#isChanged = true;
    this.#writeAfter(writeMs);
  }

  #writeAfter(delayMs: number): void {
    this.#cancel ??= this.#clock.after(delayMs, () => {
      this.#cancel = undefined;
      this.#writing = this.#writing.then(() => this.#write());
    });
  }

  /** Replaces the file as a whole, or leaves it as it is. */
  async #write(): Promise<void> {
    const { path, log } = this.#options;
    if (path === undefined || !this.#isChanged) return;
    this.#isChanged = false;
    const lines = [...this.#accounts].map(([user, { password, unprovedSince }]) =>
      unprovedSince === undefined ? `${user}:${password}\n` : `${user}:${password}:${unprovedSince}\n`,
    );
    try {
      await writeSynced(`${path}.new`, [Buffer.from(lines.join(''))]);
      await rename(`${path}.new`, path);
      await syncFolder(dirname(path));
    } catch (error) {
      this.#isChanged = true;
      log?.error('razor-accounts-unwritable', { path, because: String(error) });
      this.#writeAfter(againMs);
    }
  }
}

/** Razor's own form of HMAC: the pads are the other way round, and the inner hash goes on as hexadecimal digits. */
export function razorProof(password: string, challenge: string): string {
  const pad = (octet: number) =>
    Buffer.alloc(64, octet).map(
      (value, at) => value ^ (at < password.length ? password.charCodeAt(at) & 0xff : 0),
    );
  const inner = createHash('sha1').update(pad(0x5c)).update(challenge, 'latin1').digest('hex');
  return hexBase64(createHash('sha1').update(pad(0x36)).update(inner).digest('hex'));
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}
