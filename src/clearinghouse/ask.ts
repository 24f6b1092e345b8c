/** The interface of the clearinghouse: its questions, its verdicts, its counts. */

/** The key by which another program knows a message; that program defines how it is computed. */
export interface LegacyKey {
  /** `razor4` and `razor8` are Razor's engines 4 and 8, of one part each; `exact` is SHA-256 of the decoded body. */
  readonly scheme: 'razor4' | 'razor8' | 'pyzor' | 'fuzzy' | 'exact';
  /** As it goes over the wire: base 64 of Razor, hexadecimal digits elsewhere. */
  readonly value: string;
  /** Of a message that is there as a whole: the host that a key of `razor8` is of. */
  readonly host?: string;
}

/** The subject of a question: a whole message, keys alone where the client sends nothing else, or a cluster. */
export type Subject =
  | { readonly kind: 'message'; readonly octets: Uint8Array }
  | { readonly kind: 'keys'; readonly keys: readonly LegacyKey[] }
  /** By the name that a verdict gave it. */
  | { readonly kind: 'cluster'; readonly cluster: string };

/** The origin of a copy. A copy counts once for each recipient and each reporter. */
export interface Source {
  /** The name of the client: `relay`, `razor:anna`, `pyzor:anonymous`, `dccifd:10.0.0.5`. */
  readonly reporter: string;
  /** Whether the reporter has proved its name by an account, or is named in an access list. */
  readonly isKnown: boolean;
  /** Of the envelope, as far as they are known. */
  readonly recipients: readonly string[];
  /** The number of recipients, where a client gives no addresses. Default: `recipients.length`, at least 1. */
  readonly targets?: number;
  /** The SMTP client's address, canonical. */
  readonly client?: string;
  /** The reverse-path; empty is the null one. */
  readonly sender?: string;
}

/** The facts of a message and its copies. Bulk is not spam, so the three flags are separate. */
export interface Verdict {
  /** Distinct recipients of the copies, this one included where it was counted; decays over time. */
  readonly count: number;
  /** Copies that are the same octet for octet (decoded body). */
  readonly exact: number;
  /** Reports as spam, each weighed by trust in its reporter; revocations likewise. */
  readonly reported: number;
  readonly revoked: number;
  readonly isBulk: boolean;
  readonly isReported: boolean;
  /** Reports and revocations are both many: people disagree. */
  readonly isContested: boolean;
  /** A few words, which people write alike: it takes more of them to be bulk. */
  readonly isShort: boolean;
  /** On an allowlist: no count has any consequence. */
  readonly isAllowed: boolean;
  /** 0 to 100, that it is unwanted bulk: below 50 it is bulk, above it was reported too. */
  readonly confidence: number;
  /** The cluster that it is a copy of; absent when nothing like it was seen. */
  readonly cluster?: string;
  /** Milliseconds since 1970. */
  readonly firstSeen?: number;
  readonly lastSeen?: number;
  /** The kind of feature by which the message was recognised as a copy. `test`: GTUBE or our own test string. */
  readonly via: 'none' | 'text' | 'actions' | 'structure' | 'attachment' | 'image' | 'exact' | 'key' | 'test';
  /** The matching features in readable form, if an explanation was requested. */
  readonly matched?: readonly string[];
}

/** How a message is looked up. */
export interface CheckOptions {
  /** Whether this copy is counted. A second look at the same message is not. Default: true. */
  readonly counts?: boolean;
  readonly explains?: boolean;
  /** The number of recipients at which this client calls a message bulk. Default: as configured. */
  readonly bulk?: number;
}

/**
 * The interface behind every door. It never rejects because of a message; it rejects with `ClearinghouseBusy` when it
 * is overloaded.
 */
export interface Clearinghouse {
  check(subject: Subject, source: Source, options?: CheckOptions): Promise<Verdict>;
  /** The source reports the subject as spam. */
  report(subject: Subject, source: Source): Promise<Verdict>;
  /** The source reports that the subject is not spam. */
  revoke(subject: Subject, source: Source): Promise<Verdict>;
}

/**
 * The operation on a subject. `allow` and `disallow` are for operators: the counts of an allowed cluster have no
 * consequence. `learn` takes a good message: features that many senders share in good mail no longer identify a
 * campaign.
 */
export type Verb = 'check' | 'report' | 'revoke' | 'allow' | 'disallow' | 'learn';

/** How much there is. */
export interface Stats {
  readonly clusters: number;
  /** Clusters that there can be. */
  readonly most: number;
  /** Messages that were counted since the start. */
  readonly counted: number;
  readonly reporters: number;
  /** Reports and revocations that did not count: too many of one reporter, about one cluster or of strangers. */
  readonly passedOver: number;
  readonly allowed: number;
}

/** Too much at once: ask again later. */
export class ClearinghouseBusy extends Error {
  override readonly name = 'ClearinghouseBusy';
}

/** There is no cluster of that name, or nothing that the subject is a copy of. */
export class UnknownCluster extends Error {
  override readonly name = 'UnknownCluster';
}
