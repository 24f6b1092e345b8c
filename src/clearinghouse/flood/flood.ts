/** Exchanges counts with other clearinghouses: opens the links and keeps them. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Background, type BackOff, backOff, type Clock, type Log } from '../../base/index.ts';
import type { ClearinghouseEvents } from '../events.ts';
import { FloodFile } from './file.ts';
import { identityOf } from './identity.ts';
import type { FloodPeer } from './link.ts';
import { type FloodCounts, FloodNode } from './node.ts';
import type { FloodSource } from './tally.ts';
import {
  type Arrival,
  callPeer,
  type FloodAddress,
  listenForPeers,
  type PeerListener,
  transportOf,
} from './tls.ts';

export interface FloodPeerOptions {
  readonly name: string;
  /** Where it listens; absent where only it calls us. */
  readonly address?: FloodAddress;
  /** SHA-256 of its certificate, hexadecimal. */
  readonly fingerprint: string;
}

/** How a clearinghouse floods. */
export interface FloodOptions {
  /** Where the log of records is kept. */
  readonly folder: string;
  readonly listen?: FloodAddress;
  /** PEM, of this node; a certificate may be signed by its own key. */
  readonly certificate: string | Buffer;
  readonly key: string | Buffer;
  /** The secret of all nodes, with which features are hashed. */
  readonly networkKey: Uint8Array;
  readonly peers: readonly FloodPeerOptions[];
  readonly source: FloodSource;
  readonly clock: Clock;
  /** Random numbers in [0, 1). Default: `Math.random`. */
  readonly random?: () => number;
  readonly log: Log<ClearinghouseEvents>;
}

const syncMs = 1000;
/** When a peer that is not there is called again, and by how much later at most by chance. */
const pauses: BackOff = { minMs: 1000, maxMs: 15_000 };
const jitter = 0.2;
/** A link that was open for so long was a good one. */
const goodMs = 30_000;
/** The time for which a misbehaving peer is not spoken to. */
const bannedMs = 300_000;

/** Opens the flood: reads its log, listens, and calls its peers. Rejects with the system's errors. */
export async function openFlood(options: FloodOptions): Promise<Flood> {
  const flood = new Flood(options);
  try {
    await flood.open();
  } catch (error) {
    await flood[Symbol.asyncDispose]();
    throw error;
  }
  return flood;
}

interface Calling {
  readonly options: FloodPeerOptions;
  readonly peer: FloodPeer;
  /** Calls in a row that led to no good link. */
  failures: number;
  /** Ends the present call, or the pause before the next one. */
  cancel: () => void;
  bannedUntil: number;
  /** The caller of the present link. */
  caller: string | undefined;
}

/** A clearinghouse's links to others. */
export class Flood implements AsyncDisposable {
  readonly #options: FloodOptions;
  readonly #node: FloodNode;
  readonly #file: FloodFile;
  readonly #background: Background;
  readonly #peers = new Map<string, Calling>();
  #listener: PeerListener | undefined;
  #cancelSync = () => {};
  #isEnding = false;
  /** The number of connections from unknown nodes. */
  refused = 0;

