/** Judges a server's reply to a callout: whether the recipient exists, or the reply is about something else. */
import type { CalloutAnswer } from '../client/index.ts';
import { enhancedStatus, isPermanent, isPositive } from '../mail/index.ts';

/** A destination's answer about a recipient. `unavailable`: none, this time. */
export type Verification = 'known' | 'unknown' | 'unavailable';

/**
 * Replies of servers without enhanced codes that have the same code and refuse something other than the recipient:
 * qmail's `553 … rcpthosts (#5.7.1)`, Exim's `550 relay not permitted`, `550 Administrative prohibition`.
 */
const otherReasons =
  /relay|rcpthosts|authenti|authori|log ?in|denied|permitted|allowed|prohibit|policy|5\.7\.|spam|b(?:lack|lock)|gr[ae]y|sender|helo|ehlo|reverse|\bptr\b|\bdns|call ?(?:out|back)|later|too many|\brate\b|limit|quota|full|storage|space|size|secur|\btls\b|\bssl\b/i;

/**
 * Judges an answer. A refused MAIL, and any other reply that is not about the recipient (policy, authentication, the
 * order of commands, greylisting), does not answer the question. A full mailbox exists.
 */
export function judgeAnswer({ to, reply }: CalloutAnswer, unknown: ReadonlySet<string>): Verification {
  if (to === 'mail') return 'unavailable';
  if (isPositive(reply)) return 'known';
  if (isFull(reply)) return 'known';
  if (!isPermanent(reply)) return 'unavailable';
  if (reply.detail !== undefined) return unknown.has(enhancedStatus(reply)) ? 'unknown' : 'unavailable';
  if (!unknown.has(String(reply.code))) return 'unavailable';
  // Not in the addresses that it repeats: `550 <full@grey.example>: User unknown`.
  const words = reply.lines.join(' ').replace(/\S*@\S*/g, ' ');
  return otherReasons.test(words) ? 'unavailable' : 'unknown';
}

/** Full, or too small for some message (RFC 3463 §3.3); 552 alone is about storage (RFC 5321 §4.2.3). */
function isFull({ code, detail }: CalloutAnswer['reply']): boolean {
  return detail === '2.2' || detail === '2.3' || (code === 552 && detail === undefined);
}
