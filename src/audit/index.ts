/**
 * The open-relay audit: attacks the running relay through its own listeners, and reports the mail that arrived.
 *
 * During a run, mail for a random `.invalid` domain goes to a sink after the policy has decided, and connections of the
 * audit count as those of strangers. Sessions and messages of the run are known by their ids; other mail is not touched.
 *
 * On failure: however a run ends, its changes are undone and none of its messages remains.
 *
 * RFC 2505 (relaying), RFC 5737 and RFC 3849 (addresses of strangers), RFC 6761 §6.4 (`.invalid`).
 */

export { audit } from './audit.ts';
export { createAuditCheck } from './audit-check.ts';
export { auditCommands } from './commands.ts';
export { type AuditEvents, auditEvents } from './events.ts';
export { Audits } from './run.ts';
