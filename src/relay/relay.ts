import { chmod, chown, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type Control,
  openControlSocket,
  type RelayStatus,
  type ReloadOutcome,
  watchMaildrop,
} from '../admin/index.ts';
import { Background, type Clock, type Log, packageVersion, systemClock } from '../base/index.ts';
import { type Config, diffConfig } from '../config/index.ts';
import { createDelivery, type Delivery } from '../delivery/index.ts';
import { createResolver, type Resolver } from '../dns/index.ts';
import { cacheVerification, type VerifyRecipient } from '../policy/index.ts';
import { Operator, Queue, type QueueParts, sweep } from '../queue/index.ts';
import { type ListeningAddress, Receiver, type ReceiverSettings } from '../receiver/index.ts';
import { openSpool, type Spool } from '../spool/index.ts';
import { type Account, dropPrivileges, findAccount, userName } from './accounts.ts';
import { createClientNames } from './client-names.ts';
import { createControl } from './control.ts';
import { Followers } from './followers.ts';
import { createIntake } from './intake.ts';
import { createLetterIntake } from './letter.ts';
import type { LocalParts } from './local-message.ts';
import { createNotifier } from './notifier.ts';
import { deliveryOptions, listenerOptions, queueOptions, receiverSettings } from './settings.ts';

/** What `startRelay` is given. */
export interface RelayOptions {
  readonly config: Config;
  readonly log: Log;
  readonly clock?: Clock;
  /** Reads the configuration anew, for a reload by the control socket. Rejects with what is wrong with it. */
  readonly reload: () => Promise<Config>;
  /** Free octets where the spool is; a test passes its own. */
  readonly freeBytes?: () => number;
}

const sweepMs = 60_000;
const callerNameMs = 5_000;

/** Starts a relay; resolves when every listener accepts. */
export function startRelay(options: RelayOptions): Promise<Relay> {
  return Relay.start(options);
}

/** A running relay: configuration in, mail relayed, until it is drained. */
export class Relay implements AsyncDisposable {
  readonly #options: RelayOptions;
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #background: Background;
  readonly #spool: Spool;
  readonly #queue: Queue;
  readonly #queueParts: QueueParts;
  readonly #receiver: Receiver;
  readonly #delivery: Delivery;
  readonly #verify: VerifyRecipient;
  readonly #startedAt: number;
  #resolver: Resolver;
  #config: Config;
  #addresses: readonly ListeningAddress[] = [];
  #drained: Promise<void> | undefined;
  readonly #disposables = new AsyncDisposableStack();
  readonly control: Control;

