import type { DropIntake } from '../admin/index.ts';
import { Background, type Clock, type Log } from '../base/index.ts';
import type { Config } from '../config/index.ts';
import { createDelivery, type Delivery } from '../delivery/index.ts';
import type { Resolver } from '../dns/index.ts';
import { cacheVerification, type VerifyRecipient } from '../policy/index.ts';
import { Queue, type QueueParts } from '../queue/index.ts';
import { type ListeningAddress, Receiver, type ReceiverSettings } from '../receiver/index.ts';
import type { Spool } from '../spool/index.ts';
import { createClientNames } from './client-names.ts';
import { Followers } from './followers.ts';
import { createIntake } from './intake.ts';
import { createLetterIntake } from './letter.ts';
import type { LocalParts } from './local-message.ts';
import { createNotifier } from './notifier.ts';
import { deliveryOptions, noticeSettings, queueOptions, receiverSettings } from './settings.ts';

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
  readonly verify: VerifyRecipient;
  readonly queue: Queue;
  readonly queueParts: QueueParts;
  readonly receiver: Receiver;
  readonly local: LocalParts;
  readonly letters: DropIntake;
}

/** Joins the modules. */
export function createParts({ spool, current, clock, log: baseLog }: PartsOptions): Parts {
  const { config, resolver } = current;
  const followers = new Followers();
  const log = followers.tap(baseLog);
  const background = new Background(log);
  const delivery = createDelivery(deliveryOptions(config), { resolver, clock, log });
  const verify = cacheVerification((recipient) => delivery.verify(recipient), { clock });
  const settings = () => noticeSettings(current.config);
  const queueParts: QueueParts = {
    spool,
    clock,
    log,
    background,
    random: Math.random,
    deliver: delivery.deliver,
    routing: delivery,
    notify: createNotifier({ spool, clock, log, settings, queue: () => queue }),
  };
  const queue = new Queue(queueParts, queueOptions(config));
  const intake = createIntake({ spool, queue, log, isDraining: () => current.isDraining });
  const receiver = new Receiver({ intake, clock, log, background }, sessionSettings(current, verify));
  const local: LocalParts = {
    intake,
    clock,
    log,
    policy: () => receiver.settings.policy,
    hostname: () => current.config.hostname,
    maxMessageBytes: () => current.config.limits.messageBytes,
  };
  const letters = createLetterIntake({ local, queue: queueParts });
  return {
    spool,
    clock,
    log,
    background,
    followers,
    delivery,
    verify,
    queue,
    queueParts,
    receiver,
    local,
    letters,
  };
}

/** What sessions that begin now work with. Throws when the certificate and its key cannot be used. */
export function sessionSettings(
  { config, resolver }: Pick<Current, 'config' | 'resolver'>,
  verify: VerifyRecipient,
): ReceiverSettings {
  return receiverSettings(config, { verify, clientName: createClientNames(resolver) });
}
