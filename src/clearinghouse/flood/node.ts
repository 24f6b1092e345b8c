/** A node of the flood: its links, its log and its engine. */
import type { Clock, Log } from '../../base/index.ts';
import type { ClearinghouseEvents } from '../events.ts';
import type { Identity, Origin } from './identity.ts';
import { readOrigin } from './identity.ts';
import { type FloodPeer, Link, type LinkHost, type LinkLimits, type Transport } from './link.ts';
import { FloodLog, type FloodLogSize, type Note } from './log.ts';
import { decodeSigned, encodeBody, encodeSigned, type SignedRecord } from './record.ts';
import type { FloodSource, Take, Tally } from './tally.ts';

export interface FloodCounts {
  /** Records of our own, and of others that were taken. */
  said: number;
  taken: number;
  /** Records already known, of ourselves, of unknown origins, with too many hops, or of a clock that is ahead. */
  passedOver: number;
  /** The number of links that were dropped for the peer's fault. */
  faults: number;
}

export interface FloodNodeOptions {
  readonly identity: Identity;
  readonly networkKey: Uint8Array;
  readonly peers: readonly FloodPeer[];
  readonly source: FloodSource;
  readonly clock: Clock;
  readonly log: Log<ClearinghouseEvents>;
  /** Called with each new certificate and record, so that it can be written down. */
  readonly note?: (note: Note) => void;
  readonly logSize?: FloodLogSize;
  readonly linkLimits?: LinkLimits;
}

/** Nodes that a record may pass. */
const maxHops = 24;
/** How far clocks may be apart, and how old a record may be. */
const aheadMs = 600_000;
const expiryMs = 31 * 86_400_000;
const tickMs = 1000;
/** Records of clocks that are ahead, which wait for their time. */
const maxEarlyRecords = 1000;
/** The number of records that are given again after a start: those of the last seconds. */
const takenAgain = 1000;

/**
 * A node of the flood. Tallies of the clearinghouse are signed and sent; tallies of others are verified, handed to the
 * clearinghouse and sent on. Each record is signed by its origin, so a peer can hold records back but not forge them.
 * For an origin that is not our peer, the peer that sent the record is answerable.
 */
export class FloodNode implements LinkHost {
  readonly counts: FloodCounts = { said: 0, taken: 0, passedOver: 0, faults: 0 };
  readonly log: FloodLog;
  readonly #options: FloodNodeOptions;
  readonly #peers: ReadonlyMap<string, FloodPeer>;
  readonly #links = new Map<string, Link>();
  #cancel: (() => void) | undefined;
  #early: readonly { readonly signed: SignedRecord; readonly link: Link }[] = [];
  #isAsking = false;
  #isEnding = false;

  constructor(options: FloodNodeOptions) {
    this.#options = options;
    this.log = new FloodLog(options.logSize);
    this.#peers = new Map(options.peers.map((peer) => [peer.origin, peer]));
    const own = readOrigin(options.identity.certificate);
    if (own !== undefined) this.log.introduce(own);
  }

  get self(): string {
    return this.#options.identity.origin;
  }

  get networkKey(): Uint8Array {
    return this.#options.networkKey;
  }

