/** The guard: counts the mail of each subject and holds that of one that exceeds a budget. */
import { type Clock, IpSet, isLoopback, type Log } from '../base/index.ts';
import { type Envelope, mailboxKey, type Origin, type Reply, reply } from '../mail/index.ts';
import { Allowances } from './allowances.ts';
import { type Counted, formatSpan, longestPeriodMs, underCeiling } from './budget.ts';
import { Decisions } from './decisions.ts';
import type { GuardEvents } from './events.ts';
import type { Allowance, HoldStatus } from './hold.ts';
import { type Hold, Holds } from './holds.ts';
import { KnownRecipients } from './known-recipients.ts';
import type { GuardOptions, GuardParts, SubjectOptions } from './options.ts';
import { kindOf, type SubjectKey, type SubjectKind, subjectOf } from './subject.ts';
import { type Amounts, type Exceeded, Usage, UsagePlan } from './usage.ts';

/** The guard's decision about a message. */
export type Judgement =
  | { readonly kind: 'pass' }
  /**
   * To be accepted and kept, with this reason, once `durable` has resolved. `end` is to be called when it is in
   * the queue, or is not going to be.
   */
  | { readonly kind: 'hold'; readonly because: string; readonly durable: Promise<void>; end(): void }
  /** Enough is kept: neither accepted nor lost. */
  | { readonly kind: 'refuse'; readonly reply: Reply; readonly because: string };

const pass: Judgement = { kind: 'pass' };
const tooMuchHeld = reply(452, '7.1', 'much mail from you is held for inspection, try again later');

/** The number of subjects whose use is remembered; the one that was quiet for longest is forgotten first. */
const maxSubjects = 20_000;
/** A message that was begun before its subject was held may be as old as a transaction may take. */
const slowestMs = 24 * 3_600_000;

/** The options and budgets of one kind of subject. */
interface Measure {
  readonly options: SubjectOptions;
  readonly plan: UsagePlan;
  /** For a subject that the operator allowed; `undefined` does not limit it. */
  readonly allowed: UsagePlan | undefined;
}

interface Used {
  readonly plan: UsagePlan;
  readonly usage: Usage;
  readonly hash: number;
}

/** Counts the mail of each subject, and holds the mail of one that exceeds a budget. See `index.ts`. */
export class Guard {
  readonly #parts: GuardParts;
  readonly #clock: Clock;
  readonly #log: Log<GuardEvents>;
  readonly #holds: Holds;
  readonly #allowances: Allowances;
  readonly #known = new KnownRecipients();
  readonly #used = new Map<SubjectKey, Used>();
  readonly #decisions: Decisions;
  #options: GuardOptions;
  /** Networks without budgets. */
  #except: IpSet;
  #measures: Readonly<Record<SubjectKind, Measure>>;

  constructor(parts: GuardParts, options: GuardOptions) {
    this.#parts = parts;
    this.#clock = parts.clock;
    this.#log = parts.log;
    this.#holds = new Holds(parts);
    this.#decisions = new Decisions(parts, this.#holds);
    this.#allowances = new Allowances(parts);
    this.#options = options;
    this.#except = new IpSet(options.network.except);
    this.#measures = measuresOf(options);
  }

  /** Continues decisions that a restart interrupted, and counts held mail. */
  start(): void {
    this.#decisions.resume();
  }

