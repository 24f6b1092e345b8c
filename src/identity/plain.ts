/** The mechanisms PLAIN and LOGIN. */
import type { SaslStep } from '../receiver/index.ts';
import { type Credentials, decodeText, type ExchangeParts, lossyText, type Mechanism } from './mechanism.ts';
import { isSameName } from './name.ts';
import { garbled, notNow, wrong } from './replies.ts';

/** Checks a name and a password. Never rejects. */
export type CheckPassword = (credentials: Credentials) => Promise<SaslStep>;

const nothing = Buffer.alloc(0);
/** Longer than any real name or password. */
const maxOctets = 1024;

/** PLAIN (RFC 4616): authorization identity, name and password, with NUL between them. */
export function plain(check: CheckPassword): Mechanism {
  return async function* exchange(parts, first) {
    const fields = split(first ?? (yield nothing));
    const [authorization, name, password] = fields;
    if (!name?.length || !password?.length || authorization === undefined || fields.length > 3)
      return garbled('not a PLAIN message');
    // No user may act for another.
    const acting = decodeText(authorization);
    if (acting === undefined || (acting !== '' && !isSameName(acting, lossyText(name))))
      return wrong('another authorization identity');
    return await judge(parts, { name, password, mechanism: 'PLAIN', check });
  };
}

/** LOGIN: never standardised, still spoken. Some clients give the name at once. */
export function login(check: CheckPassword): Mechanism {
  return async function* exchange(parts, first) {
    const name = first ?? (yield Buffer.from('Username:'));
    const password = yield Buffer.from('Password:');
    if (name.length === 0 || password.length === 0 || name.includes(0) || password.includes(0))
      return garbled('not a LOGIN message');
    return await judge(parts, { name, password, mechanism: 'LOGIN', check });
  };
}

/**
 * Has a name and a password judged in their turn. Octets in another encoding than UTF-8 are a wrong name or a wrong
 * password, and cost as much.
 */
export async function judge(
  { client, throttle, signal }: ExchangeParts,
  given: {
    readonly name: Buffer;
    readonly password: Buffer;
    readonly mechanism: string;
    readonly check: CheckPassword;
  },
): Promise<SaslStep> {
  const { mechanism, check } = given;
  if (given.name.length > maxOctets || given.password.length > maxOctets)
    return wrong('longer than any password');
  const name = lossyText(given.name);
  const password = decodeText(given.password);
  const secret = given.password.toString('latin1');
  const attempt = await throttle.enter({ address: client.address, name, secret, signal });
  if (attempt === 'busy') return notNow('too many attempts wait');
  using judged = attempt;
  const step = await check({ mechanism, name, password, client });
  if (step.kind === 'success') judged.succeeded();
  if (step.kind !== 'failure') return step;
  if (step.reply.code === 535) judged.failed();
  return { ...step, because: `${step.because}: "${name}"` };
}

function split(message: Buffer): readonly Buffer[] {
  const fields: Buffer[] = [];
  let from = 0;
  for (let at = message.indexOf(0); at >= 0; at = message.indexOf(0, from)) {
    fields.push(message.subarray(from, at));
    from = at + 1;
  }
  return [...fields, message.subarray(from)];
}
