/**
 * Who may relay. One question, asked for each recipient: on what ground may this client send to it? The
 * answer is a grant with its ground, or a refusal, and both say why.
 *
 * The rules are ordered and the first that fits decides; when none fits the answer is `550 5.7.1`. Only
 * the client's address and the recipient can give a grant. What the client says of itself (HELO,
 * reverse-path) gives none (RFC 2505 §2.1). Local parts that hide a route (`%`, `!`, a quoted `@`) are
 * refused for domains that are ours before anybody could follow them.
 *
 * On failure: a destination that cannot be asked about a recipient is `450`, never a grant.
 *
 * RFC 2505, RFC 5321 §3.6 and §7.9, RFC 2142.
 */
export { type KnownRecipients, type LocalDomain, type Lookup, lookUpRecipient } from './domains.ts';
export { createPolicy, type PolicyOptions, type VerifyRecipient } from './policy.ts';
export { cacheVerification, type VerifyCacheOptions } from './verify-cache.ts';
