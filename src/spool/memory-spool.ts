/** A spool in memory, for tests. */
import { type Clock, systemClock } from '../base/index.ts';
import {
  type Envelope,
  type LaneName,
  type QueueId,
  QueueIdSource,
  type RecipientStatus,
} from '../mail/index.ts';
import { changedMessage, checkChange } from './change.ts';
import { checkEntries, compareEntries } from './entry.ts';
import { wholeOctets } from './pieces.ts';
import {
  type Change,
  type Draft,
  type LaneEntry,
  type NewLaneEntry,
  type Spool,
  SpoolError,
} from './spool.ts';

export interface MemorySpoolOptions {
  readonly clock?: Clock;
  readonly shard?: number;
  /** Free octets of the imagined disk; a test turns it down. Unlimited when absent. */
  readonly freeBytes?: () => number;
  /** Below this the spool is `low`; below half of it drafts are refused. 0 when absent. */
  readonly floorBytes?: number;
}

/** One message. Values are kept as JSON, so that no caller shares an object with the spool. */
interface Stored {
  envelope: string;
  readonly octets: Buffer;
  readonly statuses: Map<number, string>;
  readonly entries: Map<number, LaneEntry>;
}

/** A spool that forgets everything when it is closed: for tests and for trying things out. */
export function openMemorySpool(options: MemorySpoolOptions = {}): Promise<Spool> {
  return Promise.resolve(new MemorySpool(options));
}

class MemorySpool implements Spool {
  readonly #messages = new Map<QueueId, Stored>();
  /** The entries of each lane that are not held, in their order. */
  readonly #lanes = new Map<LaneName, LaneEntry[]>();
  readonly #ids: QueueIdSource;
  readonly #freeBytes: () => number;
  readonly #floorBytes: number;
  #state: 'open' | 'closed' = 'open';

  constructor(options: MemorySpoolOptions) {
    const clock = options.clock ?? systemClock;
    this.#ids = new QueueIdSource({ shard: options.shard ?? 0, now: () => clock.now() });
    this.#freeBytes = options.freeBytes ?? (() => Number.POSITIVE_INFINITY);
    this.#floorBytes = options.floorBytes ?? 0;
  }

  begin(): Draft {
    this.#checkOpen();
    return new MemoryDraft(this.#ids.next(), this.#accept);
  }

  readonly #accept: Accept = async (draft, envelope, entries, changes) => {
    this.#checkOpen();
    checkEntries(envelope, entries);
    for (const change of changes) checkChange(change);
    if (this.#freeBytes() < this.#floorBytes / 2) throw new SpoolError('full', 'no room for a new message');
    const octets = draft.take();
    await Promise.resolve();
    const stored: Stored = {
      envelope: JSON.stringify(envelope),
      octets,
      statuses: new Map(),
      entries: new Map(),
    };
    this.#messages.set(draft.id, stored);
    entries.forEach((entry, number) => {
      this.#putEntry(stored, { ...entry, id: draft.id, number });
    });
    for (const change of changes) this.#apply(change);
  };

  envelope(id: QueueId): Envelope | undefined {
    this.#checkOpen();
    const stored = this.#messages.get(id);
    return stored === undefined ? undefined : (JSON.parse(stored.envelope) as Envelope);
  }

  octets(id: QueueId) {
    this.#checkOpen();
    const stored = this.#messages.get(id);
    return stored === undefined ? undefined : wholeOctets(Buffer.from(stored.octets));
  }

  statuses(id: QueueId): ReadonlyMap<number, RecipientStatus> {
    this.#checkOpen();
    const stored = this.#messages.get(id)?.statuses ?? new Map<number, string>();
    return new Map([...stored].map(([index, json]) => [index, JSON.parse(json) as RecipientStatus]));
  }

  entries(id: QueueId): readonly LaneEntry[] {
    this.#checkOpen();
    const stored = this.#messages.get(id);
    return stored === undefined ? [] : [...stored.entries.values()].sort((a, b) => a.number - b.number);
  }

  async update(changes: readonly Change[]): Promise<void> {
    this.#checkOpen();
    for (const change of changes) checkChange(change);
    await Promise.resolve();
    for (const change of changes) this.#apply(change);
  }

  #apply(change: Change): void {
    const stored = this.#messages.get(changedMessage(change));
    if (stored === undefined) return;
    switch (change.kind) {
      case 'status':
        stored.statuses.set(change.recipient, JSON.stringify(change.status));
        return;
      case 'reschedule':
        if (stored.entries.has(change.from.number)) this.#putEntry(stored, change.to);
        return;
      case 'add':
        this.#putEntry(stored, change.entry);
        return;
      case 'finish':
        this.#dropEntry(stored, change.entry.number);
        return;
      case 'remove':
        for (const number of [...stored.entries.keys()]) this.#dropEntry(stored, number);
        this.#messages.delete(change.id);
        return;
      case 'envelope':
        stored.envelope = JSON.stringify(change.envelope);
        return;
    }
  }

