/** Counts the use of a subject's budgets, in sliding periods. */
import { type Budget, type Budgets, type Counted, countedKinds } from './budget.ts';

/** Twelve whole parts of a period, and the part that is under way. */
const slots = 13;
/** The parts of a budget, and the number of the newest of them. */
const cells = slots + 1;

/** An exceeded budget. */
export interface Exceeded {
  readonly kind: Counted;
  readonly budget: Budget;
}

/** Where the counts of each budget are; the same for all subjects of a sort. */
export class UsagePlan {
  readonly entries: readonly { readonly kind: Counted; readonly budget: Budget }[];
  readonly counts: (kind: Counted) => boolean;

  constructor(budgets: Budgets) {
    this.entries = countedKinds.flatMap((kind) => budgets[kind].map((budget) => ({ kind, budget })));
    this.counts = (kind) => budgets[kind].length > 0;
  }
}

/** How much of each kind. */
export type Amounts = Readonly<Partial<Record<Counted, number>>>;

/**
 * The use of one subject's budgets. A period slides in twelfths and never forgets early: within any period no more than
 * the budget passes. All counts of a subject are one array of numbers.
 */
export class Usage {
  readonly #plan: UsagePlan;
  readonly #cells: Uint32Array;

  constructor(plan: UsagePlan) {
    this.#plan = plan;
    this.#cells = new Uint32Array(cells * plan.entries.length);
  }

  /** Counts the amounts, unless a budget would be exceeded: then counts nothing and returns that budget. */
  take(amounts: Amounts, now: number): Exceeded | undefined {
    const { entries } = this.#plan;
    for (const [place, { kind, budget }] of entries.entries()) {
      const amount = amounts[kind] ?? 0;
      if (amount > 0 && this.#used(place, budget, now) + amount > budget.max) return { kind, budget };
    }
    this.#add(amounts, now);
    return undefined;
  }

  /** Counts the amounts, which cannot be undone, and returns the budget that they exceed. */
  charge(amounts: Amounts, now: number): Exceeded | undefined {
    this.#add(amounts, now);
    for (const [place, { kind, budget }] of this.#plan.entries.entries()) {
      if ((amounts[kind] ?? 0) > 0 && this.#used(place, budget, now) > budget.max) return { kind, budget };
    }
    return undefined;
  }

  #add(amounts: Amounts, now: number): void {
    for (const [place, { kind, budget }] of this.#plan.entries.entries()) {
      const amount = amounts[kind] ?? 0;
      if (amount === 0) continue;
      const slot = this.#advance(place, budget, now);
      const at = place * cells + (slot % slots);
      this.#cells[at] = Math.min(0xffffffff, (this.#cells[at] ?? 0) + amount);
    }
  }

  #used(place: number, budget: Budget, now: number): number {
    this.#advance(place, budget, now);
    let used = 0;
    const base = place * cells;
    for (let at = base; at < base + slots; at++) used += this.#cells[at] ?? 0;
    return used;
  }

  /** Forgets counts that are older than the period. A clock that steps back is taken to stand still. */
  #advance(place: number, { periodMs }: Budget, now: number): number {
    const base = place * cells;
    const newest = base + slots;
    const last = this.#cells[newest] ?? 0;
    const slot = Math.floor((now * (slots - 1)) / periodMs);
    if (slot <= last) return last;
    for (let gone = Math.max(last + 1, slot - slots + 1); gone <= slot; gone++) {
      this.#cells[base + (gone % slots)] = 0;
    }
    this.#cells[newest] = slot;
    return slot;
  }
}