  constructor(options: FloodOptions) {
    this.#options = options;
    const { clock, log, networkKey, source, certificate, key } = options;
    this.#background = new Background(log);
    this.#file = new FloodFile(join(options.folder, 'flood-log'));
    for (const each of options.peers) {
      const { name, fingerprint } = each;
      const peer = { name, origin: fingerprint.toLowerCase() };
      const idle = { failures: 0, cancel: () => {}, bannedUntil: 0, caller: undefined };
      this.#peers.set(peer.origin, { options: each, peer, ...idle });
    }
    this.#node = new FloodNode({
      identity: identityOf(certificate, key),
      networkKey,
      peers: [...this.#peers.values()].map(({ peer }) => peer),
      source,
      clock,
      log,
      note: (note) => this.#file.note(note),
    });
  }

  get counts(): Readonly<FloodCounts> {
    return this.#node.counts;
  }

  /** Names of the peers that there is a link to. */
  get linked(): readonly string[] {
    return this.#node.links.filter(({ state }) => state.kind === 'open').map(({ peer }) => peer.name);
  }

  /** Where it listens; 0 where it does not. */
  get port(): number {
    return this.#listener?.port ?? 0;
  }

  async open(): Promise<void> {
    const { folder, listen, certificate, key, log } = this.#options;
    await mkdir(folder, { recursive: true, mode: 0o700 });
    this.#node.restore(await this.#file.open());
    if (listen !== undefined)
      this.#listener = await listenForPeers(listen, { certificate, key }, (arrival) =>
        this.#arrived(arrival),
      );
    this.#node.start();
    this.#syncLater();
    for (const calling of this.#peers.values()) this.#call(calling);
    log.info('flood-ready', { port: this.port, peers: this.#peers.size, records: this.#node.log.size });
  }

  /** Closes the links and writes the notes down. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isEnding = true;
    this.#cancelSync();
    for (const { cancel } of this.#peers.values()) cancel();
    this.#node.stop();
    await this.#listener?.close();
    await this.#background.drain();
    await this.#file.sync(() => this.#node.log.all());
    await this.#file[Symbol.asyncDispose]();
  }

  #syncLater(): void {
    if (this.#isEnding) return;
    this.#cancelSync = this.#options.clock.after(syncMs, () => {
      this.#background.run(
        'flood-log',
        this.#file.sync(() => this.#node.log.all()),
      );
      this.#syncLater();
    });
  }

  /** A node has called us. */
  #arrived({ socket, origin }: Arrival): void {
    const calling = origin === undefined ? undefined : this.#peers.get(origin);
    if (calling === undefined || this.#isEnding || calling.bannedUntil > this.#options.clock.now()) {
      this.refused++;
      this.#options.log.info('flood-refused', { address: socket.remoteAddress, fingerprint: origin });
      socket.destroy();
      return;
    }
    this.#link(calling, { socket, origin }, calling.peer.origin);
  }

  #call(calling: Calling): void {
    const { clock, certificate, key, log } = this.#options;
    const { address } = calling.options;
    if (address === undefined || this.#isEnding || calling.caller !== undefined) return;
    calling.cancel = callPeer(address, { credentials: { certificate, key }, clock }, (outcome) => {
      if ('socket' in outcome && outcome.origin === calling.peer.origin && !this.#isEnding) {
        this.#link(calling, outcome, this.#node.self);
        return;
      }
      if ('socket' in outcome) outcome.socket.destroy();
      const because = 'because' in outcome ? outcome.because : 'it has another certificate';
      if (!this.#isEnding) log.info('flood-unreachable', { peer: calling.peer.name, because });
      this.#callLater(calling);
    });
  }

  #callLater(calling: Calling): void {
    const { clock } = this.#options;
    if (this.#isEnding || calling.caller !== undefined) return;
    const banned = Math.max(0, calling.bannedUntil - clock.now());
    calling.failures++;
    const { random = Math.random } = this.#options;
    const pause = backOff(calling.failures, pauses) * (1 + jitter * random()) + banned;
    calling.cancel = clock.after(pause, () => this.#call(calling));
  }

  /**
   * Where both have called at once, both keep the connection of the one with the smaller fingerprint: so one is left.
   */
  #link(calling: Calling, { socket }: Arrival, caller: string): void {
    const { clock } = this.#options;
    const { peer } = calling;
    if (calling.caller !== undefined && calling.caller !== caller && calling.caller < caller) {
      socket.destroy();
      return;
    }
    const openedAt = clock.now();
    const transport = transportOf(socket);
    const link = this.#node.connect(peer, transport, Buffer.from(socket.getPeerCertificate().raw));
    calling.caller = caller;
    calling.cancel();
    calling.cancel = () => {};
    transport.attach(link);
    socket.once('close', () => {
      if (this.#node.links.some(({ peer: other }) => other.origin === peer.origin)) return;
      calling.caller = undefined;
      if (link.state.kind === 'closed' && link.state.isFault) calling.bannedUntil = clock.now() + bannedMs;
      if (clock.now() - openedAt >= goodMs) calling.failures = 0;
      this.#callLater(calling);
    });
  }
}
