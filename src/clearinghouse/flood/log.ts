import type { Origin } from './identity.ts';
import { encodeSigned, type SignedRecord } from './record.ts';

/** What is known of each origin, and up to where: its sequence numbers. */
export type FloodVector = ReadonlyMap<string, number>;

/** A record as it is kept, ready to be sent on. */
export interface Logged {
  readonly sequence: number;
  readonly time: number;
  readonly octets: Buffer;
}

/** What is written down: a certificate in DER or a signed record, and the peer that it came from. */
export interface Note {
  readonly kind: 'certificate' | 'record';
  readonly by?: string;
  readonly octets: Buffer;
}

interface OfOrigin {
  readonly origin: Origin;
  /** The peer who told of it first; whose share of the places it takes. Undefined for this node and its peers. */
  readonly by: string | undefined;
  highest: number;
  /** The latest of each cluster, in the order of their sequence, as a `Map` keeps it. */
  readonly latest: Map<string, Logged>;
}

export interface FloodLogSize {
  /** Records of all origins together. */
  readonly records: number;
  /** Origins that one peer may tell of. */
  readonly originsPerPeer: number;
}

export const defaultLogSize: FloodLogSize = { records: 20_000, originsPerPeer: 64 };

/**
 * What this node has said and heard: the latest record of each cluster of each origin. It is all that a peer needs
 * that was away, however long: what it has of each origin is told by one number. Bounded: the oldest record of the
 * origin that has the most goes.
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

  /** Notes who an origin is. False where the peer that tells of it has told of too many. */
  introduce(origin: Origin, by?: string): boolean {
    if (this.#origins.has(origin.origin)) return true;
    if (by !== undefined) {
      const told = [...this.#origins.values()].filter((known) => known.by === by).length;
      if (told >= this.#size.originsPerPeer) return false;
    }
    this.#origins.set(origin.origin, { origin, by, highest: 0, latest: new Map() });
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

  vector(): FloodVector {
    return new Map([...this.#origins].map(([origin, { highest }]) => [origin, highest]));
  }

  /** Keeps a record; false for one that is known, or of an origin that is not. */
  add(signed: SignedRecord): boolean {
    const { origin, sequence, time, claim } = signed.record;
    const of = this.#origins.get(origin);
    if (of === undefined || sequence <= of.highest) return false;
    of.highest = sequence;
    const cluster = `${claim.cluster} ${claim.generation}`;
    if (of.latest.delete(cluster)) this.#records--;
    of.latest.set(cluster, { sequence, time, octets: encodeSigned(signed) });
    this.#records++;
    if (this.#records > this.#size.records) this.#drop();
    return true;
  }

  /** Records of an origin after a sequence number, in their order. What is added meanwhile comes too. */
  *after(origin: string, sequence: number): Generator<Logged> {
    const of = this.#origins.get(origin);
    if (of === undefined || of.highest <= sequence) return;
    for (const logged of of.latest.values()) if (logged.sequence > sequence) yield logged;
  }

  /** What was made before is forgotten. */
  forget(before: number): void {
    for (const { latest } of this.#origins.values()) {
      for (const [cluster, { time }] of latest) {
        if (time >= before) continue;
        latest.delete(cluster);
        this.#records--;
      }
    }
  }

  /** Everything, to be written down. */
  *all(): Generator<Note> {
    for (const { origin, by, latest } of this.#origins.values()) {
      yield { kind: 'certificate', octets: origin.certificate, ...(by !== undefined && { by }) };
      for (const { octets } of latest.values()) yield { kind: 'record', octets };
    }
  }

  #drop(): void {
    const [of] = [...this.#origins.values()].sort((a, b) => b.latest.size - a.latest.size);
    for (const oldest of of?.latest.keys() ?? []) {
      of?.latest.delete(oldest);
      this.#records--;
      return;
    }
  }
}
