/** The access token of one account (OAuth 2.0), renewed in time. */
import { type BackOff, backOff, type Clock, type Log, type plainFetch, redactor } from '../base/index.ts';
import type { DeliveryEvents } from './events.ts';
import type { OauthOptions } from './options.ts';
import { RefreshToken } from './refresh-token.ts';
import { askForToken, type TokenAnswer } from './token-endpoint.ts';

/** A token is renewed this long before its end, or for a quarter of its life where that is shorter. */
const aheadMs = 15 * 60_000;
/** The assumed life of a token whose expiry is not given. */
const unknownLifeMs = 10 * 60_000;
const pauses: BackOff = { minMs: 5000, maxMs: 5 * 60_000 };
/** A token that was refused is not replaced when it is younger than this: another would be refused too. */
const freshMs = 60_000;
/** A known end of the secret or the refresh token is warned of so long before. */
const warnMs = 14 * 86_400_000;

/** A fault that the operator has to mend. `token-expired`: mail has stopped. `token`: it will. */
export interface TokenTrouble {
  readonly kind: 'token' | 'token-expired';
  readonly subject: string;
  readonly since: number;
  readonly because: string;
}

/** There is no token now. Its message holds no secret. */
export class TokenError extends Error {
  readonly code = 'no-token';
}

export interface TokenParts {
  readonly clock: Clock;
  readonly log: Log<DeliveryEvents>;
  /** Background work. */
  readonly background: { run(what: string, work: Promise<unknown>): void };
  readonly fetch?: typeof plainFetch;
  /** Cuts off running requests. */
  readonly signal: AbortSignal;
}

interface AccessToken {
  readonly value: string;
  readonly issuedAt: number;
  readonly renewAt: number;
  readonly expiresAt: number;
}

interface Failing {
  readonly since: number;
  readonly because: string;
  readonly failures: number;
  readonly retryAt: number;
}

/**
 * Access tokens of one account (RFC 6749). One request is under way at most; it is made ahead of the end of the
 * token, so that mail goes on with the old one while the endpoint is down, and its failure is known before mail
 * stops. `tend` is to be called from time to time, also while there is no mail.
 */
export class OauthToken {
  readonly subject: string;
  readonly #options: OauthOptions;
  readonly #parts: TokenParts;
  readonly #refresh: RefreshToken | undefined;
  #token: AccessToken | undefined;
  #failing: Failing | undefined;
  #refusedSince: number | undefined;
  #unsaved: { readonly since: number; readonly because: string } | undefined;
  #endsAt: number | undefined;
  #underWay: Promise<void> | undefined;

  constructor(options: OauthOptions, parts: TokenParts) {
    this.#options = options;
    this.#parts = parts;
    const { refreshTokenFile: file } = options;
    this.#refresh = file === undefined ? undefined : new RefreshToken(file);
    this.#endsAt = options.expiresAt;
    this.subject = `${options.clientId} at ${URL.parse(options.tokenUrl)?.host ?? options.tokenUrl}`;
  }

