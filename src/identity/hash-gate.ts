import { hash, verify } from '@node-rs/argon2';
import { Fifo } from '../base/index.ts';

/** Passwords that wait to be checked; whoever has most of them waiting is told to come back. */
const maxWaiting = 64;

/** OWASP's parameters of argon2id for 19 MiB. */
const parameters = { memoryCost: 19_456, timeCost: 2, parallelism: 1 };

/** What is done about a password that nobody has, so that an unknown user takes as long as a wrong password. */
const nobodys =
  '$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA';

/** A password to check, and for whom it is done. */
export interface HashRequest {
  /** `undefined`, when there is none, takes as long. */
  readonly hashed: string | undefined;
  readonly password: string;
  /** Whoever asks: those who ask take turns. */
  readonly by: string;
}

interface Waiting extends HashRequest {
  readonly tell: (outcome: boolean | 'busy') => void;
}

/**
 * Hashes one password at a time: the threads that hash are those that the spool writes with. Clients take turns,
 * so that a flood from one of them delays its own logins and nobody else's.
 */
export class HashGate {
  readonly #clients = new Map<string, Fifo<Waiting>>();
  #waiting = 0;
  #isWorking = false;

  /** Whether the password has that hash. `busy`: not looked at. */
  verify(request: HashRequest): Promise<boolean | 'busy'> {
    return new Promise((tell) => {
      if (this.#waiting >= maxWaiting && !this.#makesRoomFor(request.by)) {
        tell('busy');
        return;
      }
      const own = this.#clients.get(request.by) ?? new Fifo();
      own.push({ ...request, tell });
      this.#clients.set(request.by, own);
      this.#waiting++;
      if (!this.#isWorking) void this.#work();
    });
  }

  /** Sends the client away that has most waiting, unless that is the one who asks. */
  #makesRoomFor(by: string): boolean {
    const [most, queue] = [...this.#clients].reduce((a, b) => (b[1].length > a[1].length ? b : a));
    if (most === by || queue.length <= (this.#clients.get(by)?.length ?? 0) + 1) return false;
    this.#waiting--;
    queue.shift()?.tell('busy');
    return true;
  }

  /** Never rejects. */
  async #work(): Promise<void> {
    this.#isWorking = true;
    for (let next = this.#next(); next !== undefined; next = this.#next()) {
      const { hashed, password, tell } = next;
      const isRight = await verify(hashed ?? nobodys, password).catch(() => false);
      tell(isRight && hashed !== undefined);
    }
    this.#isWorking = false;
  }

  /** The first of the client whose turn it is; that client is the last then. */
  #next(): Waiting | undefined {
    for (const [by, queue] of this.#clients) {
      this.#clients.delete(by);
      const next = queue.shift();
      if (queue.length > 0) this.#clients.set(by, queue);
      if (next === undefined) continue;
      this.#waiting--;
      return next;
    }
    return undefined;
  }
}

export function hashPassword(password: string): Promise<string> {
  return hash(password, parameters);
}
