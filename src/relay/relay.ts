/** The composition root: opens the features of a relay, swaps its configuration, and drains it. */
import { join } from 'node:path';
import { type ServedCommand, serve } from '../admin/index.ts';
import {
  type Account,
  type AnyEvent,
  type Clock,
  dropPrivileges,
  findAccount,
  type Log,
  packageVersion,
  systemClock,
} from '../base/index.ts';
import { type Config, diffConfig, listensByDefault } from '../config/index.ts';
import { createResolver, type Resolver } from '../dns/index.ts';
import { type GuardMemory, openGuardMemory } from '../guard/index.ts';
import { createIdentities, proxiesOf, Throttle } from '../identity/index.ts';
import { listenFault } from '../net/index.ts';
import type { ListeningAddress } from '../receiver/index.ts';
import type { Spool } from '../spool/index.ts';
import type { Store } from '../store/index.ts';
import { configWarnings } from './checks.ts';
import {
  type ExplanationAnswer,
  type Question,
  type RelayStatus,
  type ReloadOutcome,
  relayCommands,
} from './commands.ts';
import { openData } from './data-folder.ts';
import { explain } from './explain.ts';
import { bindAll, drainAll, type Feature, openAll, prepareAll } from './feature.ts';
import { listFeatures } from './features.ts';
import { type Current, createParts, type Parts } from './parts.ts';
import { policyOptions } from './settings.ts';
import { openState } from './state.ts';

/** The options of `startRelay`. */
export interface RelayOptions {
  readonly config: Config;
  readonly log: Log<AnyEvent>;
  readonly clock?: Clock;
  /** Reads the configuration anew. Rejects with its problems, one a line. */
  readonly reload: () => Promise<Config>;
  /** Free octets where the spool is; a test passes its own. */
  readonly freeBytes?: () => number;
}

/** Starts a relay; resolves when every listener accepts. */
export function startRelay(options: RelayOptions): Promise<Relay> {
  return Relay.start(options);
}

/** The resources that are open before there is a relay. */
interface Opened {
  readonly spool: Spool;
  readonly state: Store;
  readonly guardMemory: GuardMemory;
  readonly resolver: Resolver;
  readonly clock: Clock;
}

/** A running relay: configuration in, mail relayed, until it is drained. */
export class Relay implements AsyncDisposable {
  readonly #options: RelayOptions;
  readonly #current: Current;
  readonly #parts: Parts;
  readonly #features: readonly Feature[];
  #reloading: Promise<unknown> = Promise.resolve();
  #drained: Promise<void> | undefined;

