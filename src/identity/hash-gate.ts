/** Hashes passwords one at a time, with a fair order among clients. */
import { hash, verify } from '@node-rs/argon2';

/** The number of passwords that wait to be checked; beyond it the one whose turn is last is told to come back. */
const maxWaiting = 64;

/** OWASP's parameters of argon2id for 19 MiB. */
const parameters = { memoryCost: 19_456, timeCost: 2, parallelism: 1 };

/** A hash that no password fits, so that an unknown user takes as long as a wrong password. */
const nobodys =
  '$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA';

/** A password to check, and its user and client. */
export interface HashRequest {
  /** `undefined`, when there is none, takes as long. */
  readonly hashed: string | undefined;
  readonly password: string;
  /** The block of addresses from where, and the name that was given: both take turns. */
  readonly from: string;
  readonly name: string;
}

/** How many turns each password of the same name at the same address puts one back. */
const turnsBehindSame = 8;
/** And each that shares the name or the address alone: a flood of them costs a stranger little. */
const turnsBehindShared = 1 / 8;

interface Waiting extends HashRequest {
  /** The lowest is next. */
  readonly turn: number;
  readonly tell: (outcome: boolean | 'busy') => void;
}

/**
 * Hashes one password at a time, since the threads that hash are those that the spool writes with. A name and address
 * without a waiting password is next, before those of the same name at the same address, and before those that share a
 * name or an address with many: a flood delays itself.
 */
export class HashGate {
  #waiting: Waiting[] = [];
  #served = 0;
  #isWorking = false;

  /** Whether the password has that hash. `busy`: not looked at. */
  verify(request: HashRequest): Promise<boolean | 'busy'> {
    return new Promise((tell) => {
      const turn = this.#turnOf(request);
      if (this.#waiting.length >= maxWaiting && !this.#makesRoom(turn)) {
        tell('busy');
        return;
      }
      this.#waiting.push({ ...request, turn, tell });
      if (!this.#isWorking) void this.#work();
    });
  }

  /** Counted from the served ones, so that no request is overtaken for ever. */
  #turnOf({ from, name }: HashRequest): number {
    let behind = 0;
    for (const other of this.#waiting) {
      const [isNear, isSame] = [other.from === from, other.name === name];
      behind += isNear && isSame ? turnsBehindSame : isNear || isSame ? turnsBehindShared : 0;
    }
    return this.#served + behind;
  }

  /** Dismisses the request whose turn is last, unless that is the new one. */
  #makesRoom(turn: number): boolean {
    const last = this.#waiting.reduce((a, b) => (b.turn >= a.turn ? b : a));
    if (last.turn <= turn) return false;
    this.#waiting = this.#waiting.filter((other) => other !== last);
    last.tell('busy');
    return true;
  }

  /** Never rejects. */
  async #work(): Promise<void> {
    this.#isWorking = true;
    while (this.#waiting.length > 0) {
      const next = this.#waiting.reduce((a, b) => (b.turn < a.turn ? b : a));
      this.#waiting = this.#waiting.filter((other) => other !== next);
      this.#served++;
      const { hashed, password, tell } = next;
      const isRight = await verify(hashed ?? nobodys, password).catch(() => false);
      tell(isRight && hashed !== undefined);
    }
    this.#isWorking = false;
  }
}

export function hashPassword(password: string): Promise<string> {
  return hash(password, parameters);
}
