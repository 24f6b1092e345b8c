import type { Envelope, QueueId } from '../mail/index.ts';
import type { LaneEntry } from '../spool/index.ts';
import type { Lane, Task } from './lane.ts';

/** How much of the queue is in memory. The rest is on disk however long the queue is. */
export interface ClaimLimits {
  /** Entries of one lane. */
  readonly perLane: number;
  /** Entries of all lanes; letters of people may exceed it fourfold before they wait on disk too. */
  readonly total: number;
}

/** A message to more recipients than this is a mailing. */
const mailingRecipients = 20;
/** A reverse-path with more claimed entries than this is sending a mailing, one message at a time. */
const mailingClaims = 100;

/** The entries that this process has claimed, and by whom they were sent. */
export class Claims {
  readonly #limits: ClaimLimits;
  readonly #tasks = new Map<string, Task>();
  readonly #senders = new Map<string, number>();

  constructor(limits: ClaimLimits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#tasks.size;
  }

  get(id: QueueId, number: number): Task | undefined {
    return this.#tasks.get(keyOf(id, number));
  }

  add(task: Task): void {
    this.#tasks.set(keyOf(task.entry.id, task.entry.number), task);
    const sender = senderOf(task.envelope);
    this.#senders.set(sender, (this.#senders.get(sender) ?? 0) + 1);
  }

  remove(task: Task): void {
    if (!this.#tasks.delete(keyOf(task.entry.id, task.entry.number))) return;
    const sender = senderOf(task.envelope);
    const left = (this.#senders.get(sender) ?? 1) - 1;
    if (left <= 0) this.#senders.delete(sender);
    else this.#senders.set(sender, left);
  }

  isMailing(envelope: Envelope): boolean {
    return (
      envelope.recipients.length > mailingRecipients ||
      (this.#senders.get(senderOf(envelope)) ?? 0) > mailingClaims
    );
  }

  /** Whether one more entry for the lane may be claimed. */
  admits(lane: Lane, isMailing: boolean): boolean {
    const inLane = lane.waiting + lane.active + lane.reserved;
    const total = isMailing ? this.#limits.total : 4 * this.#limits.total;
    return inLane < this.#limits.perLane && this.#tasks.size < total;
  }

  /** How many entries to fetch for the lane from disk. */
  room(lane: Lane): number {
    const inLane = lane.waiting + lane.active + lane.reserved;
    return Math.max(0, Math.min(this.#limits.perLane - inLane, 4 * this.#limits.total - this.#tasks.size));
  }

  has(entry: LaneEntry): boolean {
    return this.#tasks.has(keyOf(entry.id, entry.number));
  }
}

function keyOf(id: QueueId, number: number): string {
  return number === 0 ? id : `${id}/${number}`;
}

function senderOf(envelope: Envelope): string {
  return envelope.reversePath?.text ?? '';
}
