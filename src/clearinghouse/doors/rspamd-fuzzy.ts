/** The door for rspamd's fuzzy_check: a fuzzy storage over UDP. */
import { randomBytes } from 'node:crypto';
import { readFile, rename, writeFile } from 'node:fs/promises';
import type { Verdict } from '../ask.ts';
import { complaintsOf } from './complaint.ts';
import type { Door, DoorOptions, Visitor } from './door.ts';
import { FuzzyCipher } from './fuzzy-cipher.ts';
import { FuzzyTable } from './fuzzy-table.ts';
import { type FuzzyCommand, type FuzzyReply, formatFuzzyReply, parseFuzzyCommand } from './fuzzy-wire.ts';
import { openUdpDoor } from './udp.ts';

export interface FuzzyDoorOptions extends DoorOptions {
  /** X25519, 32 octets; without one nothing is encrypted, with one everything has to be. */
  readonly secret?: Uint8Array;
  /** Where it is kept over a restart. */
  readonly file: string;
  /** The meaning of the numbers of rspamd's lists. Default: all of them are of spam. */
  readonly flags?: FuzzyFlags;
  /** Digests at most; a power of two. Some 480 octets each. */
  readonly capacity?: number;
}

/** The numbers of lists and their meaning. */
export interface FuzzyFlags {
  /** The list that is answered where the clearinghouse knows a digest and the storage does not. */
  readonly spam: number;
  /** The lists of good messages; every other one is of spam. */
  readonly ham: ReadonlySet<number>;
}

const allSpam: FuzzyFlags = { spam: 1, ham: new Set() };
const defaultCapacity = 65_536;
const expirySeconds = 90 * 86_400;
/** It is written as a whole, so not at each change. */
const saveMs = 10_000;
/** Values that rspamd takes for a refusal, and for overload. */
const [forbidden, overloaded] = [403, 503] as const;
const miss: FuzzyReply = { value: 0, flag: 0, probability: 0 };

/**
 * Opens a fuzzy storage for rspamd's fuzzy_check. Similarity of texts is computed by the clients. Digests are passed
 * to the clearinghouse as keys as well, so that a report of one counts like any other. Only known clients may write.
 * Rejects with the system's error.
 */
export async function openRspamdFuzzy(options: FuzzyDoorOptions): Promise<Door<FuzzyDoorOptions>> {
  await using opening = new AsyncDisposableStack();
  const storage = opening.use(new FuzzyStorage(options));
  await storage.open();
  let cipher = options.secret && new FuzzyCipher(options.secret);
  const door = await openUdpDoor(options, async (datagram, visitor) => {
    const opened = cipher?.open(datagram);
    if (cipher !== undefined && opened === undefined) return undefined;
    const command = parseFuzzyCommand(opened?.octets ?? datagram);
    if (command === undefined) return undefined;
    const reply = formatFuzzyReply(command, await storage.answer(command, visitor));
    return opened === undefined ? reply : opened.seal(reply);
  });
  const ends = opening.move();
  return {
    name: door.name,
    counts: door.counts,
    address: door.address,
    port: door.port,
    change(next) {
      cipher = next.secret && new FuzzyCipher(next.secret);
      storage.options = next;
      door.change(next);
    },
    async [Symbol.asyncDispose]() {
      await door[Symbol.asyncDispose]();
      await ends.disposeAsync();
    },
  };
}

class FuzzyStorage implements AsyncDisposable {
  /** The file and the capacity stay those of the start. */
  options: FuzzyDoorOptions;
  readonly #table: FuzzyTable;
  readonly #complain: (client: string, because: unknown) => void;
  #isChanged = false;
  #stop: () => void = () => {};
  #saving: Promise<void> = Promise.resolve();

  constructor(options: FuzzyDoorOptions) {
    this.options = options;
    this.#complain = complaintsOf(options);
    this.#table = new FuzzyTable(options.capacity ?? defaultCapacity, expirySeconds);
  }

