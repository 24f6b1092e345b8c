import { join } from 'node:path';
import {
  type Control,
  type ExplanationAnswer,
  openControlSocket,
  openWindowEndpoint,
  type Question,
  type ReloadOutcome,
} from '../admin/index.ts';
import { audit } from '../audit/index.ts';
import {
  type Account,
  type Clock,
  dropPrivileges,
  findAccount,
  type Log,
  systemClock,
  userName,
} from '../base/index.ts';
import { RelayClearinghouse } from '../clearinghouse/index.ts';
import { type Config, diffConfig } from '../config/index.ts';
import { createResolver, type Resolver } from '../dns/index.ts';
import type { GuardMemory } from '../guard/index.ts';
import { guardOptions, openGuardMemory } from '../guard/index.ts';
import { createIdentities, proxiesOf, Throttle } from '../identity/index.ts';
import type { ListeningAddress } from '../receiver/index.ts';
import type { Spool } from '../spool/index.ts';
import type { Store } from '../store/index.ts';
import { watchMaildrop } from '../submission/index.ts';
import { configWarnings } from './checks.ts';
import { createControl } from './control.ts';
import { openData } from './data-folder.ts';
import { explain } from './explain.ts';
import { type Current, createParts, type Parts, sessionSettings } from './parts.ts';
import {
  deliveryOptions,
  listenerOptions,
  policyOptions,
  queueOptions,
  resolverOptions,
} from './settings.ts';
import { openState } from './state.ts';
import { relayStatus } from './status.ts';
import { sweepRegularly } from './sweeper.ts';

/** What `startRelay` is given. */
export interface RelayOptions {
  readonly config: Config;
  readonly log: Log;
  readonly clock?: Clock;
  /** Reads the configuration anew. Rejects with what is wrong with it, one problem a line. */
  readonly reload: () => Promise<Config>;
  /** Free octets where the spool is; a test passes its own. */
  readonly freeBytes?: () => number;
}

/** Starts a relay; resolves when every listener accepts. */
export function startRelay(options: RelayOptions): Promise<Relay> {
  return Relay.start(options);
}

