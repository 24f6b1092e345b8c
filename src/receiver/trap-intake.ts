/** Chooses the intake of a listener: the trap's or the relay's. */
import { reply } from '../mail/index.ts';
import type { Intake, ListenerRole } from './ask.ts';
import type { ReceiverParts } from './options.ts';

const closed = reply(421, '3.2', 'not taking mail now');

/** A trap without an archive takes nothing. */
const noIntake: Intake = {
  refusal: () => closed,
  begin() {
    throw new Error('a trap without an archive was given a message');
  },
};

/**
 * The intake of a listener's mail. A trap has one of its own or none at all: under any configuration and policy, none
 * of its mail comes to the queue.
 */
export function intakeOf(
  role: ListenerRole,
  { intake, trap }: Pick<ReceiverParts, 'intake' | 'trap'>,
): Intake {
  return role === 'trap' ? (trap ?? noIntake) : intake;
}
