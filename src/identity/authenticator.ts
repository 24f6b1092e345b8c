/** The authenticator that the receiver asks at AUTH. */
import type { Clock, Log } from '../base/index.ts';
import { harmlessText } from '../base/index.ts';
import type { Authenticator, ClientFacts, Identity, SaslExchange, SaslStep } from '../receiver/index.ts';
import type { Dovecot } from './dovecot.ts';
import type { IdentityEvents } from './events.ts';
import { external, type IdentityOfCertificate } from './external.ts';
import type { ExchangeParts, Mechanism } from './mechanism.ts';
import { oauth } from './oauth.ts';
import type { JudgeToken } from './oauth-token.ts';
import { identityOf, PasswordCheck } from './password.ts';
import { judge, login, plain } from './plain.ts';
import { createRenewal, identityByToken } from './renewal.ts';
import { notNow } from './replies.ts';
import { scram } from './scram.ts';
import type { Throttle } from './throttle.ts';
import type { Users } from './users.ts';

/** The sources of identities, and the mechanisms that check them. */
export interface AuthenticatorOptions {
  /** The users of a file, or those of a Dovecot. */
  readonly users?: Users | undefined;
  readonly dovecot?: Dovecot | undefined;
  readonly judgeToken?: JudgeToken | undefined;
  readonly identityOfCertificate: IdentityOfCertificate;
  /** Where passwords may travel in clear: nowhere but on this machine. */
  readonly allowPlaintext: (client: ClientFacts) => boolean;
  /** One for all doors, and for the life of the process. */
  readonly throttle: Throttle;
  readonly clock: Clock;
  readonly log: Log<IdentityEvents>;
}

/** Mechanisms that people ask for, and why they are not there. */
const reasons: ReadonlyMap<string, string> = new Map([
  ['CRAM-MD5', 'CRAM-MD5 needs passwords in clear on the server, use SCRAM-SHA-256 or PLAIN under TLS'],
  ['DIGEST-MD5', 'DIGEST-MD5 is historic (RFC 6331), use SCRAM-SHA-256 or PLAIN under TLS'],
  ['SCRAM-SHA-1', 'SCRAM-SHA-1 is not offered, use SCRAM-SHA-256'],
  ['ANONYMOUS', 'nobody sends without a name'],
  ['NTLM', 'NTLM is not offered, use SCRAM-SHA-256 or PLAIN under TLS'],
]);

/** Checks a password outside SMTP. Both are octets as they came, UTF-8 or not. */
export type VerifyPassword = (
  credentials: { readonly name: Buffer; readonly password: Buffer },
  client: ClientFacts,
  signal: AbortSignal,
) => Promise<SaslStep>;

/** The authenticator of all listeners, and further access to its users. */
export interface Identities extends Authenticator {
  /** The same users, pauses and bounds for a login elsewhere: POP3. */
  readonly verifyPassword: VerifyPassword;
  /** Whether the credential of a login (`Identity.credential`) is still valid for the user. */
  holds(name: string, credential: string): boolean;
  /** The identity of a user of that name after a login. */
  identityOf(name: string): Identity | undefined;
}

/** Makes the authenticator that the receiver asks. */
export function createAuthenticator(options: AuthenticatorOptions): Identities {
  const { throttle } = options;
  const passwords = options.users && new PasswordCheck(options.users, options.clock);
  const check = passwords ? passwords.check.bind(passwords) : options.dovecot?.check.bind(options.dovecot);
  const table = mechanismTable(options, check);
  const renewal = createRenewal(options);
  const offered = (client: ClientFacts) => {
    if (client.tls === undefined && !options.allowPlaintext(client)) return [];
    return [...table].filter(([, { isPossible }]) => isPossible(client)).map(([name]) => name);
  };
  return {
    mechanisms: offered,
    why: (mechanism) => reasons.get(mechanism),
    begin(mechanism, client) {
      const entry = table.get(mechanism);
      if (entry === undefined || !offered(client).includes(mechanism)) return undefined;
      const exchange = new Exchange({ client, throttle }, entry.mechanism, (step) =>
        tell(options.log, { mechanism, client, step }),
      );
      return exchange;
    },
    async verifyPassword(credentials, client, signal) {
      if (check === undefined) return notNow('there are no users');
      const step = await judge(
        { client, throttle, signal },
        { ...credentials, mechanism: 'PASSWORD', check },
      );
      tell(options.log, { mechanism: 'PASSWORD', client, step });
      return step;
    },
    identityOf(name) {
      const user = options.users?.find(name);
      return user === undefined || user === 'unavailable'
        ? undefined
        : identityOf(user, 'any mechanism', undefined);
    },
    renew: renewal.renew,
    holds: renewal.holds,
  };
}

