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
 * Where the mail of a listener goes. A trap has an intake of its own or none at all: whatever the configuration
 * says and whatever the policy grants, nothing of it comes to the queue.
 */
export function intakeOf(
  role: ListenerRole,
  { intake, trap }: Pick<ReceiverParts, 'intake' | 'trap'>,
): Intake {
  return role === 'trap' ? (trap ?? noIntake) : intake;
}
