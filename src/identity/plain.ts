import type { SaslStep } from '../receiver/index.ts';
import { type Credentials, decodeText, type ExchangeParts, type Mechanism } from './mechanism.ts';
import { garbled, notNow, wrong } from './replies.ts';

/** Says who has that name and password. Never rejects. */
export type CheckPassword = (credentials: Credentials) => Promise<SaslStep>;

const nothing = Buffer.alloc(0);
/** Longer than any name or password that somebody has. */
const maxOctets = 1024;

/** PLAIN (RFC 4616): authorization identity, name and password, with NUL between them. */
export function plain(check: CheckPassword): Mechanism {
  return async function* exchange(parts, first) {
    const message = decodeText(first ?? (yield nothing));
    const [authorization, name, password, ...more] = message?.split('\0') ?? [];
    if (!name || !password || authorization === undefined || more.length > 0)
      return garbled('not a PLAIN message');
    // Nobody may act for somebody else.
    if (authorization !== '' && authorization !== name) return wrong('another authorization identity');
    return await judge(parts, { name, password, mechanism: 'PLAIN', check });
  };
}

/** LOGIN: never standardised, still spoken. Some clients give the name at once. */
export function login(check: CheckPassword): Mechanism {
  return async function* exchange(parts, first) {
    const name = decodeText(first ?? (yield Buffer.from('Username:')));
    const password = decodeText(yield Buffer.from('Password:'));
    if (!name || !password || name.includes('\0') || password.includes('\0'))
      return garbled('not a LOGIN message');
    return await judge(parts, { name, password, mechanism: 'LOGIN', check });
  };
}

/** Has a name and a password judged in their turn. */
export async function judge(
  { client, throttle }: ExchangeParts,
  given: {
    readonly name: string;
    readonly password: string;
    readonly mechanism: string;
    readonly check: CheckPassword;
  },
): Promise<SaslStep> {
  const { name, password, mechanism, check } = given;
  const attempter = { address: client.address, name };
  if (name.length > maxOctets || password.length > maxOctets) return wrong('longer than any password');
  if ((await throttle.enter(attempter)) === 'busy') return notNow('too many attempts wait');
  const step = await check({ mechanism, name, password, client });
  if (step.kind === 'success') throttle.succeeded(attempter);
  if (step.kind !== 'failure') return step;
  if (step.reply.code === 535) throttle.failed(attempter);
  return { ...step, because: `${step.because}: "${name}"` };
}