  #putEntry(stored: Stored, entry: LaneEntry): void {
    this.#dropEntry(stored, entry.number);
    const kept: LaneEntry = JSON.parse(JSON.stringify(entry));
    stored.entries.set(kept.number, kept);
    if (kept.held !== undefined) return;
    const lane = this.#lanes.get(kept.lane) ?? [];
    this.#lanes.set(kept.lane, lane);
    lane.splice(firstAfter(lane, kept), 0, kept);
  }

  #dropEntry(stored: Stored, number: number): void {
    const entry = stored.entries.get(number);
    if (entry === undefined) return;
    stored.entries.delete(number);
    const lane = this.#lanes.get(entry.lane);
    const at = lane?.indexOf(entry) ?? -1;
    if (lane === undefined || at < 0) return;
    lane.splice(at, 1);
    if (lane.length === 0) this.#lanes.delete(entry.lane);
  }

  due(
    lane: LaneName,
    options: { readonly until: number; readonly after?: LaneEntry; readonly limit: number },
  ): readonly LaneEntry[] {
    this.#checkOpen();
    const entries = this.#lanes.get(lane) ?? [];
    const start = options.after === undefined ? 0 : firstAfter(entries, options.after);
    const found = entries.slice(start, start + options.limit);
    return found.filter((entry) => entry.dueAt <= options.until);
  }

  laneDue(lane: LaneName): number | undefined {
    this.#checkOpen();
    return this.#lanes.get(lane)?.[0]?.dueAt;
  }

  *lanes() {
    this.#checkOpen();
    for (const [lane, entries] of [...this.#lanes]) {
      const first = entries[0];
      if (first !== undefined) yield { lane, dueAt: first.dueAt };
    }
  }

  *walk(options: { readonly from?: QueueId; readonly until?: QueueId } = {}) {
    this.#checkOpen();
    const { from, until } = options;
    for (const id of [...this.#messages.keys()].sort(compareIds)) {
      if (from !== undefined && id < from) continue;
      if (until !== undefined && id >= until) return;
      if (this.#messages.has(id)) yield id;
    }
  }

  count(): number {
    this.#checkOpen();
    return this.#messages.size;
  }

  health() {
    const freeBytes = this.#freeBytes();
    const floorBytes = this.#floorBytes;
    return freeBytes < floorBytes
      ? ({ state: 'low', freeBytes, floorBytes } as const)
      : { state: 'ok' as const };
  }

  #checkOpen(): void {
    if (this.#state === 'closed') throw new SpoolError('closed', 'the spool is closed');
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#state = 'closed';
    return Promise.resolve();
  }
}

type Accept = (draft: MemoryDraft, ...commit: Required<Parameters<Draft['commit']>>) => Promise<void>;

class MemoryDraft implements Draft {
  readonly id: QueueId;
  readonly #accept: Accept;
  #chunks: Buffer[] | undefined = [];
  size = 0;

  constructor(id: QueueId, accept: Accept) {
    this.id = id;
    this.#accept = accept;
  }

  write(chunk: Uint8Array): undefined {
    this.#open().push(Buffer.from(chunk));
    this.size += chunk.length;
  }

  async commit(
    envelope: Envelope,
    entries: readonly NewLaneEntry[],
    changes: readonly Change[] = [],
  ): Promise<QueueId> {
    this.#open();
    try {
      await this.#accept(this, envelope, entries, changes);
      return this.id;
    } finally {
      this.#chunks = undefined;
    }
  }

  /** The octets gathered; the draft has none after. */
  take(): Buffer {
    const octets = Buffer.concat(this.#open());
    this.#chunks = undefined;
    return octets;
  }

  #open(): Buffer[] {
    if (this.#chunks === undefined) throw new SpoolError('closed', 'the draft is committed or disposed');
    return this.#chunks;
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#chunks = undefined;
    return Promise.resolve();
  }
}

/** The place of the first entry that comes after `entry` in the order of the lane. */
function firstAfter(entries: readonly LaneEntry[], entry: LaneEntry): number {
  let low = 0;
  let high = entries.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const found = entries[middle];
    if (found !== undefined && compareEntries(found, entry) <= 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

function compareIds(a: QueueId, b: QueueId): number {
  return a < b ? -1 : 1;
}
