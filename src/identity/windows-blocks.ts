/** Counts windows by /64 of IPv6, so that one network cannot fill the table. */
import { blockOf } from '../base/index.ts';

/** Windows of one /64 at once: far more than an office has, and far less than the table. */
export const windowsPerBlock = 500;

/**
 * The windows in each /64 of IPv6: the owner of one address has all of it, and must not take the room of others. IPv4
 * addresses are not counted: each has its own owner.
 */
export class WindowBlocks {
  readonly #isOpen: (key: string) => boolean;
  readonly #blocks = new Map<string, Set<string>>();
  #count = 0;

  constructor(isOpen: (key: string) => boolean) {
    this.#isOpen = isOpen;
  }

  /** Notes a window that is opened or renewed; returns the one of its block that has to end for it. */
  note(key: string): string | undefined {
    if (!key.includes(':') || key.endsWith('/64')) return undefined;
    const block = blockOf(key);
    const own = this.#blocks.get(block) ?? new Set();
    this.#blocks.set(block, own);
    if (!own.delete(key)) this.#count++;
    own.add(key);
    if (own.size <= windowsPerBlock) return undefined;
    this.#forget(block, own);
    const [oldest] = own;
    return own.size > windowsPerBlock ? oldest : undefined;
  }

  /** Forgets windows that are over, once there are more of them than open ones. */
  sweep(open: number): void {
    if (this.#count > 2 * open + windowsPerBlock)
      for (const [block, own] of this.#blocks) this.#forget(block, own);
  }

  #forget(block: string, own: Set<string>): void {
    for (const key of own) if (!this.#isOpen(key) && own.delete(key)) this.#count--;
    if (own.size === 0) this.#blocks.delete(block);
  }
}
