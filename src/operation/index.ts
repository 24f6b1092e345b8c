/**
 * The work of an operator on a relay: listing and changing the queue, while the relay runs or is stopped, and listing
 * and ending sessions.
 *
 * Messages are selected and handled one after the other, and other work goes on in between; nothing is kept in memory.
 *
 * On failure: a change that the spool refuses leaves its message as it was, and ends the command with the reason.
 */

export { queueCommands, sessionCommands } from './commands.ts';
export { createQueueControl } from './control.ts';
export { type OperationEvents, operationEvents } from './events.ts';
export { matches, queueItem } from './queue-view.ts';
export { closeSessionsOf, createSessionControl, type SessionSources } from './sessions.ts';
export { controlStopped } from './stopped-queue.ts';
