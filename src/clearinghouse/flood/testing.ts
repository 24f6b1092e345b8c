/** Simulated nodes and cables for tests of the flood. */
import type { AnyEvent, Clock, Log, ManualClock } from '../../base/index.ts';
import { memoryLog, selfSigned } from '../../base/index.ts';
import type { Source } from '../ask.ts';
import { readContent } from '../content/read.ts';
import { Engine } from '../engine.ts';
import { decodeEntries, encodeEntry } from '../journal.ts';
import { bodyDigest, legacyKeys } from '../keys/keys.ts';
import { defaultThresholds } from '../options.ts';
import { decodeNotes, encodeNote } from './file.ts';
import { type Identity, identityOf } from './identity.ts';
import type { FloodPeer, Link, Transport } from './link.ts';
import { FloodNode } from './node.ts';

export function identity(name: string): Identity {
  const { cert, key } = selfSigned(name);
  return identityOf(cert, key);
}

export const networkKey = Buffer.from('0123456789abcdef');

export interface SimulatedOptions {
  readonly name: string;
  readonly identity: Identity;
  readonly clock: ManualClock;
}

type TrustedPeer = FloodPeer & { readonly trust: number };

/** A clearinghouse with its disk in memory. */
export class SimulatedNode {
  readonly name: string;
  readonly identity: Identity;
  readonly log = memoryLog();
  /** How far its clock is ahead of that of the others, milliseconds. */
  aheadMs = 0;
  readonly #clock: Clock;
  #peers: readonly TrustedPeer[] = [];
  #disk = { journal: Buffer.alloc(0), flood: Buffer.alloc(0) };
  #unsynced: { journal: Buffer[]; flood: Buffer[] } = { journal: [], flood: [] };
  #engine: Engine;
  flood: FloodNode;

  constructor({ name, identity: own, clock }: SimulatedOptions) {
    this.name = name;
    this.identity = own;
    this.#clock = { now: () => clock.now() + this.aheadMs, after: (ms, call) => clock.after(ms, call) };
    this.#engine = this.#newEngine();
    this.flood = this.#newFlood();
  }

  peer(trust: number): TrustedPeer {
    return { name: this.name, origin: this.identity.origin, trust };
  }

  start(peers: readonly TrustedPeer[]): void {
    this.#peers = peers;
    this.flood = this.#newFlood();
    this.flood.start();
  }

  /** Syncs everything noted so far. */
  sync(): void {
    this.#disk = {
      journal: Buffer.concat([this.#disk.journal, ...this.#unsynced.journal]),
      flood: Buffer.concat([this.#disk.flood, ...this.#unsynced.flood]),
    };
    this.#unsynced = { journal: [], flood: [] };
  }

  /** As by `kill -9`: unsynced notes are lost. */
  kill(): void {
    this.flood.stop();
    this.#unsynced = { journal: [], flood: [] };
  }

  restore(): void {
    this.#engine = this.#newEngine();
    for (const { entry } of decodeEntries(this.#disk.journal)) this.#engine.apply(entry);
    this.flood = this.#newFlood();
    this.flood.restore([...decodeNotes(this.#disk.flood)]);
    this.flood.start();
  }

  check(text: string, recipient: string, counts = true) {
    return this.#engine.check(read(text), source(recipient), { now: this.#clock.now(), counts });
  }

  say(side: 'reported' | 'revoked', text: string, reporter: string) {
    const given = { source: { ...source('r@x.example'), reporter }, now: this.#clock.now() };
    return this.#engine.say(side, read(text), given);
  }

  #newEngine(): Engine {
    return new Engine({
      key: networkKey,
      memory: 16e6,
      thresholds: defaultThresholds,
      isAllowed: () => false,
      trustOf: (account) => this.#peers.find(({ origin }) => origin === account)?.trust ?? 0,
      note: (entry) => void this.#unsynced.journal.push(encodeEntry(entry)),
    });
  }

  #newFlood(): FloodNode {
    const log: Log<AnyEvent> = this.log;
    return new FloodNode({
      identity: this.identity,
      networkKey,
      peers: this.#peers,
      clock: this.#clock,
      log,
      note: (note) => void this.#unsynced.flood.push(encodeNote(note)),
      source: {
        tallies: async () => this.#engine.tallies(this.#clock.now()),
        take: (takes) => {
          for (const take of takes) this.#engine.take(take, this.#clock.now());
        },
      },
    });
  }
}

export function read(text: string) {
  const octets = Buffer.from(text);
  const content = readContent(octets, { recipients: [] });
  const exact = bodyDigest(content.leaves);
  return { content, images: [], exact, keys: () => legacyKeys(octets, content.leaves) };
}

function source(recipient: string): Source {
  return { reporter: 'relay', isKnown: true, recipients: [recipient] };
}

/** A cable between two ends: the octets that one writes the other reads a moment later, in pieces. */
export class Cable {
  readonly #clock: ManualClock;
  readonly #ends: { link: Link | undefined; isPaused: boolean; waiting: Buffer[] }[] = [];
  #isCut = false;
  octets = 0;

  constructor(clock: ManualClock, a: SimulatedNode, b: SimulatedNode) {
    this.#clock = clock;
    for (let n = 0; n < 2; n++) this.#ends.push({ link: undefined, isPaused: false, waiting: [] });
    const [first, second] = this.#ends;
    if (first === undefined || second === undefined) return;
    first.link = a.flood.connect(b.peer(0), this.end(0), b.identity.certificate);
    second.link = b.flood.connect(a.peer(0), this.end(1), a.identity.certificate);
  }

  /** The transport of one end. */
  end(n: 0 | 1): Transport {
    const mine = this.#ends[n];
    const other = this.#ends[1 - n];
    return {
      write: (octets) => {
        this.octets += octets.length;
        other?.waiting.push(octets);
        this.#clock.after(1, () => this.#deliver());
        return true;
      },
      pause: () => {
        if (mine !== undefined) mine.isPaused = true;
      },
      resume: () => {
        if (mine !== undefined) mine.isPaused = false;
        this.#deliver();
      },
      close: () => this.cut(),
    };
  }

  cut(): void {
    if (this.#isCut) return;
    this.#isCut = true;
    for (const { link } of this.#ends) link?.close('the cable is cut');
  }

  #deliver(): void {
    for (const end of this.#ends) {
      while (!this.#isCut && !end.isPaused && end.waiting.length > 0) {
        const octets = end.waiting.shift() ?? Buffer.alloc(0);
        const middle = octets.length >> 1;
        end.link?.receive(octets.subarray(0, middle));
        end.link?.receive(octets.subarray(middle));
      }
    }
  }
}
