/** The weights of reporters, by how often others agreed with them. */

/** Reporters that are remembered; the one that was heard of longest ago goes. */
const maxReporters = 20_000;
/** The initial trust in a reporter: without an account, or with one or named by the operator. */
const start = { anonymous: 0.1, known: 1 } as const;
const floor = 0.01;
const ceiling = 1;

interface Standing {
  trust: number;
  /** Reports since the last full minute, and that minute. */
  lately: number;
  minute: number;
}

/** The number of reports of one reporter that count in a minute. A known one may report a folder full of spam. */
const perMinute = { anonymous: 60, known: 6000 } as const;

/**
 * The weight of a reporter. It grows when others confirm its reports and falls when they contradict them (after
 * Prakash and O'Donnell, 2005, "Fighting spam with reputation systems"). Reports in a flood of one reporter do not
 * count.
 */
export class Trust {
  readonly #standings = new Map<string, Standing>();

  /** The weight of a report that comes now; 0 in a flood. */
  weigh(reporter: string, isKnown: boolean, now: number): number {
    const standing = this.#of(reporter, isKnown);
    const minute = Math.floor(now / 60_000);
    if (standing.minute !== minute) {
      standing.minute = minute;
      standing.lately = 0;
    }
    standing.lately++;
    return standing.lately > perMinute[isKnown ? 'known' : 'anonymous'] ? 0 : standing.trust;
  }

  /** A known reporter of this trust reported the same. */
  confirmed(reporter: string, by: number): void {
    this.#change(reporter, (trust) => trust + 0.1 * by * (ceiling - trust));
  }

  /** A known reporter of this trust reported the contrary. */
  contradicted(reporter: string, by: number): void {
    this.#change(reporter, (trust) => trust * (1 - 0.3 * by));
  }

  get size(): number {
    return this.#standings.size;
  }

  of(reporter: string): number | undefined {
    return this.#standings.get(reporter)?.trust;
  }

  save(): readonly (readonly [reporter: string, trust: number])[] {
    return [...this.#standings].map(([reporter, { trust }]) => [reporter, trust]);
  }

  restore(saved: readonly (readonly [reporter: string, trust: number])[]): void {
    for (const [reporter, trust] of saved) this.#standings.set(reporter, { trust, lately: 0, minute: 0 });
  }

  #of(reporter: string, isKnown: boolean): Standing {
    const known = this.#standings.get(reporter);
    const standing = known ?? { trust: isKnown ? start.known : start.anonymous, lately: 0, minute: 0 };
    this.#standings.delete(reporter);
    this.#standings.set(reporter, standing);
    if (this.#standings.size > maxReporters)
      for (const oldest of this.#standings.keys()) if (this.#standings.delete(oldest)) break;
    return standing;
  }

  #change(reporter: string, to: (trust: number) => number): void {
    const standing = this.#standings.get(reporter);
    if (standing !== undefined) standing.trust = Math.min(ceiling, Math.max(floor, to(standing.trust)));
  }
}
