/** Ends of one message in several lanes, gathered so that its sender hears of them at once. */
import type { Clock } from '../base/index.ts';
import type { QueueId, RecipientStatus } from '../mail/index.ts';
import type { Claims } from './claims.ts';
import type { NotifyEvent } from './parts.ts';

/**
 * How long the first end of a message waits for others that its sender is to hear of with it. A message
 * whose destinations all fail within it makes one notification, however many they are.
 */
export const gatherMs = 5000;

/** A notification that gathers the outcomes of one message. */
interface Gathering {
  readonly event: NotifyEvent;
  readonly statuses: Map<number, RecipientStatus>;
  /** The number of entries whose end is in it: each is still claimed. */
  entries: number;
  readonly told: PromiseWithResolvers<void>;
  readonly cancel: () => void;
}

/**
 * Gathers what ends of one message in several lanes, so that its sender hears of it at once. Nothing of it is
 * on disk meanwhile: each entry is under way until its end was told, and a crash has it attempted again.
 */
export class Notices {
  readonly #clock: Clock;
  readonly #claims: Claims;
  readonly #tell: (event: NotifyEvent) => Promise<void>;
  readonly #gatherings = new Map<QueueId, Gathering>();
  #isHasty = false;

  /** `tell` resolves when the notification is durable. */
  constructor(parts: {
    readonly clock: Clock;
    readonly claims: Claims;
    readonly tell: (event: NotifyEvent) => Promise<void>;
  }) {
    this.#clock = parts.clock;
    this.#claims = parts.claims;
    this.#tell = parts.tell;
  }

  /** Reports one entry's end, alone or with others; resolves or rejects as the report does. */
  add(event: NotifyEvent): Promise<void> {
    const { id } = event;
    const known = this.#gatherings.get(id);
    if (known === undefined && (this.#isHasty || this.#claims.of(id).length <= 1)) return this.#tell(event);
    const gathering = known ?? this.#begin(event);
    for (const [index, status] of event.statuses) gathering.statuses.set(index, status);
    gathering.entries++;
    this.check(id);
    return gathering.told.promise;
  }

  /** Reports when nothing else of the message is on its way: to be called when one of its claims is gone. */
  check(id: QueueId): void {
    const gathering = this.#gatherings.get(id);
    if (gathering !== undefined && gathering.entries >= this.#claims.of(id).length) this.#end(id);
  }

  /** Gathers nothing any more. */
  hurry(): void {
    this.#isHasty = true;
    for (const id of [...this.#gatherings.keys()]) this.#end(id);
  }

  #begin(event: NotifyEvent): Gathering {
    const statuses = new Map<number, RecipientStatus>();
    const cancel = this.#clock.after(gatherMs, () => this.#end(event.id));
    const told = Promise.withResolvers<void>();
    const gathering = { event: { ...event, statuses }, statuses, entries: 0, told, cancel };
    this.#gatherings.set(event.id, gathering);
    return gathering;
  }

  #end(id: QueueId): void {
    const gathering = this.#gatherings.get(id);
    if (gathering === undefined) return;
    this.#gatherings.delete(id);
    gathering.cancel();
    this.#tell(gathering.event).then(gathering.told.resolve, gathering.told.reject);
  }
}
