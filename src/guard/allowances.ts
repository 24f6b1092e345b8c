/** The subjects that an operator has allowed to send more. */
import type { Clock } from '../base/index.ts';
import type { GuardMemory } from './ask.ts';
import { type Allowance, readAllowance } from './hold.ts';
import type { SubjectKey } from './subject.ts';

/** The subjects that an operator allowed to send more, in memory and on disk. */
export class Allowances {
  readonly #memory: GuardMemory;
  readonly #clock: Clock;
  readonly #bySubject = new Map<SubjectKey, Allowance>();

  constructor({ memory, clock }: { readonly memory: GuardMemory; readonly clock: Clock }) {
    this.#memory = memory;
    this.#clock = clock;
    for (const [key, value] of memory.entries()) {
      const allowance = key.startsWith('allow:') ? readAllowance(value) : undefined;
      if (allowance !== undefined) this.#bySubject.set(allowance.subject, allowance);
    }
  }

  has(subject: SubjectKey): boolean {
    const allowance = this.#bySubject.get(subject);
    return allowance !== undefined && this.#clock.now() < allowance.until;
  }

  list(): readonly Allowance[] {
    return [...this.#bySubject.values()].filter(({ until }) => this.#clock.now() < until);
  }

  /** Resolves when it is durable; it counts then and not before. */
  async add(allowance: Allowance): Promise<void> {
    const { subject, until } = allowance;
    await this.#memory.put(`allow:${subject}`, allowance, until);
    this.#bySubject.set(subject, allowance);
  }

  /** False when there was none. */
  async remove(subject: SubjectKey): Promise<boolean> {
    await this.#memory.remove(`allow:${subject}`);
    return this.#bySubject.delete(subject);
  }
}
