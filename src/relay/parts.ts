import type { DropIntake } from '../admin/index.ts';
import { Background, type Clock, type Log } from '../base/index.ts';
import type { Config } from '../config/index.ts';
import { createDelivery, type Delivery } from '../delivery/index.ts';
import type { Resolver } from '../dns/index.ts';
import { RouteWatch } from '../guard/index.ts';
import { cacheVerification, watchNames } from '../policy/index.ts';
import { Queue, type QueueParts } from '../queue/index.ts';
import { type ListeningAddress, Receiver, type ReceiverSettings } from '../receiver/index.ts';
import type { Spool } from '../spool/index.ts';
import { createClientNames } from './client-names.ts';
import { createClientTruth, createInterfaceNetworks } from './client-truth.ts';
import { Followers } from './followers.ts';
import { createIntake } from './intake.ts';
import { createLetterIntake } from './letter.ts';
import type { LocalParts } from './local-message.ts';
import { createNotifier } from './notifier.ts';
import {
  deliveryOptions,
  noticeSettings,
  queueOptions,
  type ReceiverFacts,
  receiverSettings,
} from './settings.ts';
import { RelayWatchdog, watched } from './watchdog.ts';

/** What changes while a relay runs; its parts look here each time. */
export interface Current {
  config: Config;
  resolver: Resolver;
  addresses: readonly ListeningAddress[];
  isDraining: boolean;
  readonly startedAt: number;
}

/** What the parts are made of. */
export interface PartsOptions {
  readonly spool: Spool;
  readonly current: Current;
  readonly clock: Clock;
  readonly log: Log;
}

/** What works in a relay, each given the others that it needs. Nothing runs yet. */
export interface Parts extends Omit<PartsOptions, 'current'> {
  readonly background: Background;
  readonly followers: Followers;
  readonly delivery: Delivery;
  /** What sessions know besides the configuration. */
  readonly facts: Omit<ReceiverFacts, 'clientName'>;
  readonly queue: Queue;
  readonly queueParts: QueueParts;
  readonly receiver: Receiver;
  readonly local: LocalParts;
  readonly letters: DropIntake;
  readonly watchdog: RelayWatchdog;
}

/** Joins the modules. */
export function createParts({ spool, current, clock, log: baseLog }: PartsOptions): Parts {
  const { config, resolver } = current;
  const followers = new Followers();
  const log = followers.tap(baseLog);
  const background = new Background(log);
  const delivery = createDelivery(deliveryOptions(config), { resolver, clock, log });
  const routeWatch = new RouteWatch(clock);
  const verify = cacheVerification((recipient) => delivery.verify(recipient), { clock });
  const settings = () => noticeSettings(current.config);
  const queueParts: QueueParts = {
    spool,
    clock,
    log,
    background,
    random: Math.random,
    deliver: watched(delivery.deliver, routeWatch),
    routing: delivery,
    notify: createNotifier({ spool, clock, log, settings, queue: () => queue }),
  };
  const queue = new Queue(queueParts, queueOptions(config));
  const intake = createIntake({ spool, queue, log, isDraining: () => current.isDraining });
  const facts: Parts['facts'] = {
    verify,
    untruth: createClientTruth(clock),
    interfaceHas: createInterfaceNetworks(clock),
    noteName: watchNames({ log, clock }),
  };
  const receiver = new Receiver({ intake, clock, log, background }, sessionSettings(current, facts));
  const local: LocalParts = {
    intake,
    clock,
    log,
    policy: () => receiver.settings.policy,
    hostname: () => current.config.hostname,
    maxMessageBytes: () => current.config.limits.messageBytes,
  };
  const watchdog = new RelayWatchdog({
    spool,
    queue,
    delivery,
    routeWatch,
    local,
    clock,
    log,
    background,
    config: () => current.config,
  });
  const letters = createLetterIntake({ local, queue: queueParts });
  return {
    spool,
    clock,
    log,
    background,
    followers,
    delivery,
    facts,
    queue,
    queueParts,
    receiver,
    local,
    letters,
    watchdog,
  };
}

/** What sessions that begin now work with. Throws when the certificate and its key cannot be used. */
export function sessionSettings(
  { config, resolver }: Pick<Current, 'config' | 'resolver'>,
  facts: Omit<ReceiverFacts, 'clientName'>,
): ReceiverSettings {
  return receiverSettings(config, { ...facts, clientName: createClientNames(resolver) });
}
