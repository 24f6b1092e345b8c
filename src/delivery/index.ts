/**
 * Delivery: from a recipient to a route, from a route to a lane, and through the lane to a server, a mailbox or the
 * capture inbox.
 *
 * `createDelivery` implements the two functions that the queue calls. `assignLanes` is the routing decision for an
 * accepted message. `deliver` is one attempt: it takes a kept session of the lane or dials the hosts of the route in
 * order, and ends with one status for each recipient it was asked about.
 *
 * Invariants: a message leaves octet for octet as it came in, unless the next hop cannot take it and a lawful
 * conversion exists (RFC 6152 §3); credentials go over TLS only; sessions are shared only within a lane, and a lane
 * has one set of credentials, one TLS policy and one source address; no foreign MX makes us dial our own network or
 * ourselves (RFC 5321 §5.1); a route that goes by sender and has credentials is taken only by mail whose ground binds
 * the sender, for any client can write any reverse-path.
 *
 * Hosts of a route are tried in order or by weight, those that do badly last, its fallback when all failed. A host
 * that begins to take mail and does not carry it through does badly. A message that was sent up to the final dot is
 * never given to another host in the same attempt.
 *
 * On failure: `deliver` never rejects. A reply of the remote server is passed on as it is; without one a reply is made
 * with the fitting code of RFC 3463 (4.4.1 no answer, 4.4.2 broken off, 4.4.3 DNS, 4.7.5 TLS, 5.1.2 no such domain,
 * 5.1.10 null MX, 5.4.6 loop). An unclear result is transient.
 *
 * RFC 5321 §4.5.4, §5; RFC 7505 (null MX); RFC 2033 (LMTP); RFC 3461 §5.2 (DSN); RFC 7435 (opportunistic TLS); RFC
 * 6152, 3030, 6531 (conversion); RFC 6749 (tokens).
 */

export { type AuditSink, auditLane } from './audit.ts';
export { Capture, type CapturedMessage } from './capture.ts';
export { createDelivery, type Delivery, type DeliveryParts, type Trouble } from './delivery.ts';
export { type DeliveryEvents, deliveryEvents } from './events.ts';
export {
  type DeliveryDomain,
  type DeliveryLimits,
  type DeliveryOptions,
  type DeliveryRoute,
  defaultCapture,
  defaultLimits,
  type OauthOptions,
} from './options.ts';
export { compileRules, type RouteProblem, routeWarnings } from './rules.ts';
export type { Transport } from './transports/kind.ts';
export { personalMailbox } from './transports/maildir.ts';
