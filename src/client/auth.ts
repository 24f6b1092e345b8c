/** AUTH on the side of the client. */
import type { Secrets } from '../base/index.ts';
import { type Reply, replyClass } from '../mail/index.ts';
import { ClientError } from './client-error.ts';
import type { ClientCredentials } from './options.ts';
import type { Wait, Wire } from './wire.ts';

type PasswordCredentials = Extract<ClientCredentials, { readonly password: string }>;
type TokenCredentials = Extract<ClientCredentials, { readonly token: string }>;

/** The longest command line that every server takes, without its CRLF (RFC 5321 §4.5.3.1.4). */
const maxLineOctets = 510;

/** The facts that an exchange needs besides the wire. */
export interface AuthOptions {
  readonly credentials: ClientCredentials;
  readonly wait: Wait;
  /** The server as the token is meant for it (RFC 7628 §3.1). */
  readonly host: string;
  readonly port: number;
}

/**
 * Carries out AUTH and returns the last reply: PLAIN, or LOGIN if only that is offered, with a password; OAUTHBEARER
 * or XOAUTH2 with a token. The caller has to make sure of TLS. Throws `auth-unavailable` when no mechanism fits. The
 * credentials are removed from all later replies of the server, and never reach a log.
 */
export async function authenticate(
  wire: Wire,
  mechanisms: readonly string[],
  options: AuthOptions,
): Promise<Reply | undefined> {
  const { credentials, wait } = options;
  const offered = mechanisms.map((name) => name.toUpperCase());
  wire.conceal(secretsOf(options));
  if ('token' in credentials) return bearer(wire, offered, { ...options, credentials });
  if (offered.includes('PLAIN')) return plain(wire, credentials, wait);
  if (offered.includes('LOGIN')) return login(wire, credentials, wait);
  throw unavailable('the server offers neither AUTH PLAIN nor AUTH LOGIN');
}

/** Everything that an exchange may send. */
function secretsOf(options: AuthOptions): Secrets {
  const { credentials } = options;
  if ('token' in credentials) {
    const responses = [oauthBearer({ ...options, credentials }), xoauth2(credentials)];
    return { plain: [credentials.token], encoded: responses.map(encode) };
  }
  const { user, password } = credentials;
  return { plain: [password], encoded: [encode(plainResponse(user, password)), encode(password)] };
}

function unavailable(message: string): ClientError {
  return new ClientError('auth-unavailable', 'auth', message);
}

/** RFC 4616. */
async function plain(
  wire: Wire,
  { user, password }: PasswordCredentials,
  wait: Wait,
): Promise<Reply | undefined> {
  return begin(wire, { mechanism: 'PLAIN', response: encode(plainResponse(user, password)), wait });
}

function plainResponse(user: string, password: string): string {
  return `\0${user}\0${password}`;
}

async function login(
  wire: Wire,
  { user, password }: PasswordCredentials,
  wait: Wait,
): Promise<Reply | undefined> {
  const first = await wire.ask('AUTH LOGIN', wait);
  const second = await respond(wire, first, { response: encode(user), wait });
  return respond(wire, second, { response: encode(password), wait });
}

/** The token, by the mechanism that was asked for, else by the one with an RFC where both are offered. */
async function bearer(
  wire: Wire,
  offered: readonly string[],
  options: AuthOptions & { readonly credentials: TokenCredentials },
): Promise<Reply | undefined> {
  const { credentials, wait } = options;
  const wanted =
    credentials.mechanism === 'auto' ? ['OAUTHBEARER', 'XOAUTH2'] : [credentials.mechanism.toUpperCase()];
  const mechanism = wanted.find((name) => offered.includes(name));
  if (mechanism === undefined) throw unavailable(`the server does not offer AUTH ${wanted.join(' or ')}`);
  const isStandard = mechanism === 'OAUTHBEARER';
  const text = isStandard ? oauthBearer(options) : xoauth2(credentials);
  const answer = await begin(wire, { mechanism, response: encode(text), wait });
  // A refusal begins with a challenge that gives the reason; the reply follows the client's answer (RFC 7628 §3.2.3).
  return respond(wire, answer, { response: isStandard ? encode('\x01') : '', wait });
}

/** RFC 7628 §3.1, with the user as the one to act for. */
function oauthBearer({
  credentials: { user, token },
  host,
  port,
}: AuthOptions & { readonly credentials: TokenCredentials }): string {
  const name = user.replaceAll('=', '=3D').replaceAll(',', '=2C');
  return `n,a=${name},\x01host=${host}\x01port=${port}\x01auth=Bearer ${token}\x01\x01`;
}

/** The form of Google and Microsoft from before RFC 7628. */
function xoauth2({ user, token }: TokenCredentials): string {
  return `user=${user}\x01auth=Bearer ${token}\x01\x01`;
}

/** Begins with the initial response where the line is short enough (RFC 4954 §4), else after a challenge. */
async function begin(
  wire: Wire,
  options: { readonly mechanism: string; readonly response: string; readonly wait: Wait },
): Promise<Reply | undefined> {
  const { mechanism, response, wait } = options;
  const line = `AUTH ${mechanism} ${response}`;
  if (line.length <= maxLineOctets) return wire.ask(line, wait);
  return respond(wire, await wire.ask(`AUTH ${mechanism}`, wait), { response, wait });
}

/** Answers a challenge; a reply that is none is the end of the exchange. */
async function respond(
  wire: Wire,
  challenge: Reply | undefined,
  options: { readonly response: string; readonly wait: Wait },
): Promise<Reply | undefined> {
  if (challenge === undefined || replyClass(challenge) !== 3) return challenge;
  return wire.ask(options.response, options.wait);
}

function encode(text: string): string {
  return Buffer.from(text, 'utf8').toString('base64');
}
