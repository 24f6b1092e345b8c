/**
 * A stub resolver: it asks the configured recursive servers and believes them as far as their answers can be
 * checked. Questions go by UDP with a random id and a source port of their own (RFC 5452), again by TCP when
 * truncated (RFC 7766), with EDNS(0) and without it where a server does not know it (RFC 6891).
 *
 * An answer is taken only when its source, id and question match; anything else is waited past. Positive
 * answers are kept for their TTL, negative ones for the SOA's (RFC 2308), both capped, in a bounded cache; a
 * question of many callers is asked once. Each record is read within its own length, of
 * one answer a hundred are taken, and a name with an octet that no host has can neither be asked nor match.
 *
 * On failure: `lookup` never rejects. `none` is what the DNS said (NXDOMAIN or no such records);
 * `unavailable` (SERVFAIL, REFUSED, timeout, malformed, aborted) says nothing about the name, and mail must
 * wait for it (RFC 5321 §5.1, RFC 2505 §2.9).
 *
 * RFC 1035, 2181 §8, 2308, 3596, 5452, 6840 §5.7 (AD), 6891, 7766.
 */

export { createClientNames } from './client-names.ts';
export { type DnsEvents, dnsEvents } from './events.ts';
export { defaultTimeoutMs, type ResolverOptions } from './options.ts';
export type { LookupResult, LookupType, MxRecord, RecordTypes } from './record.ts';
export { parseResolvConf, systemServers } from './resolv-conf.ts';
export { createResolver, type Resolver } from './resolver.ts';
export { reverseLabels, reverseName } from './reverse-name.ts';
