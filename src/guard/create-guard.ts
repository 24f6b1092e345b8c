/** The guard of a relay: over its queue, with notices by mail. */
import type { Background, Clock, Log } from '../base/index.ts';
import type { Operator, Queue } from '../queue/index.ts';
import type { Spool } from '../spool/index.ts';
import type { GuardMemory, TellOfHold } from './ask.ts';
import type { GuardEvents } from './events.ts';
import { Guard } from './guard.ts';
import { createHeldMail } from './held-mail.ts';
import type { GuardOptions } from './options.ts';

/** The parts that the guard of a relay needs. */
export interface QueueGuardParts {
  readonly spool: Spool;
  readonly queue: Queue;
  readonly operator: Operator;
  readonly memory: GuardMemory;
  readonly clock: Clock;
  readonly log: Log<GuardEvents>;
  readonly background: Background;
  /** Sends the notice of a hold, past the guard. */
  readonly tell: TellOfHold;
  readonly options: () => GuardOptions;
}

/** The guard over the queue of this relay, its notices as mail. */
export function createGuard(parts: QueueGuardParts): Guard {
  const { memory, tell, clock, log, background, options } = parts;
  const mail = createHeldMail(parts);
  return new Guard({ memory, mail, tell, clock, log, background }, options());
}
