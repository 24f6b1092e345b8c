import { hash, verify } from '@node-rs/argon2';

/** More attempts than this at once wait for nothing: they are told to come back. */
const maxWaiting = 64;

/** OWASP's parameters of argon2id for 19 MiB. */
const parameters = { memoryCost: 19_456, timeCost: 2, parallelism: 1 };

/** What is done about a password that nobody has, so that an unknown user takes as long as a wrong password. */
const nobodys =
  '$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA';

/** Hashes one password at a time: the threads that hash are those that the spool writes with. */
export class HashGate {
  #last: Promise<unknown> = Promise.resolve();
  #waiting = 0;

  /** Whether the password has that hash; `undefined`, when there is none, takes as long. `busy`: not looked at. */
  async verify(hashed: string | undefined, password: string): Promise<boolean | 'busy'> {
    if (this.#waiting >= maxWaiting) return 'busy';
    this.#waiting++;
    const turn = this.#last.then(() => verify(hashed ?? nobodys, password));
    this.#last = turn.catch(() => {});
    try {
      const isRight = await turn;
      return isRight && hashed !== undefined;
    } finally {
      this.#waiting--;
    }
  }
}

export function hashPassword(password: string): Promise<string> {
  return hash(password, parameters);
}
