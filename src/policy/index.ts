/**
 * The relay policy. One question, asked for each recipient: on what ground may this client send to it? The answer is a
 * grant with its ground, or a refusal, each with its reason.
 *
 * The rules are ordered and the first that decides, decides; when none does the answer is `550 5.7.1`. Only the
 * client's address, its certificate, its identity, the listener and the recipient can give a grant. HELO gives none,
 * and a reverse-path only takes one away (RFC 2505 §2.1). An address counts only where it can be the client's own: not
 * when it is our gateway, a bridge of ours or a proxy that did not say for whom it speaks. Local parts that hide a
 * route (`%`, `!`, a quoted `@`) are refused for our domains, so that no destination can follow them. `explain`
 * evaluates the same rules and reports what each of them found.
 *
 * Aliases, the postmaster and catch-alls are names for others, which are looked up in turn until only mailboxes and
 * foreign addresses are left; `destinationOf` gives our own mail the same answers as a client gets at RCPT.
 *
 * On failure: a destination that cannot be asked about a recipient is `450`, never a grant.
 *
 * RFC 2505, RFC 5068, RFC 6409, RFC 5321 §3.6 and §7.9, RFC 2142.
 */

export { type RecipientFault, recipientFaults } from './check.ts';
export { createClientTruth, createInterfaceNetworks, createOwnAddresses, untruthOf } from './client-truth.ts';
export type { KnownRecipients, LocalDomain, RecipientOptions } from './domains.ts';
export { type PolicyEvents, policyEvents } from './events.ts';
export { watchNames } from './many-names.ts';
export type {
  CertificateGrant,
  PolicyOptions,
  RelayWindow,
  Untruth,
  VerifyRecipient,
} from './options.ts';
export { createPolicy, type ExplainingPolicy, type Explanation, type Finding } from './policy.ts';
export { type Destination, destinationOf } from './recipient-rules.ts';
export { isMailbox, resolve } from './resolve.ts';
export { cacheVerification, type VerifyCacheOptions } from './verify-cache.ts';
