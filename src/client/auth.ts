import { type Reply, replyClass } from '../mail/index.ts';
import { ClientError } from './client-error.ts';
import type { ClientOptions } from './options.ts';
import type { Wait, Wire } from './wire.ts';

type Credentials = NonNullable<ClientOptions['credentials']>;

/** The longest command line that every server takes, without its CRLF (RFC 5321 §4.5.3.1.4). */
const maxLineOctets = 510;

/**
 * Carries out AUTH PLAIN, or LOGIN where only that is offered, and gives the last reply. It is for the caller
 * to see that TLS is on. Throws `auth-unavailable` when no mechanism fits. What is sent never reaches a log.
 */
export async function authenticate(
  wire: Wire,
  mechanisms: readonly string[],
  options: { readonly credentials: Credentials; readonly wait: Wait },
): Promise<Reply | undefined> {
  const { credentials, wait } = options;
  const offered = mechanisms.map((name) => name.toUpperCase());
  if (offered.includes('PLAIN')) return plain(wire, credentials, wait);
  if (offered.includes('LOGIN')) return login(wire, credentials, wait);
  throw new ClientError('auth-unavailable', 'auth', 'the server offers neither AUTH PLAIN nor AUTH LOGIN');
}

/** RFC 4616, with the initial response where the line is short enough (RFC 4954 §4). */
async function plain(wire: Wire, { user, password }: Credentials, wait: Wait): Promise<Reply | undefined> {
  const response = encode(`\0${user}\0${password}`);
  const line = `AUTH PLAIN ${response}`;
  if (line.length <= maxLineOctets) return wire.ask(`${line}\r\n`, wait);
  return respond(wire, await wire.ask('AUTH PLAIN\r\n', wait), { response, wait });
}

async function login(wire: Wire, { user, password }: Credentials, wait: Wait): Promise<Reply | undefined> {
  const first = await wire.ask('AUTH LOGIN\r\n', wait);
  const second = await respond(wire, first, { response: encode(user), wait });
  return respond(wire, second, { response: encode(password), wait });
}

/** Answers a challenge; a reply that is none is the end of the exchange. */
async function respond(
  wire: Wire,
  challenge: Reply | undefined,
  options: { readonly response: string; readonly wait: Wait },
): Promise<Reply | undefined> {
  if (challenge === undefined || replyClass(challenge) !== 3) return challenge;
  return wire.ask(`${options.response}\r\n`, options.wait);
}

function encode(text: string): string {
  return Buffer.from(text, 'utf8').toString('base64');
}