  private constructor(options: RelayOptions, { spool, state, guardMemory, resolver, clock }: Opened) {
    const { config, log } = options;
    this.#options = options;
    const throttle = new Throttle(clock, (address) => proxiesOf(this.#current.config).has(address));
    const identities = createIdentities(config, { throttle, clock, log });
    const startedAt = clock.now();
    this.#current = {
      config,
      resolver,
      identities,
      throttle,
      isDraining: false,
      startedAt,
    };
    this.#parts = createParts({ spool, state, guardMemory, current: this.#current, clock, log });
    this.#features = listFeatures(this.#parts, this.#current, () => this.#commands());
  }

  #commands(): readonly ServedCommand[] {
    const own = serve(relayCommands, {
      status: async () => this.#status(),
      reload: () => this.reload(),
      explain: (question) => this.#explain(question),
    });
    return [...own, ...this.#features.flatMap(({ commands = [] }) => commands)];
  }

  /** Opens everything and listens. If something fails, everything opened is closed again. */
  static async start(options: RelayOptions): Promise<Relay> {
    const { config, log, clock = systemClock, freeBytes } = options;
    const { data: folder, user } = config;
    const { floorBytes } = config.spool;
    const account = user === undefined ? undefined : findAccount(user);
    await using opened = new AsyncDisposableStack();
    const room = { floorBytes, ...(freeBytes && { freeBytes }) };
    const spool = opened.use(await openData({ folder, account, log, clock, ...room }));
    const state = opened.use(await openState({ folder, account, clock, log }));
    const guardMemory = await openGuardMemory(join(folder, 'guard.json'), { clock, log });
    const resolver = opened.use(createResolver({ ...config.dns, log }));
    const relay = opened.use(new Relay(options, { spool, state, guardMemory, resolver, clock }));
    await relay.#open(account);
    opened.move();
    return relay;
  }

  get addresses(): readonly ListeningAddress[] {
    return this.#features.toReversed().flatMap((feature) => feature.addresses?.() ?? []);
  }

  /** Listens, gives up privileges, and begins to work. */
  async #open(account: Account | undefined): Promise<void> {
    const { config } = this.#current;
    const { log } = this.#parts;
    await bindAll(this.#features, config);
    // Everything that needs privileges is done: ports below 1024 are bound, folders belong to the user.
    if (account !== undefined) dropPrivileges(account);
    await openAll(this.#features, config);
    for (const { path: at, message } of configWarnings(config))
      log.warn('config-warning', { path: at, because: message });
    this.#tellAddresses();
  }

  #tellAddresses(isTold: (listening: ListeningAddress) => boolean = () => true): void {
    for (const { name, role, address } of this.addresses.filter(isTold))
      this.#parts.log.info('listening', { listener: name, role, address });
  }

  /** The relay at a glance. */
  #status(): RelayStatus {
    const { config, isDraining, startedAt } = this.#current;
    const root: RelayStatus = {
      version: packageVersion(),
      pid: process.pid,
      hostname: config.hostname,
      startedAt,
      state: isDraining ? 'draining' : 'running',
      spool: 'ok',
      messages: 0,
      sessions: 0,
      listeners: this.addresses.map(({ name, role, address }) => ({ name, role, address })),
    };
    return Object.assign(root, ...this.#features.map((feature) => feature.status?.()));
  }

  #explain(question: Question): Promise<ExplanationAnswer> {
    const { config, identities } = this.#current;
    const identityOf = (name: string) => identities.identities.identityOf(name);
    return explain({ config, policy: policyOptions(config, this.#parts.facts), identityOf }, question);
  }

  /**
   * Takes the new configuration as a whole, or keeps the old one and returns the problems. One reload after the other.
   */
  reload(): Promise<ReloadOutcome> {
    const outcome = this.#reloading.then(() => this.#reloadOnce());
    this.#reloading = outcome;
    return outcome;
  }

  async #reloadOnce(): Promise<ReloadOutcome> {
    const { config: before, isDraining } = this.#current;
    try {
      if (isDraining) throw new Error('the relay is shutting down');
      const config = await this.#options.reload();
      checkListeners(before, config);
      const changes = describeChanges(before, config);
      const known = new Set(this.addresses.map(({ address }) => address));
      await this.#swap(config);
      this.#tellAddresses(({ address }) => !known.has(address));
      this.#parts.log.info('reloaded', { changes });
      return { outcome: 'reloaded', changes };
    } catch (error) {
      const said = listenFault(error) ?? (error instanceof Error ? error.message : String(error));
      const problems = said.split('\n');
      this.#parts.log.error('reload-refused', { because: 'the configuration in force stays', problems });
      return { outcome: 'refused', problems };
    }
  }

  /**
   * Builds everything that a new configuration asks for, then swaps it. Sessions and attempts end as they
   * began. Rejects, and changes nothing, when something cannot be built.
   */
  async #swap(config: Config): Promise<void> {
    const { clock, log } = this.#parts;
    const { throttle, config: before } = this.#current;
    const { data, spool, clearinghouse } = before;
    // Its doors are those of the moment; all the rest is opened at the start. One that was not there before waits for it.
    const { clearinghouse: wanted, ...others } = config;
    const kept = clearinghouse && { ...clearinghouse, doors: wanted?.doors ?? clearinghouse.doors };
    const next = { ...others, data, spool, ...(kept && { clearinghouse: kept }) };
    const resolver = createResolver({ ...config.dns, log });
    const identities = createIdentities(next, { throttle, clock, log });
    let unused: Pick<Current, 'resolver' | 'identities'> = { resolver, identities };
    try {
      const prepared = await prepareAll(this.#features, { config: next, resolver, identities });
      // Nothing fails from here on.
      unused = { resolver: this.#current.resolver, identities: this.#current.identities };
      prepared.commit();
    } finally {
      unused.identities.close();
      await unused.resolver[Symbol.asyncDispose]();
    }
  }

  /** Takes no more mail, lets running work end until `signal` aborts, and closes everything. */
  drain(signal: AbortSignal): Promise<void> {
    this.#drained ??= this.#drainOnce(signal);
    return this.#drained;
  }

  async #drainOnce(signal: AbortSignal): Promise<void> {
    this.#current.isDraining = true;
    // Listeners that a reload has bound are closed with the rest.
    await this.#reloading;
    await drainAll(this.#features, signal);
    this.#parts.log.info('stopped');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.drain(AbortSignal.abort());
  }
}

/**
 * Refuses to go to the default listener from others. A file that is empty, or that was read before it was written to its
 * end, is a valid one without `listeners`, and would take the relay off the air.
 */
function checkListeners(before: Config, after: Config): void {
  if (!listensByDefault(after) || listensByDefault(before)) return;
  throw new Error(
    `listeners: 127.0.0.1:2525 alone is what a file without this key means; write the listeners, or restart if it is meant`,
  );
}

/** For people: the changes, and those among them that wait for a restart. */
function describeChanges(before: Config, after: Config): string[] {
  return diffConfig(before, after).map(
    ({ path, what, effect }) =>
      `${path} ${what}${effect === 'restart' ? ' (takes effect at the next start)' : ''}`,
  );
}
