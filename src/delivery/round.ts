/** A round of targets, and its most telling failure. */
import { isPermanent, type Reply } from '../mail/index.ts';
import type { Target } from './dialer.ts';
import type { HostFailure } from './failure.ts';

/** A list of targets to try, and the most informative failure among them. */
export class Round {
  readonly targets: readonly Target[];
  last: { readonly failure: HostFailure; readonly relay?: string } | undefined;

  constructor(found: readonly Target[] | Reply) {
    this.targets = 'code' in found ? [] : found;
    if ('code' in found) this.last = { failure: { reply: found, health: 'unavailable', isOver: false } };
  }

  failed(failure: HostFailure, relay: string): void {
    // A refusal for good counts only when every host refuses for good.
    const isTold =
      this.last !== undefined && !isPermanent(this.last.failure.reply) && isPermanent(failure.reply);
    if (!isTold) this.last = { failure, relay };
  }
}

/** The same choice among several lists. */
export function lastOf(rounds: readonly Round[]): Round['last'] {
  const failures = rounds.flatMap(({ last }) => last ?? []);
  return failures.findLast(({ failure }) => !isPermanent(failure.reply)) ?? failures.at(-1);
}
