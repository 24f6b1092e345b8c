import { createHmac, randomBytes } from 'node:crypto';
import type { Clock } from '../base/index.ts';
import type { Identity, SaslStep } from '../receiver/index.ts';
import { HashGate } from './hash-gate.ts';
import type { Credentials } from './mechanism.ts';
import { notNow, wrong } from './replies.ts';
import { networkOf } from './throttle.ts';
import type { Users } from './users.ts';
import type { User } from './users-file.ts';
import { isDevicePassword, preparePassword } from './verifier.ts';

/** A device that sends a hundred messages a minute, each in a session of its own, is hashed for once. */
const rememberMs = 60_000;
const maxRemembered = 1000;

/** Checks passwords against the users of a file. An unknown user takes as long as a wrong password. */
export class PasswordCheck {
  readonly #users: Users;
  readonly #clock: Clock;
  readonly #gate = new HashGate();
  readonly #key = randomBytes(32);
  /** Codes of name, hash and password that were right a moment ago. */
  readonly #right = new Map<string, number>();

  constructor(users: Users, clock: Clock) {
    this.#users = users;
    this.#clock = clock;
  }

  async check({ mechanism, name, password: given, client }: Credentials): Promise<SaslStep> {
    const user = this.#users.find(name);
    if (user === 'unavailable') return notNow('the users cannot be read');
    const password = preparePassword(given);
    const device = user?.devices.find(({ hash }) => isDevicePassword(hash, password));
    if (user !== undefined && device !== undefined && !user.isDisabled)
      return { kind: 'success', identity: identityOf(user, mechanism, device.device) };
    const isRight = await this.#isRight(user, password, networkOf(client.address));
    if (isRight === 'busy') return notNow('too many passwords are being checked');
    if (user === undefined) return wrong('no such user');
    if (!isRight) return wrong('wrong password');
    return user.isDisabled
      ? wrong('the account is disabled')
      : { kind: 'success', identity: identityOf(user, mechanism) };
  }

  async #isRight(user: User | undefined, password: string, by: string): Promise<boolean | 'busy'> {
    const now = this.#clock.now();
    const code = createHmac('sha256', this.#key)
      .update(`${user?.name}\0${user?.hash}\0${password}`)
      .digest('base64');
    if ((this.#right.get(code) ?? 0) > now) return true;
    const isRight = await this.#gate.verify({ hashed: user?.hash, password, by });
    if (isRight !== true) return isRight;
    this.#right.delete(code);
    this.#right.set(code, now + rememberMs);
    if (this.#right.size > maxRemembered)
      for (const oldest of this.#right.keys()) if (this.#right.delete(oldest)) break;
    return true;
  }
}

export function identityOf({ name, senders }: User, mechanism: string, device?: string): Identity {
  return { name, mechanism, senders, ...(device !== undefined && { device }) };
}
