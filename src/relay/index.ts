/**
 * The composition root: a configuration becomes a running relay. Here alone all modules are known to each other; each
 * gets the parts that it needs and nothing of the configuration.
 *
 * The life of a message: the receiver asks the policy for each recipient and writes the octets through the intake into
 * the spool; the queue claims it, delivery carries it out, the notifier reports to the sender what the queue recorded.
 *
 * On failure: everything opened is closed again when a start fails; a bad configuration at a reload changes nothing; a
 * drain ends running work and leaves the rest in the spool.
 */
export { configChecks, configWarnings } from './checks.ts';
export { eventTables, type RelayEvents } from './events.ts';
export { type ExplainFacts, explainConfig, explainStopped } from './explain.ts';
export { renderPostfix } from './log-postfix.ts';
export { Relay, type RelayOptions, startRelay } from './relay.ts';
