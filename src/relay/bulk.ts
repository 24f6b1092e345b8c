/** Asks the clearinghouse about the relay's own mail, by its rules. */
import type { Clock, Log } from '../base/index.ts';
import type { BulkRule, Clearinghouse, Verdict } from '../clearinghouse/index.ts';
import type { Config } from '../config/index.ts';
import { type Guard, subjectOf } from '../guard/index.ts';
import { type Envelope, type Reply, reply } from '../mail/index.ts';

/** What of a message is looked at: the beginning is enough to know a copy by. Longer ones get no header. */
export const bulkOctets = 256 * 1024;
/** Mail does not wait longer than this for what is only counted. */
const patienceMs = 2000;
const silenceMs = 60_000;

/** A field that says what the check found. */
export interface VerdictField {
  readonly name: string;
  readonly value: string;
}

/** What becomes of a message. `header` is to be put before it. */
export type BulkJudgement = { readonly header?: VerdictField } & (
  | { readonly kind: 'pass' }
  | { readonly kind: 'hold'; readonly because: string }
  | { readonly kind: 'refuse'; readonly reply: Reply; readonly because: string }
);

/** What looks at mail on its way in. */
export interface BulkCheck {
  /** Whether anything is to be looked at under the configuration of the moment. */
  readonly isOn: () => boolean;
  /** Never rejects: where the clearinghouse does not answer, its rule says what becomes of the message. */
  judge(envelope: Envelope, octets: Uint8Array): Promise<BulkJudgement>;
}

/** What the check works with. */
export interface BulkCheckParts {
  readonly clearinghouse: () => Clearinghouse | undefined;
  readonly config: () => Config;
  readonly guard: Pick<Guard, 'report'>;
  /** Mail that is nobody's, such as that of an audit. */
  readonly isExempt: (envelope: Envelope) => boolean;
  readonly clock: Clock;
  readonly log: Log;
}

const pass: BulkJudgement = { kind: 'pass' };
/** What a rule says about mail that could not be looked at. */
const unseen: Readonly<Record<BulkRule['unavailable'], BulkJudgement>> = {
  pass,
  hold: { kind: 'hold', because: 'bulk: it could not be looked at' },
  defer: {
    kind: 'refuse',
    reply: reply(451, '3.0', 'this message cannot be checked now, try again later'),
    because: 'bulk: it could not be looked at',
  },
};
const refusals = {
  refuse: reply(550, '7.1', 'this is bulk mail, and unwanted'),
  defer: reply(451, '7.1', 'this looks like bulk mail, try again later'),
} as const;

/**
 * Asks the clearinghouse of this relay about mail, by the first of its rules that is about the message. The guard hears
 * of what has consequences: a subject whose mail is bulk again and again is held as a whole.
 */
export function createBulkCheck(parts: BulkCheckParts): BulkCheck {
  const { clearinghouse, config, guard, isExempt, clock, log } = parts;
  let saidAt = Number.NEGATIVE_INFINITY;
  let messages = 0;
  const skipped = ({ unavailable }: BulkRule, because: unknown): BulkJudgement => {
    messages++;
    if (clock.now() - saidAt >= silenceMs) {
      saidAt = clock.now();
      const why = because instanceof Error ? because.message : String(because);
      log.warn('bulk-check-skipped', { because: why, messages, action: unavailable });
      messages = 0;
    }
    return unseen[unavailable];
  };
  const rules = () => config().clearinghouse?.relay ?? [];
  return {
    isOn: () => rules().length > 0,
    async judge(envelope, octets) {
      const rule = rules().find((one) => isAbout(one, envelope));
      if (rule === undefined || isExempt(envelope)) return pass;
      try {
        const asked = clearinghouse();
        if (asked === undefined) return skipped(rule, 'it is not open');
        const threshold = rule.bulk === undefined ? {} : { bulk: rule.bulk };
        const answer = asked.check({ kind: 'message', octets }, sourceOf(envelope), threshold);
        const verdict = await within(answer, clock);
        if (verdict === undefined) return skipped(rule, 'it did not answer in time');
        const judged = judgementOf(verdict, { rule, envelope, config: config() });
        const subject = judged.kind === 'pass' ? undefined : subjectOf(envelope.origin);
        if (subject !== undefined) guard.report(subject, 'bulk');
        return judged;
      } catch (error) {
        return skipped(rule, error);
      }
    },
  };
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

function judgementOf(
  verdict: Verdict,
  {
    rule,
    envelope,
    config,
  }: { readonly rule: BulkRule; readonly envelope: Envelope; readonly config: Config },
): BulkJudgement {
  const { isAllowed, isBulk, isReported, count, cluster } = verdict;
  const header = formatVerdict(verdict, config.hostname);
  // Somebody who is known by name may send a newsletter; what was reported is none.
  const when = rule.when ?? (envelope.origin.identity === undefined ? 'bulk' : 'reported');
  if (isAllowed || !isBulk || (when === 'reported' && !isReported) || rule.action === 'tag')
    return { kind: 'pass', header };
  const words = isReported ? `, reported ${verdict.reported.toFixed(1)} times` : '';
  const because = `bulk: copies to ${count} recipients${words} (cluster ${cluster})`;
  if (rule.action === 'hold') return { kind: 'hold', because, header };
  return { kind: 'refuse', reply: refusals[rule.action], because };
}

/** `X-Posthouse-Bulk`, with the name of who says so first, for a header that came with the message may say anything. */
export function formatVerdict(
  { isAllowed, isBulk, isReported, isContested, count, reported, confidence, cluster, via }: Verdict,
  hostname: string,
): VerdictField {
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

/** What comes in time; undefined when nothing does. */
async function within<T>(answer: Promise<T>, clock: Clock): Promise<T | undefined> {
  let cancel: () => void = () => {};
  const late = new Promise<undefined>((resolve) => {
    cancel = clock.after(patienceMs, () => resolve(undefined));
  });
  answer.catch(() => {});
  try {
    return await Promise.race([answer, late]);
  } finally {
    cancel();
  }
}
