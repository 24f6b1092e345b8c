import { networkInterfaces } from 'node:os';
import { Background, type Clock, canonicalIp, type Log, silentLog, systemClock } from '../base/index.ts';
import type { Resolver } from '../dns/index.ts';
import { type Address, reply } from '../mail/index.ts';
import type { AssignLanes, Attempt, AttemptResult, Deliver } from '../queue/index.ts';
import { Capture } from './capture.ts';
import { Dialer } from './dialer.ts';
import { HostMemory } from './host-memory.ts';
import { deliverToMaildir } from './maildir.ts';
import { type DeliveryOptions, defaultLimits } from './options.ts';
import { SessionPool } from './pool.ts';
import { attemptRemote, type RemoteParts } from './remote-attempt.ts';
import { Router } from './router.ts';
import type { Transport } from './transport.ts';
import { type Verification, verifyAt } from './verify.ts';

/** What delivery is given and does not change by reload. */
export interface DeliveryParts {
  readonly resolver: Resolver;
  readonly clock?: Clock;
  readonly log?: Log;
  /** 0 ≤ n < 1; default Math.random. */
  readonly random?: () => number;
}

/** Delivery as the queue and the composition root see it. */
export interface Delivery extends AsyncDisposable {
  readonly deliver: Deliver;
  readonly assignLanes: AssignLanes;
  /** How often the routes were swapped: a lane that was assigned at this number can be carried out. */
  readonly generation: number;
  /** Asks the destination of a recipient whether it knows it. Without a server to ask, every one is known. */
  verify(recipient: Address): Promise<Verification>;
  /** The capture inbox, when a folder for it is set. */
  readonly capture: Capture | undefined;
  /**
   * Swaps the configuration. Attempts under way end as they began; kept sessions are closed. Throws a
   * RangeError, and changes nothing, when the options cannot be used. A `resolver` replaces the old one.
   */
  reload(options: DeliveryOptions, parts?: { readonly resolver?: Resolver }): void;
}

/** Makes the delivery side. Throws a RangeError that names every problem of the routes. */
export function createDelivery(options: DeliveryOptions, parts: DeliveryParts): Delivery {
  return new Deliveries(options, parts);
}

/** What one configuration comes to. */
interface Generation {
  readonly number: number;
  readonly router: Router;
  readonly remote: RemoteParts;
  readonly maildir: Parameters<typeof deliverToMaildir>[2];
}

class Deliveries implements Delivery {
  readonly #parts: DeliveryParts;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #background: Background;
  #generation: Generation;
  #capture: Capture | undefined;
  #captureKey = '';

  constructor(options: DeliveryOptions, parts: DeliveryParts) {
    this.#parts = parts;
    this.#clock = parts.clock ?? systemClock;
    this.#log = parts.log ?? silentLog;
    this.#background = new Background(this.#log);
    this.#generation = this.#build(options, parts.resolver, 0);
    this.#openCapture(options);
  }

  get capture(): Capture | undefined {
    return this.#capture;
  }

  readonly assignLanes: AssignLanes = (envelope) => this.#generation.router.assign(envelope);

  readonly deliver: Deliver = async (attempt, signal) => {
    try {
      const transport = this.#generation.router.resolveLane(attempt.lane);
      if (transport === undefined) throw new Error('no route leads to this lane');
      return this.#complete(attempt, await this.#carryOut(attempt, transport, signal));
    } catch (error) {
      this.#log.error('attempt-failed', { queueId: attempt.id, lane: attempt.lane, error: String(error) });
      return this.#complete(attempt, { statuses: new Map(), health: { kind: 'alive' } });
    }
  };

  async verify(recipient: Address): Promise<Verification> {
    const { router, remote } = this.#generation;
    const transport = router.transportFor(recipient);
    return transport.kind === 'remote' ? await verifyAt(transport, recipient, remote) : 'known';
  }

  get generation(): number {
    return this.#generation.number;
  }

  reload(options: DeliveryOptions, parts: { readonly resolver?: Resolver } = {}): void {
    const old = this.#generation;
    const resolver = parts.resolver ?? old.remote.targets.resolver;
    this.#generation = this.#build(options, resolver, old.number + 1);
    this.#openCapture(options);
    old.remote.pool.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#generation.remote.pool.close();
    await this.#background.drain();
  }

  #carryOut(attempt: Attempt, transport: Transport, signal: AbortSignal): Promise<AttemptResult> {
    switch (transport.kind) {
      case 'remote':
        return attemptRemote(attempt, transport, this.#generation.remote, signal);
      case 'maildir':
        return deliverToMaildir(attempt, transport, this.#generation.maildir, signal);
      case 'capture':
        if (this.#capture === undefined) throw new Error('no capture folder is set');
        return this.#capture.deliver(attempt, signal);
    }
  }

  /** One status for each recipient asked about, whatever happened. */
  #complete(attempt: Attempt, result: AttemptResult): AttemptResult {
    if (result.statuses.size === attempt.recipients.length) return result;
    const statuses = new Map(result.statuses);
    const why = reply(451, '3.0', 'The delivery attempt failed');
    for (const index of attempt.recipients) {
      if (!statuses.has(index)) statuses.set(index, { status: 'pending', at: this.#clock.now(), reply: why });
    }
    return { statuses, health: result.health };
  }

  #build(options: DeliveryOptions, resolver: Resolver, number: number): Generation {
    const limits = { ...defaultLimits, ...options.limits };
    const router = new Router(options);
    const now = () => this.#clock.now();
    const { random = Math.random } = this.#parts;
    const { timeouts } = options;
    const targets = {
      resolver,
      ownNames: new Set([options.hostname, ...(options.ownNames ?? [])].map((name) => name.toLowerCase())),
      ownAddresses: new Set(
        (options.ownAddresses ?? interfaceAddresses()).flatMap((text) => canonicalIp(text) ?? []),
      ),
      refusePrivate: options.refusePrivateMx ?? true,
      maxAddresses: limits.addresses,
      random,
      mxPort: options.mxPort ?? 25,
      memory: new HostMemory(this.#clock, limits.avoidMs),
    };
    const dialer = new Dialer({
      helo: options.hostname,
      clock: this.#clock,
      log: this.#log,
      ...(timeouts === undefined ? {} : { timeouts }),
    });
    const pool = new SessionPool(limits, this.#clock, this.#background);
    return {
      number,
      router,
      remote: { pool, dialer, targets, limits, log: this.#log, now },
      maildir: { now },
    };
  }

  /** The same folder keeps its inbox: two of them would not know of each other's messages. */
  #openCapture({ capture }: DeliveryOptions): void {
    const key = JSON.stringify(capture ?? null);
    if (key === this.#captureKey) return;
    this.#captureKey = key;
    this.#capture =
      capture === undefined ? undefined : new Capture({ ...capture, now: () => this.#clock.now() });
  }
}

/** Every address of this machine. */
function interfaceAddresses(): readonly string[] {
  return Object.values(networkInterfaces()).flatMap((addresses) =>
    (addresses ?? []).map(({ address }) => address),
  );
}
