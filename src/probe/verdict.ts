import type { Heard } from './dialogue.ts';

/** What came of one case. */
export type Verdict =
  /** 5yz, at whatever command. */
  | 'refused'
  /** 4yz: greylisting, or a server that cannot decide now. */
  | 'deferred'
  | 'auth-required'
  /** It is the tester who is refused, not the recipient. */
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

/** What one case came to, with what shows it. */
export interface Outcome {
  readonly verdict: Verdict;
  /** The path is one of the target's own. */
  readonly isLawful: boolean;
}

/** Says who is meant: the tester's address, its reputation, its name. */
const aboutTester =
  /block(?:ed|list)|black\s?list|deny\s?list|dnsbl|\brbl\b|spamhaus|barracuda|client host (?:rejected|blocked)|your (?:ip|host|address|server)|reverse (?:dns|hostname)|access denied for|too many (?:connections|sessions)/i;
const aboutLogin =
  /auth(?:entication|enticate|)\b[^.]*\b(?:required|needed|first)|must (?:log ?in|authenticate)|not authenticated/i;

/** The verdict of a case by the reply that decided it; `undefined` is when every command was taken. */
export function verdictOf(decisive: Heard | undefined): Verdict {
  if (decisive === undefined) return 'accepted-unconfirmed';
  if (decisive.kind !== 'reply') return 'disconnected';
  const { code, text } = decisive;
  if (code === 421) return 'disconnected';
  if (code === 530 || code === 538 || (code >= 500 && aboutLogin.test(text))) return 'auth-required';
  if (code >= 400 && aboutTester.test(text)) return 'blocked';
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