  get links(): readonly Link[] {
    return [...this.#links.values()];
  }

  /**
   * Restores the notes of an earlier run. The clearinghouse may have lost its last second, so it is given the latest
   * records again; known ones change nothing.
   */
  restore(notes: readonly Note[]): void {
    const takes: Take[] = [];
    for (const { kind, by, octets } of notes) {
      if (kind === 'certificate') {
        const origin = readOrigin(octets);
        if (origin !== undefined) this.log.introduce(origin, by);
        continue;
      }
      const signed = decodeSigned(octets);
      if (signed === undefined || !this.log.add(signed)) continue;
      if (by === signed.record.origin) this.log.hasFromItself(signed);
      const from = by === undefined ? undefined : this.#peers.get(by);
      if (from !== undefined) takes.push(this.takeOf(signed, from));
    }
    if (takes.length > 0) this.#options.source.take(takes.slice(-takenAgain));
    this.#rewind();
  }

  /** Begins to ask the clearinghouse for tallies, each second. */
  start(): void {
    this.#cancel = this.#options.clock.after(tickMs, () => this.#tick());
  }

  stop(): void {
    this.#isEnding = true;
    this.#cancel?.();
    for (const link of this.links) link.close('we are going');
  }

  /** A link to a peer is there. A second one takes the place of the first. */
  connect(peer: FloodPeer, transport: Transport, certificate: Buffer): Link {
    const { clock, linkLimits, log } = this.#options;
    this.#links.get(peer.origin)?.close('it has come again');
    const link = new Link({
      peer,
      host: this,
      transport,
      clock,
      ...(linkLimits !== undefined && { limits: linkLimits }),
    });
    this.#links.set(peer.origin, link);
    this.#rewind();
    const origin = readOrigin(certificate);
    if (origin !== undefined) this.introduce(origin, link);
    log.info('flood-link', { peer: peer.name });
    link.start();
    return link;
  }

  /** Origins beyond a peer's number stay unknown and their records are ignored; that is not a fault of the peer. */
  introduce(origin: Origin, link: Link): void {
    if (this.log.originOf(origin.origin) !== undefined) return;
    const by = this.#peers.has(origin.origin) ? undefined : link.peer.origin;
    if (!this.log.introduce(origin, by)) return;
    const octets = origin.certificate;
    this.#options.note?.({ kind: 'certificate', octets, ...(by !== undefined && { by }) });
  }

  /** A peer is at fault only for errors that it must have seen itself; clocks and limits differ from node to node. */
  take(signed: SignedRecord, link: Link): string | undefined {
    const { record, body, signature } = signed;
    const { origin, sequence } = record;
    link.has(origin, sequence);
    const of = origin === this.self ? undefined : this.log.originOf(origin);
    const isFromItself = origin === link.peer.origin;
    if (of !== undefined && this.#isEarly(signed)) {
      this.#early = [...this.#early, { signed, link }].slice(-maxEarlyRecords);
      return undefined;
    }
    if (of === undefined || !(isFromItself || this.log.isNews(signed)) || !this.#isDue(signed)) {
      this.counts.passedOver++;
      return undefined;
    }
    if (!of.hasSigned(body, signature)) return 'it forged a record';
    if (isFromItself) this.log.hasFromItself(signed);
    if (!this.log.isNews(signed)) {
      this.counts.passedOver++;
      return undefined;
    }
    this.#keep({ ...signed, hops: signed.hops + 1 }, link.peer.origin);
    this.counts.taken++;
    this.#options.source.take([this.takeOf(signed, link.peer)]);
    return undefined;
  }

  /**
   * The account answerable for a received record: its origin, if that is also a peer, otherwise the peer that sent it.
   */
  takeOf({ record: { origin, tally } }: SignedRecord, from: FloodPeer): Take {
    return { tally, origin, account: this.#peers.has(origin) ? origin : from.origin };
  }

  gone(link: Link): void {
    const { state, peer } = link;
    if (this.#links.get(peer.origin) === link) this.#links.delete(peer.origin);
    if (state.kind !== 'closed') return;
    if (state.isFault) {
      this.counts.faults++;
      this.#options.log.warn('flood-link-dropped', { peer: peer.name, because: state.because });
    } else this.#options.log.info('flood-link-closed', { peer: peer.name, because: state.because });
  }

  /** Of a clock that is ahead, but not by much more than is usual. */
  #isEarly({ record: { time, sequence } }: SignedRecord): boolean {
    const ahead = Math.max(time, sequence) - this.#options.clock.now();
    return ahead > aheadMs && ahead <= 2 * aheadMs;
  }

  #isDue({ record: { time, sequence }, hops }: SignedRecord): boolean {
    const now = this.#options.clock.now();
    const isOfTheFuture = Math.max(time, sequence) > now + aheadMs;
    return !isOfTheFuture && hops < maxHops && time >= now - expiryMs;
  }

  /** Records made with a clock that was far ahead were accepted by nobody, and would make all later ones look old. */
  #rewind(): void {
    if (!this.log.rewind(this.self, this.#options.clock.now() + aheadMs)) return;
    for (const link of this.links) link.rewind();
  }

  #keep(signed: SignedRecord, by?: string): void {
    if (!this.log.add(signed)) return;
    this.#options.note?.({ kind: 'record', octets: encodeSigned(signed), ...(by !== undefined && { by }) });
  }

  #tick(): void {
    const { source, clock, log } = this.#options;
    if (!this.#isAsking) {
      this.#isAsking = true;
      source
        .tallies()
        .then((tallies) => this.#say(tallies))
        .catch((error: unknown) => log.error('flood-claims-failed', { because: String(error) }))
        .finally(() => {
          this.#isAsking = false;
        });
    }
    this.log.forget(clock.now() - expiryMs);
    this.#rewind();
    const early = this.#early;
    this.#early = [];
    for (const { signed, link } of early) {
      const because = link.state.kind === 'open' ? this.take(signed, link) : undefined;
      if (because !== undefined) link.close(because, true);
    }
    for (const link of this.links) link.pump();
    if (!this.#isEnding) this.#cancel = clock.after(tickMs, () => this.#tick());
  }

  #say(tallies: readonly Tally[]): void {
    if (this.#isEnding) return;
    const { identity, clock } = this.#options;
    for (const tally of tallies) {
      const time = clock.now();
      const sequence = Math.max(time, this.log.highest(this.self) + 1);
      // Clocks step back, so the last copy can be older than the first.
      const lastSeen = Math.min(tally.lastSeen, time);
      const firstSeen = Math.min(tally.firstSeen, lastSeen);
      const record = { origin: this.self, sequence, time, tally: { ...tally, firstSeen, lastSeen } };
      const body = encodeBody(record);
      this.#keep({ record, hops: 0, body, signature: identity.sign(body) });
      this.counts.said++;
    }
    for (const link of this.links) link.pump();
  }
}
