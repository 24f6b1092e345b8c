/** The ledger of a soak: what was promised, what arrived, and what a kill left behind. */

/** One arrival of a message for one recipient at the sink. */
interface Arrival {
  /** The run of the relay that delivered it, from 0. */
  readonly run: number;
}

/** The spool after a kill: for each message, the recipients that had no final status. */
export type Leftover = ReadonlyMap<string, ReadonlySet<string>>;

export interface Verdict {
  readonly acknowledged: number;
  readonly recipients: number;
  /** Acknowledged, and missing at the sink for some recipient. */
  readonly lost: readonly string[];
  /** Not acknowledged (the connection broke), and delivered all the same: as RFC 1047 says it may be. */
  readonly inDoubtDelivered: number;
  readonly inDoubt: number;
  /** Arrivals beyond the first for a recipient. */
  readonly duplicates: number;
  /** Duplicates that a kill between attempt and record does not explain. */
  readonly unexplained: readonly string[];
}

/**
 * The promises that were made, the messages that arrived, and those that a kill left behind. Messages are known by the
 * marker in their content, recipients by their address.
 */
export class Ledger {
  readonly #acknowledged = new Map<string, readonly string[]>();
  readonly #inDoubt = new Set<string>();
  readonly #arrivals = new Map<string, Arrival[]>();
  readonly #leftovers: Leftover[] = [];

  /** The run that is under way, or the next one. */
  get run(): number {
    return this.#leftovers.length;
  }

  acknowledged(marker: string, recipients: readonly string[]): void {
    this.#acknowledged.set(marker, recipients);
  }

  /** The content went out and no reply came. */
  inDoubt(marker: string): void {
    this.#inDoubt.add(marker);
  }

  arrived(marker: string, recipient: string): void {
    const key = `${marker} ${recipient}`;
    const arrivals = this.#arrivals.get(key) ?? [];
    this.#arrivals.set(key, arrivals);
    arrivals.push({ run: this.run });
  }

  /** The run was killed and left this on disk. */
  killed(leftover: Leftover): void {
    this.#leftovers.push(leftover);
  }

  /** The messages that the last kill left open, acknowledged or in doubt, and that have not arrived in this run. */
  due(): string[] {
    const left = this.#leftovers.at(-1) ?? new Map<string, ReadonlySet<string>>();
    return [...left]
      .flatMap(([marker, open]) => [...open].map((to) => `${marker} ${to}`))
      .filter((key) => !this.#arrivals.get(key)?.some(({ run }) => run === this.run));
  }

  /** Acknowledged messages that have not arrived everywhere. */
  missing(): string[] {
    return [...this.#acknowledged]
      .filter(([marker, recipients]) => recipients.some((to) => !this.#arrivals.has(`${marker} ${to}`)))
      .map(([marker]) => marker);
  }

  verdict(): Verdict {
    let duplicates = 0;
    const unexplained: string[] = [];
    const delivered = new Set<string>();
    for (const [key, arrivals] of this.#arrivals) {
      const [marker = '', recipient = ''] = key.split(' ');
      delivered.add(marker);
      for (let i = 1; i < arrivals.length; i++) {
        duplicates++;
        const [first, second] = [arrivals[i - 1]?.run ?? 0, arrivals[i]?.run ?? 0];
        if (!this.#wasOpen(marker, recipient, { first, second }))
          unexplained.push(`${key}: runs ${first} and ${second}`);
      }
    }
    return {
      acknowledged: this.#acknowledged.size,
      recipients: [...this.#acknowledged.values()].reduce((sum, { length }) => sum + length, 0),
      lost: this.missing(),
      inDoubt: this.#inDoubt.size,
      inDoubtDelivered: [...this.#inDoubt].filter((marker) => delivered.has(marker)).length,
      duplicates,
      unexplained,
    };
  }

  /** Whether every kill between two deliveries found the recipient without a final status in the spool. */
  #wasOpen(marker: string, recipient: string, runs: { first: number; second: number }): boolean {
    if (runs.first === runs.second) return false;
    return this.#leftovers
      .slice(runs.first, runs.second)
      .every((leftover) => leftover.get(marker)?.has(recipient) === true);
  }
}
