/** The protocol of one link to a peer, without I/O. */
import type { Clock } from '../../base/index.ts';
import {
  decodeHello,
  encodeFrame,
  encodeHello,
  type Frame,
  FrameReader,
  frameTypes,
  proofOf,
} from './frames.ts';
import { type Origin, readOrigin } from './identity.ts';
import type { FloodLog } from './log.ts';
import { decodeSigned, type SignedRecord } from './record.ts';

/** Another node with which this one exchanges records. */
export interface FloodPeer {
  readonly name: string;
  /** SHA-256 of its certificate, hexadecimal. */
  readonly origin: string;
}

/** The connection under a link. */
export interface Transport {
  /** False when it is full: further octets should wait for `drained`. */
  write(octets: Buffer): boolean;
  /** Reads nothing more, until `resume`. */
  pause(): void;
  resume(): void;
  close(): void;
}

/** The node that a link belongs to. */
export interface LinkHost {
  readonly self: string;
  readonly networkKey: Uint8Array;
  readonly log: FloodLog;
  /** The peer introduces an origin. */
  introduce(origin: Origin, link: Link): void;
  /** Why a record is a fault of the peer, if it is one. */
  take(signed: SignedRecord, link: Link): string | undefined;
  gone(link: Link): void;
}

export interface LinkLimits {
  /** Frames of one second, and how many at once after a pause. */
  readonly framesPerSecond: number;
  readonly framesAtOnce: number;
  readonly octetsPerSecond: number;
  readonly heartbeatMs: number;
  /** Without a frame for so long the peer is gone. */
  readonly idleMs: number;
}

const defaultLinkLimits: LinkLimits = {
  framesPerSecond: 500,
  framesAtOnce: 1000,
  octetsPerSecond: 2 * 2 ** 20,
  heartbeatMs: 15_000,
  idleMs: 45_000,
};

type State =
  /** Our hello is on its way, the other one is not here yet. */
  | { readonly kind: 'greeting' }
  /** `sent`: up to where the peer has the records of each origin. */
  | { readonly kind: 'open'; readonly sent: Map<string, number>; readonly introduced: Set<string> }
  | { readonly kind: 'closed'; readonly because: string; readonly isFault: boolean };

export interface LinkOptions {
  readonly peer: FloodPeer;
  readonly host: LinkHost;
  readonly transport: Transport;
  readonly clock: Clock;
  readonly limits?: LinkLimits;
}

/**
 * One link to one peer, without I/O. Both sides send the highest sequence number that they have of each origin, and
 * then the records that the other lacks, those of an origin in their order. So one number for each origin is enough,
 * and a link that breaks continues from there when it is made again.
 */
export class Link {
  readonly peer: FloodPeer;
  readonly #options: LinkOptions;
  readonly #limits: LinkLimits;
  readonly #reader = new FrameReader();
  readonly #cancels = new Map<'heartbeat' | 'idle' | 'resume', () => void>();
  #state: State = { kind: 'greeting' };
  #isFull = false;
  #allowed: { at: number; frames: number; octets: number };

  constructor(options: LinkOptions) {
    this.#options = options;
    this.peer = options.peer;
    this.#limits = options.limits ?? defaultLinkLimits;
    const { framesAtOnce, octetsPerSecond } = this.#limits;
    this.#allowed = { at: options.clock.now(), frames: framesAtOnce, octets: 4 * octetsPerSecond };
  }

  get state(): State {
    return this.#state;
  }

  /** Sends the hello. */
  start(): void {
    const { host, peer } = this.#options;
    const hello = encodeHello(proofOf(host.networkKey, host.self, peer.origin), host.log.vector(peer.origin));
    this.#write(encodeFrame(frameTypes.hello, hello));
    this.#beat();
    this.#wait();
  }