  /** Reads the file. A damaged one is logged and ignored. */
  async open(): Promise<void> {
    const { file, log, name } = this.options;
    try {
      const because = this.#table.restore(await readFile(file));
      if (because !== undefined) log.error('fuzzy-storage-unusable', { door: name, because });
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
    }
    this.#again();
  }

  async answer(command: FuzzyCommand, visitor: Visitor): Promise<FuzzyReply> {
    const now = Math.floor(this.options.clock.now() / 1000);
    switch (command.verb) {
      case 'check':
        return await this.#check(command, visitor, now);
      case 'write':
      case 'delete':
        if (!visitor.isKnown) return { ...miss, value: forbidden };
        this.#isChanged = true;
        if (command.verb === 'write') this.#table.write(command, now);
        else this.#table.delete(command, now);
        return await this.#tell(command, visitor);
      case 'stat':
        return { value: 0, flag: this.#table.size, probability: 1 };
      case 'ping':
        return { value: command.value, flag: 0, probability: 1 };
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop();
    await this.#saving;
    await this.#save();
  }

  /** The answer of the storage, otherwise that of the clearinghouse for the digest. */
  async #check(command: FuzzyCommand, visitor: Visitor, now: number): Promise<FuzzyReply> {
    const found = this.#table.find(command, now);
    if (found !== undefined) return found;
    const verdict = await this.#ask('check', command, visitor);
    if (verdict === undefined || verdict.isAllowed || !(verdict.isReported || verdict.isBulk)) return miss;
    return {
      value: Math.max(1, Math.round(verdict.reported)),
      flag: (this.options.flags ?? allSpam).spam,
      probability: 1,
      digest: command.digest,
    };
  }

  async #tell(command: FuzzyCommand, visitor: Visitor): Promise<FuzzyReply> {
    const done = { ...miss, flag: command.flag, probability: 1 };
    const verb = this.#verbOf(command);
    if (verb === undefined) return done;
    const verdict = await this.#ask(verb, command, visitor);
    return verdict === undefined ? { ...miss, value: overloaded } : done;
  }

  /** Adding to a list of good messages revokes; removing from one is not a report. */
  #verbOf({ verb, value, flag }: FuzzyCommand): 'report' | 'revoke' | undefined {
    const isAdded = verb === 'write' && value > 0;
    const { ham } = this.options.flags ?? allSpam;
    if (ham.has(flag)) return isAdded ? 'revoke' : undefined;
    return isAdded ? 'report' : 'revoke';
  }

  /** Undefined where the clearinghouse has no time. */
  async #ask(
    verb: 'check' | 'report' | 'revoke',
    { digest }: FuzzyCommand,
    { address, isKnown }: Visitor,
  ): Promise<Verdict | undefined> {
    const { clearinghouse, name } = this.options;
    const subject = { kind: 'keys', keys: [{ scheme: 'fuzzy', value: digest.toString('hex') }] } as const;
    try {
      return await clearinghouse[verb](subject, { reporter: `${name}:${address}`, isKnown, recipients: [] });
    } catch (error) {
      this.#complain(address, error);
      return undefined;
    }
  }

  #again(): void {
    this.#stop = this.options.clock.after(saveMs, () => {
      this.#saving = this.#save().finally(() => this.#again());
    });
  }

  /** Replaces the file as a whole, or leaves it as it is. */
  async #save(): Promise<void> {
    if (!this.#isChanged) return;
    this.#isChanged = false;
    const { file, log, name } = this.options;
    try {
      const temporary = `${file}.${randomBytes(4).toString('hex')}.new`;
      await writeFile(temporary, this.#table.save(), { mode: 0o600, flush: true });
      await rename(temporary, file);
    } catch (error) {
      this.#isChanged = true;
      log.error('fuzzy-storage-unwritable', { door: name, because: String(error) });
    }
  }
}
