/** The delivery side: joins routes, transports, pool and tokens. */
import { networkInterfaces } from 'node:os';
import {
  Background,
  type BaseEvents,
  type Clock,
  canonicalIp,
  type Log,
  Places,
  type plainFetch,
  silentLog,
  systemClock,
} from '../base/index.ts';
import type { Resolver } from '../dns/index.ts';
import {
  type Address,
  formatReplyText,
  type LaneName,
  noSuchRecipient,
  type RecipientStatus,
  type Reply,
  reply,
} from '../mail/index.ts';
import type { AssignLanes, Attempt, AttemptResult, Deliver } from '../queue/index.ts';
import { completed } from './answers.ts';
import { type AuditSink, auditLane, auditResult, toAudit } from './audit.ts';
import { Balance } from './balance.ts';
import type { Verification } from './callout-verdict.ts';
import { type CalloutOptions, Callouts, type CalloutTrouble } from './callouts.ts';
import { Capture } from './capture.ts';
import { Dialer } from './dialer.ts';
import type { DeliveryEvents } from './events.ts';
import { faultReply } from './failure.ts';
import { HostMemory, type HostRecord } from './host-memory.ts';
import type { TokenTrouble } from './oauth-token.ts';
import { Onward } from './onward.ts';
import { type DeliveryOptions, defaultLimits } from './options.ts';
import { SessionPool } from './pool.ts';
import { type OnPassedOver, Router } from './router.ts';
import { Tokens } from './tokens.ts';
import type { TransportContext } from './transports/kind.ts';

/** The interval at which it is logged that mail passes a route over. */
const passedOverMs = 60_000;
const maxTold = 1000;

const noAnswer = reply(451, '3.0', 'The delivery attempt failed');

/** The parts of delivery that a reload does not change. */
export interface DeliveryParts {
  readonly resolver: Resolver;
  readonly clock?: Clock;
  readonly log?: Log<DeliveryEvents | BaseEvents>;
  /** 0 ≤ n < 1; default Math.random. */
  readonly random?: () => number;
  /** Asks token endpoints; default: that of the runtime. */
  readonly fetch?: typeof plainFetch;
}

/** A host of a route, or an account of one, that an operator has to look after. */
export interface Trouble {
  readonly kind: 'host' | TokenTrouble['kind'];
  /** The name and port of a host; the account of a token. */
  readonly subject: string;
  readonly since: number;
  readonly because: string;
  /** The lanes of routes that it carries. */
  readonly lanes: readonly LaneName[];
}

/** Delivery as the queue and the composition root see it. */
export interface Delivery extends AsyncDisposable {
  readonly deliver: Deliver;
  readonly assignLanes: AssignLanes;
  /** How often the routes were swapped: a lane that was assigned at this number can be carried out. */
  readonly generation: number;
  /** Whether no change of the routes leads out of this lane. */
  keeps(lane: LaneName): boolean;
  /** Asks the destination of a recipient whether it knows it. Without a server to ask, every one is known. */
  verify(recipient: Address): Promise<Verification>;
  /** Destinations that do not answer about recipients. */
  readonly calloutTroubles: readonly CalloutTrouble[];
  /** Whether the lane is one of a route that the operator wrote, rather than of some domain of the world. */
  isStatic(lane: LaneName): boolean;
  /** Renews tokens that are due, and returns those that fail. To be called every few seconds. */
  tend(): readonly Trouble[];
  /** The capture inbox, when a folder for it is set. */
  readonly capture: Capture | undefined;
  /** While it is set, the mail of an audit goes there, after the policy and before the routes. */
  audit: AuditSink | undefined;
  /**
   * The first half of a reload: throws a RangeError when the options cannot be used, and changes nothing. The returned
   * function is the second half, and cannot fail: it swaps the configuration. Running attempts end as they began; kept
   * sessions are closed. A `resolver` replaces the old one.
   */
  prepare(options: DeliveryOptions, parts?: { readonly resolver?: Resolver }): () => void;
}

/** Makes the delivery side. Throws a RangeError that names every problem of the routes. */
export function createDelivery(options: DeliveryOptions, parts: DeliveryParts): Delivery {
  return new Deliveries(options, parts);
}

/** The parts made from one configuration. */
interface Generation {
  readonly number: number;
  readonly router: Router;
  readonly context: TransportContext;
}

class Deliveries implements Delivery {
  readonly #parts: DeliveryParts;
  readonly #clock: Clock;
  readonly #log: Log<DeliveryEvents | BaseEvents>;
  readonly #background: Background;
  /** The health of hosts and the tokens outlive a reload. */
  readonly #memory: HostMemory;
  readonly #onward = new Onward();
  readonly #tokens: Tokens;
  /** The last time at which it was logged of a lane that mail passed it over. */
  readonly #toldAt = new Map<LaneName, number>();
  readonly #conversions = new Places(1);
  readonly #callouts: Callouts;
  #generation: Generation;
  #capture: Capture | undefined;
  #captureKey = '';

