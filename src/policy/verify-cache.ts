import type { Clock } from '../base/index.ts';
import type { Address } from '../mail/index.ts';
import type { VerifyRecipient } from './options.ts';

/** How long an answer stands, in milliseconds, and how many are kept. */
export interface VerifyCacheOptions {
  readonly clock: Clock;
  readonly knownMs?: number;
  readonly unknownMs?: number;
  readonly unavailableMs?: number;
  readonly maxEntries?: number;
}

/**
 * Keeps the answers of recipient callouts, so that a destination is asked once and not for each message;
 * the same question under way is shared. The oldest answer goes when the table is full.
 */
export function cacheVerification(ask: VerifyRecipient, options: VerifyCacheOptions): VerifyRecipient {
  const { clock, knownMs = 31 * 86_400_000, unknownMs = 3 * 3_600_000, unavailableMs = 60_000 } = options;
  const maxEntries = options.maxEntries ?? 50_000;
  const lifetimes = { known: knownMs, unknown: unknownMs, unavailable: unavailableMs };
  const answers = new Map<string, { answer: keyof typeof lifetimes; until: number }>();
  const underWay = new Map<string, Promise<keyof typeof lifetimes>>();

  const remember = (key: string, answer: keyof typeof lifetimes) => {
    if (answers.size >= maxEntries) {
      for (const oldest of answers.keys()) {
        answers.delete(oldest);
        break;
      }
    }
    answers.set(key, { answer, until: clock.now() + lifetimes[answer] });
    return answer;
  };
  return (recipient: Address) => {
    const key = `${recipient.localPart}@${recipient.domain}`;
    const known = answers.get(key);
    if (known !== undefined && known.until > clock.now()) return Promise.resolve(known.answer);
    answers.delete(key);
    const running = underWay.get(key);
    if (running !== undefined) return running;
    const asked = ask(recipient)
      .catch(() => 'unavailable' as const)
      .then((answer) => remember(key, answer))
      .finally(() => underWay.delete(key));
    underWay.set(key, asked);
    return asked;
  };
}
