/** All holds, in memory and on disk. */
import type { HeldCounts, HoldRecord, HoldStatus } from './hold.ts';
import { forever, heldBecause, holdTag, newHoldId, readHold } from './hold.ts';
import type { GuardParts, HeldBounds } from './options.ts';
import type { SubjectKey } from './subject.ts';

/** A hold in memory. */
export class Hold {
  record: HoldRecord;
  messages = 0;
  octets = 0;
  lastAt: number;
  /** Whether the record is on disk: `undefined` when it has to be written. */
  saved: Promise<void> | undefined;
  #accepting = 0;
  #settled: (() => void)[] = [];

  constructor(record: HoldRecord, lastAt: number) {
    this.record = record;
    this.lastAt = lastAt;
  }

  get because(): string {
    return heldBecause(this.record);
  }

  count({ messages, octets }: HeldCounts): void {
    this.messages += messages;
    this.octets += octets;
  }

  /** A message that is to be kept is on its way into the queue. */
  begin(): void {
    this.#accepting++;
  }

  /** It has arrived there, or has not and will not. */
  end(): void {
    if (--this.#accepting === 0) for (const tell of this.#settled.splice(0)) tell();
  }

  /** Resolves when nothing is on its way: a walk then finds everything. */
  async settled(): Promise<void> {
    if (this.#accepting > 0) await new Promise<void>((resolve) => this.#settled.push(resolve));
  }
}

/** All holds, in memory and on disk. */
export class Holds {
  readonly #parts: GuardParts;
  readonly #byId = new Map<string, Hold>();
  /** Holds in the state `holding`; at most one for each subject. */
  readonly #holding = new Map<SubjectKey, Hold>();

  constructor(parts: GuardParts) {
    this.#parts = parts;
    const now = parts.clock.now();
    for (const [key, value] of parts.memory.entries()) {
      const record = key.startsWith('hold:') ? readHold(value) : undefined;
      if (record === undefined) continue;
      const hold = new Hold(record, now);
      hold.saved = Promise.resolve();
      this.#byId.set(record.id, hold);
      if (record.state === 'holding') this.#holding.set(record.subject, hold);
    }
  }

  get isEmpty(): boolean {
    return this.#byId.size === 0;
  }

  all(): readonly Hold[] {
    return [...this.#byId.values()];
  }

  get(id: string): Hold | undefined {
    return this.#byId.get(id);
  }

  /** The hold that the subject is under. */
  of(subject: SubjectKey): Hold | undefined {
    return this.#holding.size === 0 ? undefined : this.#holding.get(subject);
  }

  begin(of: Pick<HoldRecord, 'subject' | 'because' | 'from'>): Hold {
    const since = this.#parts.clock.now();
    const hold = new Hold({ ...of, id: newHoldId(), since, state: 'holding' }, since);
    this.#byId.set(hold.record.id, hold);
    this.#holding.set(of.subject, hold);
    return hold;
  }

  /**
   * Resolves when the record is on disk: no message is kept under a hold that a crash could forget. Tried again
   * at the next call when it could not be written.
   */
  durable(hold: Hold): Promise<void> {
    if (hold.saved !== undefined) return hold.saved;
    const saved = this.#save(hold);
    hold.saved = saved;
    saved.catch(() => {
      hold.saved = undefined;
    });
    return saved;
  }

  async change(hold: Hold, change: Partial<Pick<HoldRecord, 'state' | 'removeUntil'>>): Promise<void> {
    const { removeUntil: _, ...rest } = hold.record;
    hold.record = { ...rest, ...change };
    if (hold.record.state !== 'holding' && this.#holding.get(rest.subject) === hold)
      this.#holding.delete(rest.subject);
    await this.#save(hold);
  }

  async remove(hold: Hold): Promise<void> {
    const { id, subject } = hold.record;
    await this.#parts.memory.remove(`hold:${id}`);
    this.#byId.delete(id);
    if (this.#holding.get(subject) === hold) this.#holding.delete(subject);
  }

  /** Counts held mail again after a restart. */
  async recount(hold: Hold): Promise<void> {
    const { id, from } = hold.record;
    const { messages, octets } = await this.#parts.mail.count(holdTag(id), from);
    hold.messages = messages;
    hold.octets = octets;
  }

  isFull(hold: Hold, bounds: HeldBounds): boolean {
    if (hold.messages >= bounds.messages || hold.octets >= bounds.octets) return true;
    let total = 0;
    for (const { octets } of this.#byId.values()) total += octets;
    return total >= bounds.totalOctets;
  }

  status(hold: Hold, bounds: HeldBounds): HoldStatus {
    const { record, messages, octets, lastAt } = hold;
    return { ...record, messages, octets, lastAt, isFull: this.isFull(hold, bounds) };
  }

  async #save({ record }: Hold): Promise<void> {
    await this.#parts.memory.put(`hold:${record.id}`, record, forever);
  }
}