interface Entry {
  readonly mechanism: Mechanism;
  readonly isPossible: (client: ClientFacts) => boolean;
}

/** In the order in which they are offered: mechanisms that reveal least of a secret come first. */
function mechanismTable(
  options: AuthenticatorOptions,
  check: PasswordCheck['check'] | undefined,
): ReadonlyMap<string, Entry> {
  const { users, judgeToken, identityOfCertificate } = options;
  const table = new Map<string, Entry>();
  const always = () => true;
  if (users !== undefined) {
    const isBindable = ({ tls }: ClientFacts) => tls?.channelBinding?.('tls-exporter') !== undefined;
    table.set('SCRAM-SHA-256-PLUS', { mechanism: scram({ users, isPlus: true }), isPossible: isBindable });
    table.set('SCRAM-SHA-256', { mechanism: scram({ users, isPlus: false }), isPossible: always });
  }
  if (judgeToken !== undefined) {
    const known = (name: string, mechanism: string) => identityByToken(users, name, mechanism);
    for (const mechanism of ['OAUTHBEARER', 'XOAUTH2'] as const)
      table.set(mechanism, {
        mechanism: oauth({ mechanism, judge: judgeToken, identityOf: known }),
        isPossible: always,
      });
  }
  table.set('EXTERNAL', {
    mechanism: external(identityOfCertificate),
    isPossible: ({ tls }) =>
      tls?.certificate !== undefined && identityOfCertificate(tls.certificate) !== undefined,
  });
  for (const mechanism of ['SCRAM-SHA-256', 'OAUTHBEARER', 'XOAUTH2']) {
    const { dovecot } = options;
    if (dovecot === undefined || table.has(mechanism)) continue;
    const isPossible = () => dovecot.mechanisms.includes(mechanism);
    table.set(mechanism, { mechanism: dovecot.passThrough(mechanism), isPossible });
  }
  if (check !== undefined) {
    table.set('PLAIN', { mechanism: plain(check), isPossible: always });
    table.set('LOGIN', { mechanism: login(check), isPossible: always });
  }
  return table;
}

/** Runs a mechanism step by step. */
class Exchange implements SaslExchange {
  readonly takesInitial = true;
  readonly #begin: (first: Buffer | undefined) => ReturnType<Mechanism>;
  readonly #gone = new AbortController();
  readonly #onEnd: (step: SaslStep) => void;
  #sequence: ReturnType<Mechanism> | undefined;

  constructor(parts: Omit<ExchangeParts, 'signal'>, mechanism: Mechanism, onEnd: (step: SaslStep) => void) {
    this.#begin = (first) => mechanism({ ...parts, signal: this.#gone.signal }, first);
    this.#onEnd = onEnd;
  }

  async step(response: Buffer | undefined): Promise<SaslStep> {
    const step = await this.#next(response).catch((error: unknown) => notNow(String(error)));
    if (step.kind !== 'challenge') this.#onEnd(step);
    return step;
  }

  async #next(response: Buffer | undefined): Promise<SaslStep> {
    const isFirst = this.#sequence === undefined;
    this.#sequence ??= this.#begin(response);
    const { done, value } = await this.#sequence.next(
      isFirst ? Buffer.alloc(0) : (response ?? Buffer.alloc(0)),
    );
    return done === true ? value : { kind: 'challenge', octets: value };
  }

  cancel(): void {
    this.#gone.abort();
    // Where it waits for a response it ends; an answer that is being worked out ends by itself.
    void this.#sequence?.return({ ...notNow('cancelled') }).catch(() => {});
  }
}

function tell(
  log: Log<IdentityEvents>,
  {
    mechanism,
    client,
    step,
  }: { readonly mechanism: string; readonly client: ClientFacts; readonly step: SaslStep },
): void {
  const { address, listener } = client;
  const facts = { client: address, listener, mechanism, tls: client.tls?.cipher };
  if (step.kind === 'success') {
    const { name, device } = step.identity;
    log.info('auth-succeeded', { ...facts, identity: harmlessText(name), device });
  } else if (step.kind === 'failure')
    log.warn('auth-failed', { ...facts, because: harmlessText(step.because) });
}
