/** Remembers the answers of recipient callouts. */
import type { Clock } from '../base/index.ts';
import type { Address } from '../mail/index.ts';
import type { VerifyRecipient } from './options.ts';

/** How long an answer stands, in milliseconds, and how many are kept. */
export interface VerifyCacheOptions {
  readonly clock: Clock;
  readonly knownMs?: number;
  readonly unknownMs?: number;
  readonly unavailableMs?: number;
  /** Of recipients that are known; and again as many of the others. */
  readonly maxEntries?: number;
}

type Answer = Awaited<ReturnType<VerifyRecipient>>;
type Answers = Map<string, { readonly answer: Answer; readonly until: number }>;

/**
 * Caches the answers of recipient callouts, so that a destination is asked once and not for each message; the same
 * question at the same time is asked once. The oldest answer goes when the table is full. Unknown recipients have a
 * table of their own: guessed names drive out other guesses, and no existing recipient.
 */
export function cacheVerification(ask: VerifyRecipient, options: VerifyCacheOptions): VerifyRecipient {
  const { clock, knownMs = 31 * 86_400_000, unknownMs = 3 * 3_600_000, unavailableMs = 60_000 } = options;
  const maxEntries = options.maxEntries ?? 50_000;
  const lifetimes = { known: knownMs, unknown: unknownMs, unavailable: unavailableMs };
  const known: Answers = new Map();
  const others: Answers = new Map();
  const underWay = new Map<string, Promise<Answer>>();

  const remember = (key: string, answer: Answer): Answer => {
    const answers = answer === 'known' ? known : others;
    if (answers.size >= maxEntries) {
      for (const oldest of answers.keys()) {
        answers.delete(oldest);
        break;
      }
    }
    answers.set(key, { answer, until: clock.now() + lifetimes[answer] });
    return answer;
  };
  const remembered = (key: string): Answer | undefined => {
    for (const answers of [known, others]) {
      const found = answers.get(key);
      if (found !== undefined && found.until > clock.now()) return found.answer;
      answers.delete(key);
    }
    return undefined;
  };
  return (recipient: Address) => {
    const key = `${recipient.localPart}@${recipient.domain}`;
    const answer = remembered(key);
    if (answer !== undefined) return Promise.resolve(answer);
    const running = underWay.get(key);
    if (running !== undefined) return running;
    const asked = ask(recipient)
      .catch(() => 'unavailable' as const)
      .then((given) => remember(key, given))
      .finally(() => underWay.delete(key));
    underWay.set(key, asked);
    return asked;
  };
}
