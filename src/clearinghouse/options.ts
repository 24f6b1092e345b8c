/** Options of the clearinghouse, with the defaults. */
import type { Cidr } from '../base/index.ts';

/** From where on it is how much; see docs. */
export interface Thresholds {
  /** Distinct recipients. */
  readonly bulk: number;
  /** The same for messages of a few words, which people write alike. */
  readonly shortBulk: number;
  /** The weight of reports; that of a known reporter weighs 1 at first and half of it after thirty days. */
  readonly reported: number;
  /** Revocations as a share of the reports, from which on people disagree. */
  readonly contested: number;
}

export const defaultThresholds: Thresholds = { bulk: 10, shortBulk: 100, reported: 0.7, contested: 0.3 };

/** The limits of visitors. */
export interface DoorLimits {
  readonly connections: number;
  readonly connectionsPerClient: number;
  /** Requests of one address in a minute. */
  readonly requestsPerMinute: number;
  /** The same of this machine and of networks that are known: the filter of a whole site may be one address. */
  readonly knownPerMinute: number;
  /** Of one message. */
  readonly octets: number;
  readonly idleMs: number;
  readonly totalMs: number;
}

export const defaultDoorLimits: DoorLimits = {
  connections: 500,
  connectionsPerClient: 100,
  requestsPerMinute: 6000,
  knownPerMinute: 60_000,
  octets: 16 * 2 ** 20,
  idleMs: 30_000,
  totalMs: 120_000,
};

/** The memory for all counts, in octets. */
export const defaultMemory = 256_000_000;

/** The messages that a rule is about, and its consequence. An empty list matches all. */
export interface BulkRule {
  readonly grounds: readonly string[];
  /** Names. */
  readonly listeners: readonly string[];
  /** In lower case. */
  readonly identities: readonly string[];
  /** Distinct recipients; absent for that of the clearinghouse. */
  readonly bulk?: number;
  /** Absent: `bulk` for mail without an identified sender, else `reported`. */
  readonly when?: 'bulk' | 'reported';
  readonly action: 'tag' | 'hold' | 'refuse' | 'defer';
  /** The action for a message when the clearinghouse does not answer. */
  readonly unavailable: 'pass' | 'hold' | 'defer';
}

/** A door as the configuration has it. */
export interface DoorConfig {
  readonly protocol: 'razor' | 'pyzor' | 'dccifd' | 'rspamd-razor' | 'rspamd-pyzor' | 'rspamd-fuzzy' | 'http';
  readonly at: { readonly host: string; readonly port: number } | { readonly path: string };
  readonly allow: readonly Cidr[];
  readonly known: readonly Cidr[];
  readonly limits: {
    readonly connections: number;
    readonly perClient: number;
    /** One limit for all clients; absent for the defaults, which depend on the client. */
    readonly requestsPerMinute?: number;
  };
  readonly accounts: ReadonlyMap<string, string>;
  readonly publicName?: string;
  readonly token?: string;
  /** Numbers of rspamd's lists. */
  readonly flags: { readonly spam: number; readonly ham: readonly number[] };
  /** The text of a key. */
  readonly secret?: string;
}

/** The clearinghouse as the configuration has it. */
export interface ClearinghouseConfig {
  readonly folder: string;
  /** Octets. */
  readonly memory: number;
  readonly bulk: number;
  readonly shortBulk: number;
  readonly allow: readonly string[];
  readonly doors: readonly DoorConfig[];
  /** The rules for the mail of this relay: the first one that matches a message decides. */
  readonly relay: readonly BulkRule[];
  readonly flood?: FloodConfig;
}

/** How counts are exchanged with other clearinghouses. */
export interface FloodConfig {
  readonly listen?: { readonly host: string; readonly port: number };
  /** PEM; they belong together. */
  readonly certificate: string;
  readonly key: string;
  /** 16 octets. */
  readonly networkKey: Uint8Array;
  readonly peers: readonly {
    readonly name: string;
    readonly address?: { readonly host: string; readonly port: number };
    /** 64 hexadecimal digits in lower case. */
    readonly fingerprint: string;
    readonly trust: number;
  }[];
}
