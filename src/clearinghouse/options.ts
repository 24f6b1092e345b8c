/** What the configuration says about the clearinghouse, and the defaults. */

/** From where on it is how much; see docs. */
export interface Thresholds {
  /** Distinct recipients. */
  readonly bulk: number;
  /** The same for messages of a few words, which people write alike. */
  readonly shortBulk: number;
  /** Weighed reports; one of somebody known weighs 1 at first and half of it after thirty days. */
  readonly reported: number;
  /** Revocations as a share of the reports, from which on people disagree. */
  readonly contested: number;
}

export const defaultThresholds: Thresholds = { bulk: 10, shortBulk: 100, reported: 0.7, contested: 0.3 };

/** What visitors may use. */
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
