/** The records that a node has made and received, by origin. */
import type { Origin } from './identity.ts';
import { encodeSigned, type SignedRecord } from './record.ts';

/** The known origins, each with its highest known sequence number. */
export type FloodVector = ReadonlyMap<string, number>;

/** A record as it is kept, ready to be sent on. */
export interface Logged {
  readonly sequence: number;
  readonly time: number;
  readonly octets: Buffer;
}

/** An entry of the file: a certificate in DER or a signed record, and the peer it came from. */
export interface Note {
  readonly kind: 'certificate' | 'record';
  readonly by?: string;
  readonly octets: Buffer;
}

interface OfOrigin {
  readonly origin: Origin;
  /**
   * The peer that introduced the origin and whose share of the places it takes. Undefined for this node and its peers.
   */
  readonly by: string | undefined;
  highest: number;
  /** The highest sequence number that came from the origin itself; a peer in between may have held records back. */
  direct: number;
  /** The latest of each cluster, in the order of their sequence, as a `Map` keeps it. */
  readonly latest: Map<string, Logged>;
  /** Records up to this one had to make room: they are not taken again. */
  forgotten: number;
}

export interface FloodLogSize {
  /** Records of all origins together. */
  readonly records: number;
  /** The number of origins that one peer may introduce. */
  readonly originsPerPeer: number;
}

const defaultLogSize: FloodLogSize = { records: 20_000, originsPerPeer: 64 };

/**
 * The records of this node and of others: the latest one of each cluster of each origin. They are all that a peer
 * needs after any absence, and one sequence number for each origin tells which of them it has. Bounded: the oldest
 * record of the origin with the most records is dropped.
 */
export class FloodLog {
  readonly #size: FloodLogSize;
  readonly #origins = new Map<string, OfOrigin>();
  #records = 0;

  constructor(size: FloodLogSize = defaultLogSize) {
    this.#size = size;
  }

  get size(): number {
    return this.#records;
  }

  /** Adds an origin. False if its peer has introduced too many. */
  introduce(origin: Origin, by?: string): boolean {
    if (this.#origins.has(origin.origin)) return true;
    if (by !== undefined) {
      const told = [...this.#origins.values()].filter((known) => known.by === by).length;
      if (told >= this.#size.originsPerPeer) return false;
    }
    this.#origins.set(origin.origin, { origin, by, highest: 0, direct: 0, latest: new Map(), forgotten: 0 });
    return true;
  }

  originOf(origin: string): Origin | undefined {
    return this.#origins.get(origin)?.origin;
  }

  origins(): IterableIterator<string> {
    return this.#origins.keys();
  }

  highest(origin: string): number {
    return this.#origins.get(origin)?.highest ?? 0;
  }

  /** The sequence numbers to be sent to `peer`: of its own records only those that it has sent itself. */
  vector(peer: string): FloodVector {
    return new Map(
      [...this.#origins].map(([origin, { highest, direct }]) => [origin, origin === peer ? direct : highest]),
    );
  }

  /** Whether it is news: of its cluster nothing as new is known. */
  isNews({ record: { origin, sequence, tally } }: SignedRecord): boolean {
    const of = this.#origins.get(origin);
    if (of === undefined) return false;
    const known = of.latest.get(clusterOf(tally));
    return known === undefined ? sequence > of.forgotten : sequence > known.sequence;
  }

  /** The origin has sent a record of its own. */
  hasFromItself({ record: { origin, sequence } }: SignedRecord): void {
    const of = this.#origins.get(origin);
    if (of !== undefined) of.direct = Math.max(of.direct, sequence);
  }

  /** Adds a record; false if it is not newer, or its origin is unknown. */
  add(signed: SignedRecord): boolean {
    if (!this.isNews(signed)) return false;
    const { origin, sequence, time, tally } = signed.record;
    const of = this.#origins.get(origin);
    if (of === undefined) return false;
    of.highest = Math.max(of.highest, sequence);
    const cluster = clusterOf(tally);
    if (of.latest.delete(cluster)) this.#records--;
    of.latest.set(cluster, { sequence, time, octets: encodeSigned(signed) });
    this.#records++;
    if (sequence < of.highest) sortLatest(of);
    if (this.#records > this.#size.records) this.#drop();
    return true;
  }

  /** The records of an origin after a sequence number, in order, including any that are added meanwhile. */
  *after(origin: string, sequence: number): Generator<Logged> {
    const of = this.#origins.get(origin);
    if (of === undefined || of.highest <= sequence) return;
    for (const logged of of.latest.values()) if (logged.sequence > sequence) yield logged;
  }

  /** Forgets records made before a time, and origins without later ones that are not peers. */
  forget(before: number): void {
    for (const [origin, of] of this.#origins) {
      for (const [cluster, { time }] of of.latest) if (time < before) this.#remove(of, cluster);
      if (of.latest.size === 0 && of.by !== undefined && of.highest < before) this.#origins.delete(origin);
    }
  }

  /** Forgets the records of an origin with a time in the future: its clock was wrong. False if there are none. */
  rewind(origin: string, after: number): boolean {
    const of = this.#origins.get(origin);
    if (of === undefined || of.highest <= after) return false;
    for (const [cluster, { sequence }] of of.latest) if (sequence > after) this.#remove(of, cluster);
    of.highest = Math.max(0, ...[...of.latest.values()].map(({ sequence }) => sequence));
    of.forgotten = Math.min(of.forgotten, of.highest);
    return true;
  }

  /** Everything, to be written down. */
  *all(): Generator<Note> {
    for (const { origin, by, latest } of this.#origins.values()) {
      yield { kind: 'certificate', octets: origin.certificate, ...(by !== undefined && { by }) };
      for (const { octets } of latest.values()) yield { kind: 'record', octets };
    }
  }

  /** Drops the oldest record of the largest origin, among those of the peer that has introduced the most. */
  #drop(): void {
    const sizes = new Map<string, number>();
    const accountOf = ({ origin, by }: OfOrigin) => by ?? origin.origin;
    for (const of of this.#origins.values())
      sizes.set(accountOf(of), (sizes.get(accountOf(of)) ?? 0) + of.latest.size);
    const [largest] = [...sizes].sort(([, a], [, b]) => b - a)[0] ?? [];
    const [of] = [...this.#origins.values()]
      .filter((each) => accountOf(each) === largest)
      .sort((a, b) => b.latest.size - a.latest.size);
    for (const [cluster, { sequence }] of of?.latest ?? []) {
      if (of === undefined) return;
      of.forgotten = Math.max(of.forgotten, sequence);
      this.#remove(of, cluster);
      return;
    }
  }

  #remove({ latest }: OfOrigin, cluster: string): void {
    if (latest.delete(cluster)) this.#records--;
  }
}

/** Sorts the records by sequence number: a record that a peer held back arrives after later ones. */
function sortLatest({ latest }: OfOrigin): void {
  const sorted = [...latest].sort(([, a], [, b]) => a.sequence - b.sequence);
  latest.clear();
  for (const [cluster, logged] of sorted) latest.set(cluster, logged);
}

function clusterOf({ cluster, generation }: SignedRecord['record']['tally']): string {
  return `${cluster} ${generation}`;
}
