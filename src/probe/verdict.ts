/** The verdicts about cases and servers. */
import type { Heard } from './dialogue.ts';

/** The outcome of one case. */
export type Verdict =
  /** 5yz to any command, or a 4yz whose text says that nothing is relayed. */
  | 'refused'
  /** 4yz: greylisting, or a server that cannot decide now. */
  | 'deferred'
  | 'auth-required'
  /** The tester is refused, not the recipient. */
  | 'blocked'
  /** Closed, 421, or silent: whether the form is refused is not known. */
  | 'disconnected'
  /** Taken, and not seen to arrive: not proven to be relayed, and not proven to be refused. */
  | 'accepted-unconfirmed'
  /** Taken, and kept at the target: seen there. */
  | 'kept'
  /** Taken, and returned to its sender. */
  | 'bounced'
  /** It arrived at the third party. */
  | 'relayed';

/** The verdict about a whole target. Only arrival makes it `open`. */
export interface Overall {
  readonly verdict: 'closed' | 'open' | 'inconclusive';
  /** For people, in one line. */
  readonly because: string;
}

/** The outcome of one case, with its evidence. */
export interface Outcome {
  readonly verdict: Verdict;
  /** The path is one of the target's own. */
  readonly isLawful: boolean;
}

/** The text says that the tester is on a list, so the reply is not about relaying. */
const aboutList = /block(?:ed|list)|black\s?list|deny\s?list|dnsbl|\brbl\b|spamhaus|barracuda/i;
/** The text is about the tester otherwise: its address, its name. */
const aboutTester =
  /client host (?:rejected|blocked)|your (?:ip|host|address|server)|reverse (?:dns|hostname)|access denied for|too many (?:connections|sessions)/i;
const aboutLogin =
  /auth(?:entication|enticate|)\b[^.]*\b(?:required|needed|first)|must (?:log ?in|authenticate)|not authenticated/i;

/**
 * The text says that nothing is relayed, with any code: Postfix answers `454 4.7.1 … Relay access denied`
 * (`defer_unauth_destination`), and soft refusals of others are worded alike.
 */
const aboutRelaying = new RegExp(
  [
    // Postfix, Sendmail, qpsmtpd, Haraka, MailEnable
    String.raw`\brelay(?:ing)?\b[\s-]*(?:access\s+|attempt\s+|is\s+|was\s+)*(?:denied|refused|rejected|prohibited|forbidden|disabled)`,
    // Exim, chasquid, Courier
    String.raw`\brelay(?:ing)?\b\s+(?:is\s+)?not\s+(?:permitted|allowed|authori[sz]ed|enabled|possible)`,
    String.raw`\bnot\s+(?:permitted|allowed|authori[sz]ed)\s+to\s+relay\b`,
    // Exchange
    String.raw`\b(?:unable|cannot|can't|not able|refus\w+|do(?:es)? not|don't|won't|will not|no)\s+(?:to\s+)?relay(?:ing)?\b`,
    // qmail, mailfront, Haraka
    String.raw`\ballowed rcpthosts\b|\bnot configured to accept\b|\bcannot deliver mail for\b`,
    String.raw`\bnon-accepted domain\b|\bnot (?:a|one of our) local domains?\b`,
  ].join('|'),
  'i',
);
/** A 4yz that may be another answer next time: greylisting, or a server that did not find something out. */
const aboutNow =
  /gr[ae]y-?list|temporar|try (?:again|later)|come back|later\b|lookup|resolve|time-?out|unverified|verif(?:y|ication)|busy|overload/i;

/** The verdict of a case by the reply that decided it; `undefined` is when every command was taken. */
export function verdictOf(decisive: Heard | undefined): Verdict {
  if (decisive === undefined) return 'accepted-unconfirmed';
  if (decisive.kind !== 'reply') return 'disconnected';
  const { code } = decisive;
  // The server's echo of the addresses is not its own text.
  const words = decisive.text.replace(/<[^>]*>|\S+@\S+/g, '');
  if (code === 421) return 'disconnected';
  if (code === 530 || code === 538) return 'auth-required';
  if (code < 400) return 'deferred';
  const isForNow = code < 500 && aboutNow.test(words);
  if (aboutLogin.test(words) && !isForNow) return 'auth-required';
  if (aboutList.test(words)) return 'blocked';
  if (aboutRelaying.test(words) && !isForNow) return 'refused';
  if (aboutTester.test(words)) return 'blocked';
  return code >= 500 ? 'refused' : 'deferred';
}

/** The verdict of a greeting that turns us away. */
export function verdictOfGreeting(greeting: Heard): Verdict {
  if (greeting.kind !== 'reply' || greeting.code === 421) return 'disconnected';
  return greeting.code >= 500 ? 'blocked' : 'deferred';
}

const doubts: Readonly<Partial<Record<Verdict, string>>> = {
  'accepted-unconfirmed': 'accepted, and not seen to arrive',
  deferred: 'deferred by the server',
  blocked: 'refused because of the tester, not of the recipient',
  disconnected: 'ended by a lost connection or an error limit',
};

/**
 * The verdict about the target. `open` when anything arrived at a third party; `closed` when every case was
 * tried and refused, returned or kept; `inconclusive` with the reasons otherwise.
 */
export function overall(outcomes: readonly Outcome[], planned: number): Overall {
  const count = (verdict: Verdict) =>
    outcomes.filter((one) => one.verdict === verdict && !(one.isLawful && verdict === 'accepted-unconfirmed'))
      .length;
  const relayed = count('relayed');
  const tried = `${outcomes.length} of ${planned} forms tried`;
  if (relayed > 0)
    return { verdict: 'open', because: `${relayed} forms arrived at the third party; ${tried}` };
  const reasons = Object.entries(doubts).flatMap(([verdict, text]) => {
    const found = count(verdict as Verdict);
    return found === 0 ? [] : [`${found} ${text}`];
  });
  if (outcomes.length < planned) reasons.push(tried);
  if (planned === 0) reasons.push('nothing was tried');
  if (reasons.length > 0) return { verdict: 'inconclusive', because: reasons.join('; ') };
  return { verdict: 'closed', because: `nothing arrived at the third party; ${tried}` };
}