  /** Takes octets that the transport has read. */
  receive(chunk: Buffer): void {
    if (this.#state.kind === 'closed') return;
    this.#wait();
    for (const frame of this.#reader.read(chunk)) {
      this.#spend(0, 1);
      const because = frame === undefined ? 'it sent a malformed frame' : this.#frame(frame);
      if (because !== undefined) this.close(because, true);
      if (this.#isClosed()) return;
    }
    this.#spend(chunk.length, 0);
  }

  /** The transport takes more again. */
  drained(): void {
    this.#isFull = false;
    this.pump();
  }

  /** Sends records that the peer lacks, as much as the transport takes. */
  pump(): void {
    if (this.#state.kind !== 'open') return;
    const { host, peer } = this.#options;
    const { sent, introduced } = this.#state;
    for (const origin of host.log.origins()) {
      if (origin === peer.origin) continue;
      for (const { sequence, octets } of host.log.after(origin, sent.get(origin) ?? 0)) {
        if (this.#isFull || this.#isClosed()) return;
        const certificate = host.log.originOf(origin)?.certificate;
        if (!introduced.has(origin) && certificate !== undefined && origin !== host.self)
          this.#write(encodeFrame(frameTypes.certificate, certificate));
        introduced.add(origin);
        this.#write(encodeFrame(frameTypes.record, octets));
        sent.set(origin, sequence);
      }
    }
  }

  /** The peer has it, for it came from there. */
  has(origin: string, sequence: number): void {
    if (this.#state.kind !== 'open') return;
    const { sent } = this.#state;
    sent.set(origin, Math.max(sequence, sent.get(origin) ?? 0));
  }

  /**
   * Lowers our own sequence number below the one the peer may have: records made with a clock that was ahead do not
   * count.
   */
  rewind(): void {
    if (this.#state.kind !== 'open') return;
    const { self, log } = this.#options.host;
    const { sent } = this.#state;
    sent.set(self, Math.min(log.highest(self), sent.get(self) ?? 0));
  }

  close(because: string, isFault = false): void {
    if (this.#state.kind === 'closed') return;
    this.#state = { kind: 'closed', because, isFault };
    for (const cancel of this.#cancels.values()) cancel();
    this.#options.transport.close();
    this.#options.host.gone(this);
  }

  /** Why the frame is a fault, if it is one. */
  #frame({ type, body }: Frame): string | undefined {
    if (type === frameTypes.hello) return this.#hello(body);
    if (this.#state.kind !== 'open') return 'it did not say hello';
    if (type === frameTypes.certificate) return this.#certificate(body);
    return type === frameTypes.record ? this.#record(body) : undefined;
  }

  #hello(body: Buffer): string | undefined {
    const { host, peer } = this.#options;
    if (this.#state.kind !== 'greeting') return 'it said hello twice';
    const vector = decodeHello(body, proofOf(host.networkKey, peer.origin, host.self));
    if (typeof vector === 'string') return vector;
    this.#state = { kind: 'open', sent: new Map(vector), introduced: new Set() };
    this.rewind();
    this.pump();
    return undefined;
  }

  #certificate(body: Buffer): string | undefined {
    const origin = readOrigin(body);
    if (origin === undefined) return 'it sent a malformed certificate';
    this.#options.host.introduce(origin, this);
    return undefined;
  }

  #record(body: Buffer): string | undefined {
    const signed = decodeSigned(body);
    if (signed === undefined) return 'it sent a malformed record';
    return this.#options.host.take(signed, this);
  }

  /** A peer that exceeds its rate waits; none of its records is lost. */
  #spend(octets: number, frames: number): void {
    const { clock, transport } = this.#options;
    const { framesPerSecond, framesAtOnce, octetsPerSecond } = this.#limits;
    const now = clock.now();
    const seconds = Math.max(0, now - this.#allowed.at) / 1000;
    this.#allowed = {
      at: now,
      frames: Math.min(framesAtOnce, this.#allowed.frames + seconds * framesPerSecond) - frames,
      octets: Math.min(4 * octetsPerSecond, this.#allowed.octets + seconds * octetsPerSecond) - octets,
    };
    const missing = Math.max(
      -this.#allowed.frames / framesPerSecond,
      -this.#allowed.octets / octetsPerSecond,
    );
    if (missing <= 0) return;
    transport.pause();
    this.#after('resume', 1000 * missing + 100, () => transport.resume());
  }

  #write(octets: Buffer): void {
    if (!this.#options.transport.write(octets)) this.#isFull = true;
  }

  #beat(): void {
    this.#after('heartbeat', this.#limits.heartbeatMs, () => {
      if (!this.#isFull) this.#write(encodeFrame(frameTypes.heartbeat));
      this.#beat();
    });
  }

  #wait(): void {
    this.#after('idle', this.#limits.idleMs, () => this.close('nothing came from it for too long'));
  }

  #after(what: 'heartbeat' | 'idle' | 'resume', delayMs: number, callback: () => void): void {
    this.#cancels.get(what)?.();
    if (!this.#isClosed()) this.#cancels.set(what, this.#options.clock.after(delayMs, callback));
  }

  #isClosed(): boolean {
    return this.#state.kind === 'closed';
  }
}