  private constructor(options: RelayOptions, spool: Spool) {
    const clock = options.clock ?? systemClock;
    const followers = new Followers();
    const log = followers.tap(options.log);
    this.#options = options;
    this.#config = options.config;
    this.#clock = clock;
    this.#log = log;
    this.#background = new Background(log);
    this.#spool = spool;
    this.#startedAt = clock.now();
    this.#resolver = openResolver(options.config, log);
    this.#delivery = createDelivery(deliveryOptions(options.config), {
      resolver: this.#resolver,
      clock,
      log,
    });
    this.#verify = cacheVerification((recipient) => this.#delivery.verify(recipient), { clock });
    this.#queueParts = this.#makeQueueParts();
    this.#queue = new Queue(this.#queueParts, queueOptions(options.config));
    const intake = createIntake({
      spool,
      queue: this.#queue,
      log,
      isDraining: () => this.#drained !== undefined,
    });
    this.#receiver = new Receiver(
      { intake, clock, log, background: this.#background },
      this.#receiverSettings(options.config, this.#resolver),
    );
    const local: LocalParts = {
      intake,
      clock,
      log,
      policy: () => this.#receiver.settings.policy,
      hostname: () => this.#config.hostname,
      maxMessageBytes: () => this.#config.limits.messageBytes,
    };
    this.control = createControl({
      spool,
      clock,
      operator: new Operator(this.#queue, this.#queueParts),
      status: () => this.#status(),
      reload: () => this.#reloadAsAsked(),
      local,
      followers,
      user: userName(process.getuid?.() ?? 0),
    });
    this.#local = local;
  }

  readonly #local: LocalParts;

  /** Opens everything and listens. What was opened is closed again when something fails. */
  static async start(options: RelayOptions): Promise<Relay> {
    const { config, log } = options;
    const account = config.user === undefined ? undefined : findAccount(config.user);
    await prepareFolder(config.data, account);
    const spool = await openSpoolAs(account, {
      path: join(config.data, 'spool'),
      log,
      floorBytes: config.spool.floorBytes,
      ...(options.clock === undefined ? {} : { clock: options.clock }),
      ...(options.freeBytes === undefined ? {} : { freeBytes: options.freeBytes }),
    });
    let relay: Relay | undefined;
    try {
      relay = new Relay(options, spool);
      await relay.#open(account);
      return relay;
    } catch (error) {
      if (relay === undefined) await spool[Symbol.asyncDispose]();
      else await relay[Symbol.asyncDispose]();
      throw error;
    }
  }

  get addresses(): readonly ListeningAddress[] {
    return this.#addresses;
  }

  async #open(account: Account | undefined): Promise<void> {
    const addresses: ListeningAddress[] = [];
    for (const options of listenerOptions(this.#config)) addresses.push(await this.#receiver.listen(options));
    this.#addresses = addresses;
    // Everything that needs privileges is done: ports below 1024 are bound, folders belong to the user.
    if (account !== undefined) dropPrivileges(account);
    const path = join(this.#config.data, 'control.sock');
    this.#disposables.use(await openControlSocket({ path, control: this.control, log: this.#log }));
    const { maildrop: folder, maxMessageBytes } = this.#config.sendmail;
    const [log, clock] = [this.#log, this.#clock];
    const intake = createLetterIntake({ local: this.#local, queue: this.#queueParts });
    this.#disposables.use(await watchMaildrop({ folder, maxMessageBytes, log, clock, intake }));
    await this.#queue.start();
    this.#sweepLater();
    for (const { name, role, address } of addresses)
      this.#log.info('listening', { listener: name, role, address });
  }

  /**
   * Builds everything that a new configuration asks for, then swaps it. Sessions and attempts end as they
   * began. Rejects, and changes nothing, when something cannot be built.
   */
  async reload(config: Config): Promise<void> {
    const before = this.#config;
    const next = { ...config, data: before.data, listeners: before.listeners, spool: before.spool };
    const resolver = openResolver(config, this.#log);
    let settings: ReceiverSettings;
    try {
      settings = this.#receiverSettings(next, resolver);
      this.#delivery.reload(deliveryOptions(config), { resolver });
    } catch (error) {
      await resolver[Symbol.asyncDispose]();
      throw error;
    }
    // Nothing fails from here on.
    const old = this.#resolver;
    this.#resolver = resolver;
    this.#config = next;
    this.#receiver.settings = settings;
    this.#queue.reload(queueOptions(config));
    await old[Symbol.asyncDispose]();
    this.#log.info('reloaded', { changes: describeChanges(before, config) });
  }

  /** The reload that an operator asks for and is told about. */
  async #reloadAsAsked(): Promise<ReloadOutcome> {
    const before = this.#config;
    try {
      const config = await this.#options.reload();
      await this.reload(config);
      return { outcome: 'reloaded', changes: describeChanges(before, config) };
    } catch (error) {
      const problems = (error instanceof Error ? error.message : String(error)).split('\n');
      this.#log.error('reload-refused', { problems });
      return { outcome: 'refused', problems };
    }
  }

  /** Takes no more mail, lets what is under way end until `signal` aborts, and closes everything. */
  drain(signal: AbortSignal): Promise<void> {
    this.#drained ??= this.#drainOnce(signal);
    return this.#drained;
  }

  async #drainOnce(signal: AbortSignal): Promise<void> {
    await this.#receiver.drain(signal);
    await this.#disposables[Symbol.asyncDispose]();
    await this.#queue.drain(signal);
    await this.#background.drain();
    await this.#delivery[Symbol.asyncDispose]();
    await this.#resolver[Symbol.asyncDispose]();
    await this.#spool[Symbol.asyncDispose]();
    this.#log.info('stopped');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.drain(AbortSignal.abort());
  }

  #makeQueueParts(): QueueParts {
    const [spool, clock, log] = [this.#spool, this.#clock, this.#log];
    return {
      spool,
      clock,
      log,
      background: this.#background,
      random: Math.random,
      deliver: this.#delivery.deliver,
      routing: this.#delivery,
      notify: createNotifier({
        spool,
        clock,
        log,
        queue: () => this.#queue,
        settings: () => ({
          hostname: this.#config.hostname,
          postmaster: this.#config.postmaster,
          maxReturnedBytes: this.#config.notifications.maxReturnedBytes,
        }),
      }),
    };
  }

  #receiverSettings(config: Config, resolver: Resolver): ReceiverSettings {
    const clientName = createClientNames(resolver, callerNameMs);
    return receiverSettings(config, { verify: this.#verify, clientName });
  }

  #sweepLater(): void {
    const cancel = this.#clock.after(sweepMs, () => {
      if (this.#drained !== undefined) return;
      const swept = sweep(this.#queue, this.#queueParts).finally(() => this.#sweepLater());
      this.#background.run('sweep', swept);
    });
    if (this.#drained !== undefined) cancel();
  }

  #status(): RelayStatus {
    const health = this.#spool.health();
    return {
      version: packageVersion(),
      pid: process.pid,
      hostname: this.#config.hostname,
      startedAt: this.#startedAt,
      state: this.#drained === undefined ? 'running' : 'draining',
      spool: health.state === 'ok' ? 'ok' : JSON.stringify(health),
      messages: this.#spool.count(),
      sessions: this.#receiver.sessionCount,
      listeners: this.#addresses.map(({ name, role, address }) => ({ name, role, address })),
    };
  }
}

/** For people: what changed, and what of it has to wait for a restart. */
function describeChanges(before: Config, after: Config): string[] {
  return diffConfig(before, after).map(
    ({ path, what, effect }) =>
      `${path} ${what}${effect === 'reload' ? '' : ' (takes effect at the next start)'}`,
  );
}

function openResolver(config: Config, log: Log): Resolver {
  const { servers, timeoutMs } = config.dns;
  return createResolver({
    timeoutMs,
    log,
    ...(servers === undefined
      ? {}
      : { servers: servers.map(({ host, port }) => `${host.includes(':') ? `[${host}]` : host}:${port}`) }),
  });
}

/** The data folder exists, belongs to the user that the relay becomes, and is closed to others. */
async function prepareFolder(data: string, account: Account | undefined): Promise<void> {
  await mkdir(data, { recursive: true, mode: 0o755 });
  if (account === undefined || process.getuid?.() !== 0) return;
  await chown(data, account.uid, account.gid);
  await chmod(data, 0o755);
}

/** Opens the spool with files that belong to the user that the relay becomes. */
async function openSpoolAs(
  account: Account | undefined,
  options: Parameters<typeof openSpool>[0],
): Promise<Spool> {
  if (account !== undefined && process.getuid?.() === 0) {
    process.setegid?.(account.gid);
    process.seteuid?.(account.uid);
    try {
      return await openSpool(options);
    } finally {
      process.seteuid?.(0);
      process.setegid?.(0);
    }
  }
  return await openSpool(options);
}
