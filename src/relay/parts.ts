/** Joins the modules of a relay. */
import { Audits } from '../audit/index.ts';
import { type AnyEvent, Background, type Clock, type Log, LogHub } from '../base/index.ts';
import type { ClearinghouseServer } from '../clearinghouse/index.ts';
import type { Config } from '../config/index.ts';
import { createDelivery, type Delivery, personalMailbox } from '../delivery/index.ts';
import type { Resolver } from '../dns/index.ts';
import { createClientNames } from '../dns/index.ts';
import {
  createGuard,
  type Guard,
  type GuardMemory,
  guardDelivery,
  RouteWatch,
  Watchdog,
  watched,
} from '../guard/index.ts';
import type { Throttle } from '../identity/index.ts';
import { type IdentitySources, PopBeforeSmtp } from '../identity/index.ts';
import {
  askingAgain,
  createDropIntake,
  type LocalParts,
  type OwnPolicy,
  withUndecided,
} from '../local-mail/index.ts';
import type { DropIntake } from '../maildrop/index.ts';
import { createNotifier, sendAlarmNotice, tellOfHold } from '../notices/index.ts';
import {
  cacheVerification,
  createClientTruth,
  createInterfaceNetworks,
  createOwnAddresses,
  destinationOf,
  type PolicyOptions,
  watchNames,
} from '../policy/index.ts';
import { PopListeners } from '../pop3/index.ts';
import { Operator, Queue, type QueueParts } from '../queue/index.ts';
import { Lenience, Receiver, type ReceiverSettings, type Screening } from '../receiver/index.ts';
import type { Spool } from '../spool/index.ts';
import type { Store } from '../store/index.ts';
import { TrapArchive } from '../trap/index.ts';
import type { RelayEvents } from './events.ts';
import { createIntake } from './intake.ts';
import { createChecks } from './screening.ts';
import {
  deliveryOptions,
  noticeSettings,
  policyOptions,
  type ReceiverFacts,
  receiverSettings,
} from './settings.ts';

/** The state that a reload exchanges; the parts of a relay read it anew each time. */
export interface Current {
  config: Config;
  resolver: Resolver;
  identities: IdentitySources;
  /** Of all doors. */
  readonly throttle: Throttle;
  /** Where the configuration has one, once it is open. */
  clearinghouse?: ClearinghouseServer;
  isDraining: boolean;
  readonly startedAt: number;
}

/** The resources from which the parts are made. */
export interface PartsOptions {
  readonly spool: Spool;
  readonly state: Store;
  readonly guardMemory: GuardMemory;
  readonly current: Current;
  readonly clock: Clock;
  readonly log: Log<AnyEvent>;
}

/** The parts of a relay, each connected with the others that it needs. Nothing runs yet. */
export interface Parts extends Omit<PartsOptions, 'current' | 'guardMemory' | 'log'> {
  readonly log: Log<RelayEvents>;
  readonly background: Background;
  readonly events: LogHub<RelayEvents>;
  readonly audits: Audits;
  readonly delivery: Delivery;
  /** The facts that sessions use beside the configuration. */
  readonly facts: Omit<ReceiverFacts, 'clientName'>;
  readonly queue: Queue;
  readonly queueParts: QueueParts & { readonly log: Log<RelayEvents> };
  readonly operator: Operator;
  readonly guard: Guard;
  /** The checks that mail passes under a configuration. */
  readonly screening: (config: Config) => Screening;
  readonly trap: TrapArchive;
  readonly receiver: Receiver;
  readonly windows: PopBeforeSmtp;
  readonly pop3: PopListeners;
  readonly local: LocalParts;
  readonly dropIntake: DropIntake;
  readonly watchdog: Watchdog;
}

/** Joins the modules. */
export function createParts(options: PartsOptions): Parts {
  const { spool, state, guardMemory, current, clock } = options;
  const { config, resolver } = current;
  const events: Parts['events'] = new LogHub(options.log);
  const log: Log<RelayEvents> = events.log;
  const audits = new Audits();
  const background = new Background(log);
  const delivery = createDelivery(deliveryOptions(config), { resolver, clock, log });
  const routeWatch = new RouteWatch(clock);
  const { facts, windows, own } = createFacts({ state, current, delivery, clock, log });
  const settings = () => noticeSettings(current.config);
  const deliver = askingAgain(watched(delivery.deliver, routeWatch), { ...own, now: () => clock.now() });
  const queueParts: Parts['queueParts'] = {
    spool,
    clock,
    log,
    background,
    random: Math.random,
    deliver: guardDelivery(deliver, () => guard),
    routing: withUndecided(delivery),
    notify: createNotifier({ spool, clock, log, settings, ...own, queue: () => queue }),
  };
  const queue = new Queue(queueParts, config.queue);
  const entrance = createEntrance({ current, audits, queue, queueParts, guardMemory, local: () => local });
  const { guard, screening, intake, trap } = entrance;
  const receiver = new Receiver(
    { intake, trap: trap.intake, clock, log, background, lenience: new Lenience(log) },
    sessionSettings(current, { facts, screening }),
  );
  const pop3 = createPop3(current, { receiver, windows, clock, log });
  const local = localParts(current, { intake, receiver, clock, log, ...own });
  const watchdog = new Watchdog({
    spool,
    queue,
    delivery,
    routeWatch,
    clock,
    log,
    background,
    options: () => current.config.alarms,
    write: (alarm, alarms) =>
      sendAlarmNotice({ local, delivery, config: () => current.config }, alarm, alarms),
  });
  return {
    spool,
    state,
    clock,
    log,
    background,
    events,
    audits,
    delivery,
    facts,
    queue,
    queueParts,
    ...entrance,
    receiver,
    windows,
    pop3,
    local,
    dropIntake: createDropIntake({ local, queue: queueParts }),
    watchdog,
  };
}

