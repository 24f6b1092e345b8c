/** The token sources of all accounts in use. */
import type { LaneName } from '../mail/index.ts';
import { OauthToken, type TokenParts, type TokenTrouble } from './oauth-token.ts';
import type { OauthOptions } from './options.ts';

/** An account, and the lanes that log in with it. */
export interface AccountUse {
  readonly account: OauthOptions;
  readonly lanes: readonly LaneName[];
}

interface Source {
  readonly token: OauthToken;
  readonly lanes: readonly LaneName[];
}

/** The token sources of the accounts in use: one each, however many routes share it, and kept over a reload. */
export class Tokens {
  readonly #parts: TokenParts;
  readonly #life = new AbortController();
  #sources = new Map<string, Source>();

  constructor(parts: Omit<TokenParts, 'signal'>) {
    this.#parts = { ...parts, signal: this.#life.signal };
  }

  /** Ends running requests. */
  close(): void {
    this.#life.abort();
  }

  /** Keeps the sources of these accounts and forgets the others. */
  use(accounts: readonly AccountUse[]): void {
    const before = this.#sources;
    this.#sources = new Map();
    for (const { account, lanes } of accounts) {
      const key = keyOf(account);
      const known = (this.#sources.get(key) ?? before.get(key))?.token;
      known?.hurry();
      const token = known ?? new OauthToken(account, this.#parts);
      this.#sources.set(key, { token, lanes: [...(this.#sources.get(key)?.lanes ?? []), ...lanes] });
    }
  }

  of(account: OauthOptions): OauthToken {
    // An attempt may outlive the route it began with.
    return this.#sources.get(keyOf(account))?.token ?? new OauthToken(account, this.#parts);
  }

  /** Renews tokens that are due and returns the faults. */
  tend(): readonly (TokenTrouble & { readonly lanes: readonly LaneName[] })[] {
    return [...this.#sources.values()].flatMap(({ token, lanes }) => {
      token.tend();
      const trouble = token.trouble();
      return trouble === undefined ? [] : [{ ...trouble, lanes }];
    });
  }
}

/** The mechanism makes no difference to the token. */
function keyOf({ mechanism: _, ...account }: OauthOptions): string {
  return JSON.stringify(Object.entries(account).sort());
}