/** What is open before there is a relay. */
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
  /** Control socket, maildrop and sweeps: what ends before the queue does. */
  readonly #doors = new AsyncDisposableStack();
  #drained: Promise<void> | undefined;
  readonly control: Control;

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
      addresses: [],
      otherAddresses: [],
      isDraining: false,
      startedAt,
    };
    this.#parts = createParts({ spool, state, guardMemory, current: this.#current, clock, log });
    const { operator } = this.#parts;
    this.control = createControl({
      ...this.#parts,
      operator,
      clearinghouse: () => this.#current.clearinghouse,
      status: () => relayStatus(this.#parts, this.#current),
      reload: () => this.#reload(),
      explain: (question) => this.#explain(question),
      audit: () =>
        audit({
          ...this.#parts,
          operator,
          config: () => this.#current.config,
          addresses: () => this.#current.addresses,
        }),
      user: userName(process.getuid?.() ?? 0),
    });
  }

  /** Opens everything and listens. What was opened is closed again when something fails. */
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
    const resolver = opened.use(createResolver({ ...resolverOptions(config), log }));
    const relay = opened.use(new Relay(options, { spool, state, guardMemory, resolver, clock }));
    await relay.#open(account);
    opened.move();
    return relay;
  }

  get addresses(): readonly ListeningAddress[] {
    return [...this.#current.addresses, ...this.#current.otherAddresses];
  }

  /** Listens, gives up privileges, and begins to work. */
  async #open(account: Account | undefined): Promise<void> {
    const { log, clock, receiver, queue, guard, trap, pop3, letters: intake } = this.#parts;
    const { config } = this.#current;
    const addresses: ListeningAddress[] = [];
    // Nobody is greeted before everything is there that a message is judged by.
    const greet = receiver.hold();
    for (const options of listenerOptions(config)) addresses.push(await receiver.listen(options));
    this.#current.addresses = addresses;
    this.#current.otherAddresses = [...(await pop3.listen()), ...(await this.#openWindowEndpoint())];
    // Everything that needs privileges is done: ports below 1024 are bound, folders belong to the user.
    if (account !== undefined) dropPrivileges(account);
    await this.#openClearinghouse(config);
    const path = join(config.data, 'control.sock');
    this.#doors.use(await openControlSocket({ path, control: this.control, log }));
    const { maildrop: folder, maxMessageBytes } = config.sendmail;
    this.#doors.use(await watchMaildrop({ folder, maxMessageBytes, log, clock, intake }));
    await trap.open(config);
    this.#doors.use(trap);
    await queue.start();
    guard.start();
    this.#doors.use(sweepRegularly(this.#parts));
    this.#doors.use(this.#parts.watchdog).start();
    greet();
    for (const { path: at, message } of configWarnings(config))
      log.warn('config-warning', { path: at, because: message });
    for (const { name, role, address } of this.addresses)
      log.info('listening', { listener: name, role, address });
  }

  /** It is closed with the other doors, and what it has counted is written down then. */
  async #openClearinghouse({ clearinghouse: options }: Config): Promise<void> {
    if (options === undefined) return;
    const { clock, log } = this.#parts;
    const clearinghouse = this.#doors.use(
      await RelayClearinghouse.open(options, { clock, log, resolver: () => this.#current.resolver }),
    );
    this.#current.clearinghouse = clearinghouse;
    this.#current.otherAddresses = [...this.#current.otherAddresses, ...clearinghouse.addresses];
  }

  /** Where programs report logins, if anywhere. It is closed with the other doors. */
  async #openWindowEndpoint(): Promise<readonly ListeningAddress[]> {
    const { windows, clock, log } = this.#parts;
    const events = this.#current.config.relay.popBeforeSmtp?.events;
    if (events === undefined) return [];
    const endpoint = this.#doors.use(await openWindowEndpoint({ ...events, windows, clock, log }));
    const { address, port } = endpoint;
    return [{ name: 'windows', role: 'http', address, host: events.host, port }];
  }

  #explain(question: Question): Promise<ExplanationAnswer> {
    const { config, identities } = this.#current;
    const identityOf = (name: string) => identities.identities.identityOf(name);
    return explain({ config, policy: policyOptions(config, this.#parts.facts), identityOf }, question);
  }

  /** The new configuration as a whole, or the old one and what is wrong with the new one. */
  async #reload(): Promise<ReloadOutcome> {
    const before = this.#current.config;
    try {
      const config = await this.#options.reload();
      const changes = describeChanges(before, config);
      await this.#swap(config);
      this.#parts.log.info('reloaded', { changes });
      return { outcome: 'reloaded', changes };
    } catch (error) {
      const problems = (error instanceof Error ? error.message : String(error)).split('\n');
      this.#parts.log.error('reload-refused', { because: 'the configuration in force stays', problems });
      return { outcome: 'refused', problems };
    }
  }

  /**
   * Builds everything that a new configuration asks for, then swaps it. Sessions and attempts end as they
   * began. Rejects, and changes nothing, when something cannot be built.
   */
  async #swap(config: Config): Promise<void> {
    const { receiver, delivery, queue, facts, guard, windows, clock, log } = this.#parts;
    const { data, listeners, pop3, spool, clearinghouse } = this.#current.config;
    const resolver = createResolver({ ...resolverOptions(config), log });
    let unused = resolver;
    // One that was not there before is opened at the next start, and until then its rules are about nothing.
    const { clearinghouse: _, ...others } = config;
    const next = { ...others, data, listeners, pop3, spool, ...(clearinghouse && { clearinghouse }) };
    const { throttle } = this.#current;
    const identities = createIdentities(next, { throttle, clock, log });
    let idle = identities;
    try {
      const settings = sessionSettings({ config: next, resolver, identities }, { facts, guard });
      delivery.reload(deliveryOptions(config), { resolver });
      // Nothing fails from here on.
      unused = this.#current.resolver;
      idle = this.#current.identities;
      this.#current.config = next;
      this.#current.resolver = resolver;
      this.#current.identities = identities;
      receiver.settings = settings;
      queue.reload(queueOptions(config));
      guard.reload(guardOptions(config.guard));
      windows.reload();
    } finally {
      idle.close();
      await unused[Symbol.asyncDispose]();
    }
  }

  /** Takes no more mail, lets what is under way end until `signal` aborts, and closes everything. */
  drain(signal: AbortSignal): Promise<void> {
    this.#drained ??= this.#drainOnce(signal);
    return this.#drained;
  }

  async #drainOnce(signal: AbortSignal): Promise<void> {
    const { receiver, pop3, queue, background, delivery, spool, state, log } = this.#parts;
    this.#current.isDraining = true;
    await Promise.all([receiver.drain(signal), pop3.drain(signal)]);
    await this.#doors[Symbol.asyncDispose]();
    await queue.drain(signal);
    await background.drain();
    await delivery[Symbol.asyncDispose]();
    this.#current.identities.close();
    await this.#current.resolver[Symbol.asyncDispose]();
    await state[Symbol.asyncDispose]();
    await spool[Symbol.asyncDispose]();
    log.info('stopped');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.drain(AbortSignal.abort());
  }
}

/** For people: what changed, and what of it has to wait for a restart. */
function describeChanges(before: Config, after: Config): string[] {
  return diffConfig(before, after).map(
    ({ path, what, effect }) =>
      `${path} ${what}${effect === 'reload' ? '' : ' (takes effect at the next start)'}`,
  );
}
