/** The entries that this process has claimed, their number for each sender, and the messages being changed. */
import type { Envelope, QueueId } from '../mail/index.ts';
import type { LaneEntry } from '../spool/index.ts';
import { type Portion, recipientsOf } from './entry.ts';
import type { Lane, Task } from './lane.ts';

/** How much of the queue is in memory. The rest is on disk however long the queue is. */
export interface ClaimLimits {
  /** Entries of one lane. */
  readonly perLane: number;
  /** Entries of all lanes; new mail that is no mailing may exceed it fourfold before they wait on disk too. */
  readonly total: number;
}

/** A message to more recipients than this is a mailing. */
const mailingRecipients = 20;
/** A reverse-path with more claimed entries than this is sending a mailing, one message at a time. */
const mailingClaims = 100;

/**
 * The entries that this process has claimed, and their senders. An entry stays claimed until its result is durable, so
 * that it is not found on disk meanwhile and taken for untried.
 */
export class Claims {
  readonly #limits: ClaimLimits;
  readonly #onLetGo: (id: QueueId) => void;
  readonly #messages = new Map<QueueId, Task[]>();
  readonly #senders = new Map<string, number>();
  readonly #seized = new Set<QueueId>();
  /** The highest number that was given to a new entry of a message, until pending writes can be read. */
  readonly #numbers = new Map<QueueId, number>();
  #size = 0;

  /** `onLetGo` is called for each message that was seized and may be claimed again. */
  constructor(limits: ClaimLimits, onLetGo: (id: QueueId) => void) {
    this.#limits = limits;
    this.#onLetGo = onLetGo;
  }

  get size(): number {
    return this.#size;
  }

  get(id: QueueId, number: number): Task | undefined {
    return this.#messages.get(id)?.find((task) => task.entry.number === number);
  }

  /** The claimed entries of a message. */
  of(id: QueueId): readonly Task[] {
    return this.#messages.get(id) ?? [];
  }

  add(task: Task): void {
    const { id } = task.entry;
    const tasks = this.#messages.get(id);
    if (tasks === undefined) this.#messages.set(id, [task]);
    else tasks.push(task);
    this.#size++;
    const sender = senderOf(task.envelope);
    this.#senders.set(sender, (this.#senders.get(sender) ?? 0) + 1);
  }

  remove(task: Task): void {
    const { id } = task.entry;
    const tasks = this.#messages.get(id);
    const at = tasks?.indexOf(task) ?? -1;
    if (tasks === undefined || at < 0) return;
    if (tasks.length === 1) {
      this.#messages.delete(id);
      this.#forgetNumbers(id);
    } else tasks.splice(at, 1);
    this.#size--;
    const sender = senderOf(task.envelope);
    const left = (this.#senders.get(sender) ?? 1) - 1;
    if (left <= 0) this.#senders.delete(sender);
    else this.#senders.set(sender, left);
  }

  /**
   * Keeps the entries of a message from being claimed while the caller changes them. `undefined` while another caller
   * does. A running attempt goes on.
   */
  seize(id: QueueId): Disposable | undefined {
    if (this.#seized.has(id)) return undefined;
    this.#seized.add(id);
    return {
      [Symbol.dispose]: () => {
        this.#seized.delete(id);
        this.#forgetNumbers(id);
        this.#onLetGo(id);
      },
    };
  }

  /**
   * A number for a new entry of a message that is claimed or seized by the caller, unused by `entries`, which are the
   * readable ones, and by any other that is being written.
   */
  nextNumber(id: QueueId, entries: readonly LaneEntry[]): number {
    const known = [...entries, ...this.of(id).map(({ entry }) => entry)].map(({ number }) => number);
    const next = Math.max(this.#numbers.get(id) ?? -1, ...known) + 1;
    this.#numbers.set(id, next);
    return next;
  }

  #forgetNumbers(id: QueueId): void {
    if (this.#numbers.size > 0 && !this.#messages.has(id) && !this.#seized.has(id)) this.#numbers.delete(id);
  }

  /** Whether an entry that was found on disk is not to be claimed. */
  excludes(entry: LaneEntry): boolean {
    return this.#seized.has(entry.id) || this.get(entry.id, entry.number) !== undefined;
  }

  /** Whether an attempt at the entry is running, or its result is not on disk yet. */
  isUnderWay(id: QueueId, number: number): boolean {
    return this.get(id, number)?.state === 'under-way';
  }

  /** Forgets a claim that has not begun; false when its attempt is under way. The message must be seized. */
  drop(id: QueueId, number: number): boolean {
    const task = this.get(id, number);
    if (task === undefined) return true;
    if (task.state === 'under-way') return false;
    task.become('dropped');
    this.remove(task);
    return true;
  }

  /**
   * Holds the selected recipients of the entry, if they still wait when the running attempt has ended; without a
   * reason, cancels that. False when no attempt is running or none of its recipients is selected, or while another
   * caller changes the message.
   */
  holdAfterAttempt(id: QueueId, number: number, hold: { because?: string; portion: Portion }): boolean {
    const task = this.get(id, number);
    if (task?.state !== 'under-way' || this.#seized.has(id)) return false;
    const { because, portion } = hold;
    const meant = recipientsOf(task.entry, task.envelope).filter((index) => portion?.has(index) ?? true);
    const holds = new Map(task.holds);
    for (const index of meant) {
      if (because === undefined) holds.delete(index);
      else holds.set(index, because);
    }
    task.holds = holds;
    return meant.length > 0;
  }

  isMailing(envelope: Envelope): boolean {
    return (
      envelope.recipients.length > mailingRecipients ||
      (this.#senders.get(senderOf(envelope)) ?? 0) > mailingClaims
    );
  }

  /** Whether one more entry of a new message may be claimed for the lane. */
  admits(lane: Lane, isMailing: boolean): boolean {
    const total = isMailing ? this.#limits.total : 4 * this.#limits.total;
    return this.laneRoom(lane) > 0 && this.#size < total;
  }

  /** How many entries more the lane may have in memory. */
  laneRoom(lane: Lane): number {
    return Math.max(0, this.#limits.perLane - lane.claimed);
  }

  /** How many entries more may be fetched from disk. */
  get room(): number {
    return Math.max(0, this.#limits.total - this.#size);
  }

  /** Whether it is worth waking lanes that wait for room: a few at a time would be a commit for each. */
  get isRoomy(): boolean {
    return this.#size * 4 <= this.#limits.total * 3;
  }
}

function senderOf(envelope: Envelope): string {
  return envelope.reversePath?.text ?? '';
}