  constructor(options: DeliveryOptions, parts: DeliveryParts) {
    this.#parts = parts;
    this.#clock = parts.clock ?? systemClock;
    this.#log = parts.log ?? silentLog;
    this.#background = new Background(this.#log);
    this.#memory = new HostMemory(this.#clock, defaultLimits);
    const { fetch } = parts;
    const told = { clock: this.#clock, log: this.#log, background: this.#background };
    this.#tokens = new Tokens(fetch === undefined ? told : { ...told, fetch });
    this.#callouts = new Callouts({ clock: this.#clock, log: this.#log, options: calloutsOf(options) });
    this.#generation = this.#build(this.#route(options), options, { resolver: parts.resolver, number: 0 });
  }

  get capture(): Capture | undefined {
    return this.#capture;
  }

  audit: AuditSink | undefined;

  readonly assignLanes: AssignLanes = (envelope) =>
    this.audit?.takes(envelope) ? toAudit : this.#generation.router.assign(envelope);

  readonly deliver: Deliver = async (attempt, signal) => {
    try {
      if (attempt.lane === auditLane) return await this.#endAudited(attempt);
      const transport = this.#generation.router.resolveLane(attempt.lane);
      if (transport === undefined) throw new Error('no route leads to this lane');
      const result = await transport.deliver(attempt, this.#generation.context, signal);
      return completed(result, attempt.recipients, () => this.#pending(noAnswer));
    } catch (error) {
      this.#log.error('attempt-failed', { queueId: attempt.id, lane: attempt.lane, error: String(error) });
      const nothing = { statuses: new Map(), health: { kind: 'alive' } } as const;
      return completed(nothing, attempt.recipients, () => this.#pending(faultReply(error)));
    }
  };

  async verify(recipient: Address): Promise<Verification> {
    const { router, context } = this.#generation;
    const { remote } = router.transportFor(recipient);
    if (remote === undefined) return 'known';
    return await this.#callouts.verify(remote, recipient, context.remote);
  }

  get calloutTroubles(): readonly CalloutTrouble[] {
    return this.#callouts.troubles;
  }

  isStatic(lane: LaneName): boolean {
    return this.#generation.router.isStatic(lane);
  }

  tend(): readonly Trouble[] {
    const hosts = this.#memory.isEmpty ? [] : [...this.#generation.router.hosts()];
    const failing = hosts.flatMap(([subject, lanes]): Trouble[] => {
      const record = this.#memory.record(subject);
      if (record === undefined || !isProven(record)) return [];
      return [{ kind: 'host', subject, since: record.since, because: formatReplyText(record.reply), lanes }];
    });
    return [...this.#tokens.tend(), ...failing];
  }

  get generation(): number {
    return this.#generation.number;
  }

  prepare(options: DeliveryOptions, parts: { readonly resolver?: Resolver } = {}): () => void {
    const router = this.#route(options);
    return () => {
      const old = this.#generation;
      const { resolver = old.context.remote.targets.resolver } = parts;
      this.#generation = this.#build(router, options, { resolver, number: old.number + 1 });
      this.#callouts.reload(calloutsOf(options));
      old.context.remote.pool.close();
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#generation.context.remote.pool.close();
    this.#tokens.close();
    await this.#background.drain();
  }

  readonly keeps = (lane: LaneName): boolean => lane === auditLane;

  /** A run that was cut off ends here, too. */
  async #endAudited(attempt: Attempt): Promise<AttemptResult> {
    const lanes = this.#generation.router.assign(attempt.envelope).map(({ lane }) => lane);
    await this.audit?.arrived(attempt, lanes);
    return auditResult(attempt, this.#clock.now());
  }

  #pending(why: Reply): RecipientStatus {
    return { status: 'pending', at: this.#clock.now(), reply: why };
  }

  /** The part of a configuration that can be wrong: throws a RangeError, and changes nothing. */
  #route(options: DeliveryOptions): Router {
    return new Router(options, (lane, sender) => this.#tellPassedOver(lane, sender));
  }

  /** Puts a configuration in force, with the tokens, the capture inbox and the limits that outlive it. Cannot fail. */
  #build(
    router: Router,
    options: DeliveryOptions,
    { resolver, number }: { readonly resolver: Resolver; readonly number: number },
  ): Generation {
    const limits = { ...defaultLimits, ...options.limits };
    this.#memory.reload(limits);
    this.#tokens.use(router.accounts());
    this.#openCapture(options);
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
      onward: this.#onward,
      random,
      mxPort: options.mxPort ?? 25,
      memory: this.#memory,
    };
    const dialer = new Dialer({
      helo: options.hostname,
      clock: this.#clock,
      log: this.#log,
      tokens: this.#tokens,
      memory: this.#memory,
      onward: this.#onward,
      ...(timeouts === undefined ? {} : { timeouts }),
    });
    const pool = new SessionPool(limits, this.#clock, this.#background);
    const remote = {
      pool,
      dialer,
      targets,
      balance: new Balance(),
      limits,
      conversions: { maxBytes: limits.conversionBytes, places: this.#conversions },
      log: this.#log,
      now,
    };
    const { hasMailbox = () => true } = options;
    return { number, router, context: { now, remote, hasMailbox, capture: this.#capture } };
  }

  /** Logged once a minute and lane: a whole queue may be passed over. */
  #tellPassedOver(lane: LaneName, { reversePath, origin }: Parameters<OnPassedOver>[1]): void {
    const now = this.#clock.now();
    if (now - (this.#toldAt.get(lane) ?? Number.NEGATIVE_INFINITY) < passedOverMs) return;
    if (this.#toldAt.size >= maxTold) this.#toldAt.clear();
    this.#toldAt.set(lane, now);
    this.#log.warn('route-passed-over', {
      lane,
      from: reversePath?.text ?? '',
      ground: origin?.ground,
      because: 'it has credentials, and the ground does not bind the sender; anySender: true waives that',
    });
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

/** One connection that was refused is an accident, and nothing may have been sent there since. */
function isProven({ failures, broken }: HostRecord): boolean {
  return failures > 1 || (failures > 0 && broken > 1);
}

function calloutsOf({ callouts }: DeliveryOptions): CalloutOptions {
  const { connections = 4, unknown = noSuchRecipient } = callouts ?? {};
  return { connections, unknown: new Set(unknown) };
}

/** Every address of this machine. */
function interfaceAddresses(): readonly string[] {
  return Object.values(networkInterfaces()).flatMap((addresses) =>
    (addresses ?? []).map(({ address }) => address),
  );
}
