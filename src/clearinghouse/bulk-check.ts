/** The bulk check: asks the clearinghouse about mail on its way in, and applies the rules. */
import type { Log } from '../base/index.ts';
import { type Envelope, type Origin, reply } from '../mail/index.ts';
import type { Asking, Check, MessageVerdict, ScreenedMessage } from '../receiver/index.ts';
import type { Clearinghouse, Verdict } from './ask.ts';
import type { ClearinghouseEvents } from './events.ts';
import type { BulkRule } from './options.ts';

/**
 * The octets of a message that are examined: the beginning is enough to recognise a copy. A longer message gets no
 * header.
 */
const bulkOctets = 256 * 1024;
/** Mail does not wait longer than this for an answer that is only counted. */
const deadlineMs = 2000;

/** The parts that the check needs. */
export interface BulkCheckParts {
  /** At least one: without a rule there is no check. */
  readonly rules: readonly BulkRule[];
  /** Our own name, for the header. */
  readonly hostname: string;
  /** Undefined until it is open. */
  readonly clearinghouse: () => Clearinghouse | undefined;
  /** Called with each bulk message that has consequences. */
  readonly report: (origin: Origin) => void;
  readonly log: Log<ClearinghouseEvents>;
}

const pass = { kind: 'pass' } as const;
const refusals = {
  refuse: reply(550, '7.1', 'this is bulk mail, and unwanted'),
  defer: reply(451, '7.1', 'this looks like bulk mail, try again later'),
} as const;

/**
 * The first rule that matches the message decides, also when the clearinghouse does not answer. The guard is told of
 * each message with consequences, and holds a subject whose mail is bulk again and again.
 */
export function createBulkCheck(parts: BulkCheckParts): Check {
  const ruleOf = (envelope: Envelope) => parts.rules.find((one) => isAbout(one, envelope));
  return {
    name: 'bulk',
    deadlineMs,
    beginningOctets: bulkOctets,
    unavailableFor: ({ envelope }) => ruleOf(envelope)?.unavailable,
    message(subject, asking) {
      // A held message is decided by an operator, and clients cannot tell it from any other message.
      const isLookedAt = subject.held === undefined && subject.beginning.length > 0;
      const rule = isLookedAt ? ruleOf(subject.envelope) : undefined;
      return rule === undefined ? pass : judge(parts, { rule, ...subject }, asking);
    },
  };
}

type Subject = ScreenedMessage & { readonly rule: BulkRule };

async function judge(parts: BulkCheckParts, subject: Subject, asking: Asking): Promise<MessageVerdict> {
  const { rule, envelope, beginning } = subject;
  const asked = parts.clearinghouse();
  if (asked === undefined) throw new Error('it is not open');
  const threshold = rule.bulk === undefined ? {} : { bulk: rule.bulk };
  const found = await asked.check({ kind: 'message', octets: beginning }, sourceOf(envelope), threshold);
  const verdict = verdictOf(parts, subject, found);
  // A verdict after the deadline has no consequences, so the subject is not reported to the guard.
  if (verdict.kind === 'edit' || asking.signal.aborted) return verdict;
  parts.report(envelope.origin);
  return verdict;
}

function isAbout(
  { grounds, listeners, identities }: BulkRule,
  { origin: { ground, listener, identity } }: Envelope,
): boolean {
  if (grounds.length > 0 && !grounds.some((one) => one === ground)) return false;
  if (listeners.length > 0 && !listeners.includes(listener)) return false;
  return identities.length === 0 || (identity !== undefined && identities.includes(identity.toLowerCase()));
}

function sourceOf({ origin, recipients, reversePath }: Envelope) {
  return {
    reporter: 'relay',
    isKnown: true,
    recipients: recipients.map(({ address }) => address.text),
    client: origin.client,
    sender: reversePath === null ? '' : reversePath.text,
  };
}

function verdictOf(
  { hostname, log }: BulkCheckParts,
  { id, rule, envelope }: Subject,
  found: Verdict,
): MessageVerdict {
  const { isAllowed, isBulk, isReported, count, cluster } = found;
  const edits = [{ kind: 'insert', at: 0, ...formatVerdict(found, hostname) }] as const;
  // An identified sender may send a newsletter, but none that was reported.
  const when = rule.when ?? (envelope.origin.identity === undefined ? 'bulk' : 'reported');
  if (isAllowed || !isBulk || (when === 'reported' && !isReported) || rule.action === 'tag')
    return { kind: 'edit', because: 'bulk: the verdict is in the header', edits };
  const reports = isReported ? `, reported ${found.reported.toFixed(1)} times` : '';
  const because = `bulk: copies to ${count} recipients${reports} (cluster ${cluster})`;
  if (rule.action === 'hold') {
    log.info('bulk-held', { queueId: id, because });
    return { kind: 'hold', because, edits };
  }
  const refusal = refusals[rule.action];
  log.info('bulk-refused', { queueId: id, because, reply: String(refusal.code) });
  return { kind: rule.action, reply: refusal, because };
}

/**
 * The value of `X-Posthouse-Bulk`. It begins with the name of its writer, since a message may arrive with a header of
 * that name.
 */
export function formatVerdict(
  { isAllowed, isBulk, isReported, isContested, count, reported, confidence, cluster, via }: Verdict,
  hostname: string,
): { readonly name: string; readonly value: string } {
  const words = [
    isBulk ? 'bulk' : 'no',
    ...(isReported ? ['reported'] : []),
    ...(isContested ? ['contested'] : []),
    ...(isAllowed ? ['allowed'] : []),
  ];
  const facts = [`count=${count}`, `reports=${reported.toFixed(1)}`, `confidence=${confidence}`];
  if (cluster !== undefined) facts.push(`cluster=${cluster}`, `via=${via}`);
  const value = ` ${hostname}; ${words.join(' ')};\r\n\t${facts.join(' ')}`;
  return { name: 'X-Posthouse-Bulk', value };
}