function createPop3(
  current: Current,
  { receiver, windows, clock, log }: Pick<Parts, 'receiver' | 'windows' | 'clock' | 'log'>,
): PopListeners {
  return new PopListeners({
    config: () => current.config,
    identities: () => current.identities.identities,
    throttle: current.throttle,
    secureContext: () => receiver.settings.secureContext,
    mailboxAt: personalMailbox,
    windows,
    clock,
    log,
  });
}

/** The way in for messages of this machine. */
function localParts(
  current: Current,
  {
    receiver,
    ...parts
  }: Omit<LocalParts, 'screening' | 'hostname' | 'maxMessageBytes'> & Pick<Parts, 'receiver'>,
): LocalParts {
  return {
    ...parts,
    screening: () => receiver.settings.screening,
    hostname: () => current.config.hostname,
    maxMessageBytes: () => current.config.limits.messageBytes,
  };
}

/** Where mail that no session asks about goes, under the configuration of the moment. */
function policyInForce(current: Current, facts: Parts['facts']): OwnPolicy {
  let built: { readonly config: Config; readonly options: PolicyOptions } | undefined;
  const options = () => {
    const { config } = current;
    if (built?.config !== config) built = { config, options: policyOptions(config, facts) };
    return built.options;
  };
  return {
    destinationOf: (recipient) => destinationOf(recipient, options()),
    isOurs: (domain) => options().domains.has(domain),
  };
}

/**
 * The facts that sessions use: answers of destinations, the addresses of this machine, and earlier behaviour of
 * clients.
 */
function createFacts({
  state,
  current,
  delivery,
  clock,
  log,
}: Pick<PartsOptions, 'current'> & Pick<Parts, 'state' | 'delivery' | 'clock' | 'log'>): Pick<
  Parts,
  'facts' | 'windows'
> & { readonly own: OwnPolicy } {
  const untruth = createClientTruth(clock);
  const holds = (name: string, credential: string) => current.identities.identities.holds(name, credential);
  const isOwn = createOwnAddresses(clock);
  const windows = new PopBeforeSmtp({
    state,
    config: () => current.config,
    isOwn,
    untruth,
    holds,
    clock,
    log,
  });
  const facts = {
    verify: cacheVerification((recipient) => delivery.verify(recipient), { clock }),
    untruth,
    interfaceHas: createInterfaceNetworks(clock),
    noteName: watchNames({ log, clock }),
    window: windows.find.bind(windows),
  };
  return { facts, windows, own: policyInForce(current, facts) };
}

/** The stations of a message on its way in: the checks before the queue; and the trap, which is beside it. */
function createEntrance({
  current,
  audits,
  queue,
  queueParts,
  guardMemory: memory,
  local,
}: Pick<PartsOptions, 'current' | 'guardMemory'> &
  Pick<Parts, 'audits' | 'queue' | 'queueParts'> & { readonly local: () => LocalParts }) {
  const { spool, clock, log, background } = queueParts;
  const operator = new Operator(queue, queueParts);
  const config = () => current.config;
  const isDraining = () => current.isDraining;
  const guard = createGuard({
    spool,
    queue,
    operator,
    memory,
    clock,
    log,
    background,
    tell: (hold) => tellOfHold({ local, log, config }, hold),
    options: () => config().guard,
  });
  const clearinghouse = () => current.clearinghouse?.clearinghouse;
  const screening = createChecks({ audits, guard, clearinghouse, clock, log });
  const intake = createIntake({ spool, queue, log, isDraining });
  const trap = new TrapArchive({ clock, log, background, isDraining });
  return { operator, guard, screening, intake, trap };
}

/** The parts for sessions that begin now. Throws when the certificate and its key cannot be used. */
export function sessionSettings(
  { config, resolver, identities }: Pick<Current, 'config' | 'resolver' | 'identities'>,
  { facts, screening }: Pick<Parts, 'facts' | 'screening'>,
): ReceiverSettings {
  const settings = receiverSettings(config, {
    ...facts,
    clientName: createClientNames(resolver),
    authenticator: identities.identities,
  });
  return { ...settings, screening: screening(config) };
}
