/** Daily shares of something for reporters. */

const dayMs = 86_400_000;

/** How much of something each may have in a day, and all of them together; the day begins at midnight UTC. */
export class DailyShare {
  readonly #each: number;
  readonly #all: number;
  readonly #taken = new Map<string, number>();
  #day = -1;
  #sum = 0;

  constructor({ each, all }: { readonly each: number; readonly all: number }) {
    this.#each = each;
    this.#all = all;
  }

  /** Takes one; false where there is none left for today. */
  take(who: string, now: number): boolean {
    const day = Math.floor(now / dayMs);
    if (day !== this.#day) {
      this.#day = day;
      this.#sum = 0;
      this.#taken.clear();
    }
    const taken = this.#taken.get(who) ?? 0;
    if (taken >= this.#each || this.#sum >= this.#all) return false;
    this.#taken.set(who, taken + 1);
    this.#sum++;
    return true;
  }
}
