/**
 * Mail of this machine: messages that local users leave in the maildrop, and messages that the operator hands over by
 * the control socket. It passes the recipient policy like all mail, on the ground `local`.
 *
 * On failure: a recipient on which the policy cannot decide now waits in the queue and is asked about again; an
 * unknown one is refused to the operator, and reported to a local user by a DSN; a malformed message is put aside.
 *
 * RFC 3461 (notifications), RFC 3030 (bodies), RFC 6531 (addresses).
 */

export { localMailCommands } from './commands.ts';
export { areWide, askingAgain, destinedOne, type OwnPolicy, withUndecided } from './destinations.ts';
export { type LocalMailEvents, localMailEvents } from './events.ts';
export {
  acceptLocal,
  envelopeOf,
  type LocalMessage,
  type LocalOutcome,
  type LocalParts,
  localRecipients,
} from './local-message.ts';
export { createDropIntake } from './maildrop-intake.ts';
export { createLocalMailControl } from './submit.ts';