  /** Other budgets begin afresh; holds and allowances stay. */
  reload(options: GuardOptions): void {
    const isSame = JSON.stringify(measuredBy(options)) === JSON.stringify(measuredBy(this.#options));
    this.#options = options;
    this.#except = new IpSet(options.network.except);
    if (isSame) return;
    this.#measures = measuresOf(options);
    this.#used.clear();
  }

  /** Counts a message that is about to be accepted, and returns what to do with it. Never throws. */
  judge({ origin, recipients, content }: Envelope): Judgement {
    const subject = this.#subjectOf(origin);
    if (subject === undefined) return pass;
    const hold = this.#holdOf(subject);
    if (hold !== undefined) return this.#keep(hold, content.size);
    const used = this.#use(subject);
    if (used === undefined) return pass;
    const now = this.#clock.now();
    const fresh = used.plan.counts('newRecipients') ? this.#newAmong(recipients, used.hash) : [];
    const amounts = { messages: 1, recipients: recipients.length, newRecipients: fresh.length };
    const exceeded = used.usage.take(amounts, now);
    if (exceeded !== undefined) return this.#keep(this.#begin(subject, exceeded), content.size);
    for (const text of fresh) this.#known.add(used.hash, text, now);
    return pass;
  }

  /** The reply for a client whose held mail has reached its bound; `undefined` while there is room. Cheap. */
  refusal(origin: Pick<Origin, 'ground' | 'identity' | 'client'>): Reply | undefined {
    if (this.#holds.isEmpty) return undefined;
    const subject = this.#subjectOf(origin);
    const hold = subject === undefined ? undefined : this.#holdOf(subject);
    return hold !== undefined && this.#holds.isFull(hold, this.#options.held) ? tooMuchHeld : undefined;
  }

  /** Counts recipients that do not exist, as they were refused or bounced. */
  failed(origin: Pick<Origin, 'ground' | 'identity' | 'client'>, recipients: number): void {
    const subject = this.#subjectOf(origin);
    // A client that only guesses at our recipients has sent nothing yet that could be held.
    if (subject === undefined || (kindOf(subject) !== 'identity' && !this.#used.has(subject))) return;
    this.#charge(subject, { failedRecipients: recipients });
  }

  /**
   * For other parts that find abuse (bulk detection, a complaint): `weight` verdicts of this kind, which count against
   * the budget `reports` as messages do against theirs.
   */
  report(subject: SubjectKey, kind: string, weight = 1): void {
    this.#log.info('guard-reported', { subject, kind, weight });
    this.#charge(subject, { reports: weight });
  }

  /** All holds, the oldest first. */
  list(): readonly HoldStatus[] {
    for (const hold of this.#holds.all()) this.#endIfQuiet(hold);
    return this.#holds.all().map((hold) => this.#holds.status(hold, this.#options.held));
  }

  allowances(): readonly Allowance[] {
    return this.#allowances.list();
  }

  /**
   * Lets everything that the hold keeps go, and the subject begins afresh. Resolves with the number of messages,
   * `undefined` when there is no such hold and no mail of one. Goes on after a restart.
   */
  release(id: string): Promise<number | undefined> {
    const subject = this.#holds.get(id)?.record.subject;
    if (subject !== undefined) this.#used.delete(subject);
    return this.#decisions.release(id);
  }

  /**
   * Removes the held mail of a hold. The subject stays held, so that an abuser who has not noticed gets nothing out
   * meanwhile: `release` ends that. Resolves as `release` does.
   */
  remove(id: string): Promise<number | undefined> {
    return this.#decisions.remove(id);
  }

  /** Lets the subject exceed its budgets until then. Mail that is held already has to be released. */
  async allow(subject: SubjectKey, until: number): Promise<void> {
    await this.#allowances.add({ subject, since: this.#clock.now(), until });
    this.#used.delete(subject);
  }

  /** False when it was not allowed. */
  async disallow(subject: SubjectKey): Promise<boolean> {
    this.#used.delete(subject);
    return await this.#allowances.remove(subject);
  }

  #subjectOf(origin: Pick<Origin, 'ground' | 'identity' | 'client'>): SubjectKey | undefined {
    const subject = subjectOf(origin);
    if (subject === undefined || !subject.startsWith('network:')) return subject;
    // A local user could as well call sendmail.
    if (isLoopback(origin.client) || this.#except.has(origin.client)) return undefined;
    return subject;
  }

  #holdOf(subject: SubjectKey): Hold | undefined {
    const hold = this.#holds.of(subject);
    return hold === undefined || this.#endIfQuiet(hold) ? undefined : hold;
  }

  /** The recipients that the subject has not written to before. */
  #newAmong(recipients: Envelope['recipients'], hash: number): readonly string[] {
    const now = this.#clock.now();
    return recipients
      .map(({ address }) => mailboxKey(address))
      .filter((text) => !this.#known.has(hash, text, now));
  }

  #keep(hold: Hold, octets: number): Judgement {
    hold.lastAt = this.#clock.now();
    if (this.#holds.isFull(hold, this.#options.held)) {
      return { kind: 'refuse', reply: tooMuchHeld, because: `${hold.because}; no more is kept` };
    }
    hold.count({ messages: 1, octets });
    hold.begin();
    return { kind: 'hold', because: hold.because, durable: this.#holds.durable(hold), end: () => hold.end() };
  }

  /** The use of the subject so far; `undefined` without a limit. The latest used subject is kept longest. */
  #use(subject: SubjectKey): Used | undefined {
    const measure = this.#measures[kindOf(subject)];
    const plan = this.#allowances.has(subject) ? measure.allowed : measure.plan;
    const known = this.#used.get(subject);
    if (known !== undefined && known.plan === plan) {
      this.#used.delete(subject);
      this.#used.set(subject, known);
      return known;
    }
    if (plan === undefined || plan.entries.length === 0) return undefined;
    if (this.#used.size >= maxSubjects) {
      for (const oldest of this.#used.keys()) {
        this.#used.delete(oldest);
        break;
      }
    }
    const used = { plan, usage: new Usage(plan), hash: this.#known.subjectHash(subject) };
    this.#used.set(subject, used);
    return used;
  }

  #charge(subject: SubjectKey, amounts: Amounts): void {
    if (this.#holdOf(subject) !== undefined) return;
    const exceeded = this.#use(subject)?.usage.charge(amounts, this.#clock.now());
    if (exceeded !== undefined) this.#begin(subject, exceeded);
  }

  /** Holds the subject from now on, with the counted messages that have not left yet. */
  #begin(subject: SubjectKey, { kind, budget }: Exceeded): Hold {
    const { background, mail, tell } = this.#parts;
    const because = `more than ${budget.max} ${words[kind]} within ${formatSpan(budget.periodMs)}`;
    const from = this.#clock.now() - Math.min(budget.periodMs, longestPeriodMs) - slowestMs;
    const hold = this.#holds.begin({ subject, because, from });
    const { id } = hold.record;
    this.#log.warn('guard-held', { hold: id, subject, because, status: 'held' });
    const gathered = this.#holds.durable(hold).then(async () => {
      const since = hold.record.since - budget.periodMs;
      hold.count(await mail.hold({ subject, from: since, because: hold.because }));
    });
    background.run(`hold ${id}`, gathered);
    background.run(`notice of hold ${id}`, tell(hold.record));
    return hold;
  }

  /** Ends a hold whose subject has been quiet for long enough; true when it no longer holds. */
  #endIfQuiet(hold: Hold): boolean {
    const { state, subject, id } = hold.record;
    if (state !== 'holding') return true;
    const { quietMs } = this.#measures[kindOf(subject)].options;
    if (quietMs === 0 || this.#clock.now() - hold.lastAt < quietMs) return false;
    this.#used.delete(subject);
    this.#log.info('guard-ended', { hold: id, subject, because: `quiet for ${formatSpan(quietMs)}` });
    const ended =
      hold.messages === 0 ? this.#holds.remove(hold) : this.#holds.change(hold, { state: 'ended' });
    this.#parts.background.run(`end of hold ${id}`, ended);
    return true;
  }
}

const words: Readonly<Record<Counted, string>> = {
  messages: 'messages',
  recipients: 'recipients',
  newRecipients: 'recipients not written to before',
  failedRecipients: 'recipients that do not exist',
  reports: 'verdicts of abuse',
};

function measuredBy({ identity, address, network }: GuardOptions): unknown {
  return [identity, address, { ...network, except: [] }];
}

function measuresOf({ identity, address, network }: GuardOptions): Readonly<Record<SubjectKind, Measure>> {
  // An open relay is never without a guard, neither by configuration nor by allowance.
  const none = { messages: [], recipients: [], newRecipients: [], failedRecipients: [], reports: [] };
  const ceiling = new UsagePlan(underCeiling(none));
  return {
    identity: { options: identity, plan: new UsagePlan(identity.budgets), allowed: undefined },
    address: { options: address, plan: new UsagePlan(underCeiling(address.budgets)), allowed: ceiling },
    network: { options: network, plan: new UsagePlan(network.budgets), allowed: undefined },
  };
}
