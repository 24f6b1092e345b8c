/** Checks passwords against the file of users. */
import { createHmac, randomBytes } from 'node:crypto';
import { blockOf, type Clock } from '../base/index.ts';
import type { Identity, SaslStep } from '../receiver/index.ts';
import { HashGate, type HashRequest } from './hash-gate.ts';
import type { Credentials } from './mechanism.ts';
import { nameKey } from './name.ts';
import { notNow, wrong } from './replies.ts';
import type { Users } from './users.ts';
import type { DevicePassword, User } from './users-file.ts';
import { isDevicePassword, preparePassword } from './verifier.ts';

/** A device that sends a hundred messages a minute, each in a session of its own, is hashed for once. */
const rememberMs = 60_000;
const maxRemembered = 2000;

/** Checks passwords against the users of a file. An unknown user takes as long as a wrong password. */
export class PasswordCheck {
  readonly #users: Users;
  readonly #clock: Clock;
  readonly #gate = new HashGate();
  readonly #key = randomBytes(32);
  /** Codes of name, hash and password that were judged a moment ago. */
  readonly #judged = new Map<string, { readonly isRight: boolean; readonly until: number }>();

  constructor(users: Users, clock: Clock) {
    this.#users = users;
    this.#clock = clock;
  }

  async check({ mechanism, name, password: given, client }: Credentials): Promise<SaslStep> {
    const user = this.#users.find(name);
    if (user === 'unavailable') return notNow('the users cannot be read');
    // A password that is not UTF-8 fits no user, after the same work.
    const hashed = given === undefined ? undefined : user?.hash;
    const password = preparePassword(given ?? '');
    const device = given && user?.devices.find(({ hash }) => isDevicePassword(hash, password));
    if (user !== undefined && device && !user.isDisabled)
      return { kind: 'success', identity: identityOf(user, mechanism, device) };
    const from = blockOf(client.address);
    const isRight = await this.#isRight({ hashed, password, from, name: nameKey(name) });
    if (isRight === 'busy') return notNow('too many passwords are being checked');
    if (user === undefined) return wrong('no such user');
    if (!isRight) return wrong('wrong password');
    return user.isDisabled
      ? wrong('the account is disabled')
      : { kind: 'success', identity: identityOf(user, mechanism, user.credentials.password) };
  }

  async #isRight(request: HashRequest): Promise<boolean | 'busy'> {
    const now = this.#clock.now();
    const { name, hashed, password } = request;
    const code = createHmac('sha256', this.#key).update(`${name}\0${hashed}\0${password}`).digest('base64');
    const known = this.#judged.get(code);
    if (known !== undefined && known.until > now) return known.isRight;
    const isRight = await this.#gate.verify(request);
    if (isRight === 'busy') return isRight;
    this.#judged.delete(code);
    this.#judged.set(code, { isRight, until: now + rememberMs });
    if (this.#judged.size > maxRemembered)
      for (const oldest of this.#judged.keys()) if (this.#judged.delete(oldest)) break;
    return isRight;
  }
}

/** The identity of the user after this login: by a credential of its own, or by an application password. */
export function identityOf(
  { name, senders }: User,
  mechanism: string,
  shown: string | DevicePassword | undefined,
): Identity {
  if (typeof shown === 'object') {
    const { device, credential } = shown;
    return { name, mechanism, senders, device, credential };
  }
  return { name, mechanism, senders, ...(shown !== undefined && { credential: shown }) };
}
