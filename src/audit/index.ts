/**
 * The open-relay audit: attacks the running relay through its own listeners as a stranger would, and tells what arrived.
 *
 * For the run a random `.invalid` domain is led, after policy, to a sink instead of to the routes, and connections of the
 * audit are taken for those of strangers. Sessions and messages of a run are known by their ids, so that nobody else's
 * mail is touched.
 *
 * On failure: whatever ends a run, everything that was changed for it is as before and no message of it is left.
 *
 * RFC 2505 (relaying), RFC 5737 and RFC 3849 (addresses of strangers), RFC 6761 §6.4 (`.invalid`).
 */

export { audit } from './audit.ts';
export { auditCommands } from './commands.ts';
export { Audits } from './run.ts';