  /** A token that is valid now. Rejects with a `TokenError`, also when the signal fires. */
  async current(signal: AbortSignal): Promise<string> {
    this.tend();
    const now = this.#parts.clock.now();
    if (this.#isValid(now)) return this.#token?.value ?? '';
    if (this.#underWay !== undefined) await untilAborted(this.#underWay, signal);
    if (this.#token !== undefined && this.#isValid(this.#parts.clock.now())) return this.#token.value;
    throw new TokenError(`no access token for ${this.subject}: ${this.#failing?.because ?? 'interrupted'}`);
  }

  /** Asks for a new token when it is time and no request is under way. */
  tend(): void {
    const now = this.#parts.clock.now();
    if (this.#underWay !== undefined || now < (this.#failing?.retryAt ?? 0)) return;
    if (this.#token !== undefined && now < this.#token.renewAt) return;
    this.#underWay = this.#renew().finally(() => {
      this.#underWay = undefined;
    });
    this.#parts.background.run('token', this.#underWay);
  }

  /** The configuration or a file has changed: a pause after failures is over. */
  hurry(): void {
    if (this.#failing !== undefined) this.#failing = { ...this.#failing, retryAt: 0 };
  }

  /** A server took the token. */
  accepted(): void {
    this.#refusedSince = undefined;
  }

  /** A server refused the token. True when another one is worth asking for: this one was not quite new. */
  refused(value: string): boolean {
    const now = this.#parts.clock.now();
    if (this.#token === undefined || this.#token.value !== value) return true;
    if (now - this.#token.issuedAt >= freshMs) {
      this.#token = undefined;
      return true;
    }
    this.#refusedSince ??= now;
    return false;
  }

  trouble(): TokenTrouble | undefined {
    const { subject } = this;
    const now = this.#parts.clock.now();
    const isValid = this.#isValid(now);
    if (this.#failing !== undefined) {
      const { since, because } = this.#failing;
      const ends = new Date(this.#token?.expiresAt ?? now).toISOString();
      return isValid
        ? { kind: 'token', subject, since, because: `${because}; mail goes on until ${ends}` }
        : { kind: 'token-expired', subject, since, because };
    }
    if (this.#refusedSince !== undefined) {
      const because = 'a server refuses a new token: see relay-auth-failed in the log';
      return { kind: 'token-expired', subject, since: this.#refusedSince, because };
    }
    if (this.#unsaved !== undefined) return { kind: 'token', subject, ...this.#unsaved };
    if (this.#endsAt === undefined || now < this.#endsAt - warnMs) return undefined;
    const because = `the secret or refresh token ends at ${new Date(this.#endsAt).toISOString()}`;
    return { kind: 'token', subject, since: this.#endsAt - warnMs, because };
  }

  #isValid(now: number): boolean {
    return this.#token !== undefined && now < this.#token.expiresAt;
  }

  /** One request. Never rejects. */
  async #renew(): Promise<void> {
    const { log, clock } = this.#parts;
    try {
      const answer = await this.#ask();
      const now = clock.now();
      const lifeMs = answer.lifeMs ?? unknownLifeMs;
      const renewAt = now + lifeMs - Math.min(aheadMs, lifeMs / 4);
      this.#token = { value: answer.token, issuedAt: now, renewAt, expiresAt: now + lifeMs };
      this.#failing = undefined;
      if (answer.refreshLifeMs !== undefined) this.#endsAt = now + answer.refreshLifeMs;
      if (answer.refreshToken !== undefined) await this.#keepRefreshToken(answer.refreshToken);
      log.info('token-renewed', { subject: this.subject, validMs: lifeMs });
    } catch (error) {
      const because = this.#redact(error instanceof Error ? error.message : String(error));
      const now = clock.now();
      const failures = (this.#failing?.failures ?? 0) + 1;
      const pauseMs = backOff(failures, pauses);
      this.#failing = { since: this.#failing?.since ?? now, because, failures, retryAt: now + pauseMs };
      log.warn('token-refused', { subject: this.subject, because, retryMs: pauseMs });
    }
  }

  async #ask(): Promise<TokenAnswer> {
    const { tokenUrl, clientId, clientSecret, scope } = this.#options;
    const form = new URLSearchParams({ client_id: clientId });
    if (clientSecret !== undefined) form.set('client_secret', clientSecret);
    if (scope !== undefined) form.set('scope', scope);
    if (this.#refresh === undefined) form.set('grant_type', 'client_credentials');
    else {
      form.set('grant_type', 'refresh_token');
      form.set('refresh_token', await this.#refresh.read());
    }
    return askForToken(tokenUrl, form, this.#parts);
  }

  /** The server handed out another refresh token, and may not take the old one again (RFC 6749 §6). */
  async #keepRefreshToken(value: string): Promise<void> {
    try {
      await this.#refresh?.keep(value);
      this.#unsaved = undefined;
    } catch (error) {
      const because = `the new refresh token cannot be written and is lost at the next start: ${String(error)}`;
      this.#unsaved ??= { since: this.#parts.clock.now(), because };
      this.#parts.log.error('token-not-saved', { subject: this.subject, because: String(error) });
    }
  }

  #redact(text: string): string {
    const clean = text.replace(/[\s\p{C}]+/gu, ' ').trim();
    const plain = [this.#options.clientSecret, this.#refresh?.value, this.#token?.value];
    const { redact } = redactor({ plain: plain.flatMap((secret) => secret ?? []) });
    return redact(clean.slice(0, 1000)).slice(0, 300).toWellFormed();
  }
}

function untilAborted(work: Promise<void>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      signal.removeEventListener('abort', done);
      resolve();
    };
    signal.addEventListener('abort', done);
    if (signal.aborted) done();
    void work.then(done);
  });
}
