/** Makes the stages of screening from an ordered list of checks. */
import type { Clock, Log } from '../base/index.ts';
import { reply, replyClass } from '../mail/index.ts';
import type { Edit } from '../message/index.ts';
import type { Later } from './ask.ts';
import type { ReceiverEvents } from './events.ts';
import {
  type Asking,
  type AskStage,
  type Check,
  defaultDeadlineMs,
  type EnvelopeEdit,
  type Fate,
  type MessageRuling,
  type MessageVerdict,
  type Ruling,
  type ScreenedMessage,
  type Screening,
  type WhenUnavailable,
} from './screening.ts';

/** The parts that screening needs. */
export interface ScreeningParts {
  readonly clock: Clock;
  readonly log: Log<ReceiverEvents>;
}

/** A question to one check at one stage. */
type AskCheck<Subject> = (subject: Subject, asking: Asking) => Later<MessageVerdict>;

/** A check at a stage that it is a member of. */
interface Seat<Subject> {
  readonly member: Member;
  readonly ask: AskCheck<Subject>;
}

/** A check that cannot answer is logged once in this time. */
const silenceMs = 60_000;
const cannotCheck = reply(451, '3.0', 'mail cannot be checked now, try again later');
const pass = { kind: 'pass' } as const;

/** The checks are asked in the order of the list, at each stage that they have a method for. */
export function createScreening(checks: readonly Check[], parts: ScreeningParts): Screening {
  const members = checks.map((check) => new Member(check, parts));
  const stage = <Subject>(methodOf: (check: Check) => AskCheck<Subject> | undefined) =>
    inOrder(seatsOf(members, methodOf));
  const whole = seatsOf(members, (check) => check.message?.bind(check));
  return {
    connect: stage((check) => check.connect?.bind(check)),
    hello: stage((check) => check.hello?.bind(check)),
    sender: stage((check) => check.sender?.bind(check)),
    recipient: stage((check) => check.recipient?.bind(check)),
    recipientRefused: tellAll(members),
    header: stage((check) => check.header?.bind(check)),
    message: whole.length === 0 ? undefined : (subject) => askFrom(whole, new MessageCourse(subject), 0),
    beginningOctets: Math.max(0, ...whole.map(({ member }) => member.check.beginningOctets ?? 0)),
  };
}

function seatsOf<Subject>(
  members: readonly Member[],
  methodOf: (check: Check) => AskCheck<Subject> | undefined,
): readonly Seat<Subject>[] {
  return members.flatMap((member) => {
    const ask = methodOf(member.check);
    return ask === undefined ? [] : [{ member, ask }];
  });
}

function inOrder<Subject>(seats: readonly Seat<Subject>[]): AskStage<Subject> | undefined {
  return seats.length === 0 ? undefined : (subject) => askFrom(seats, new StageCourse(subject), 0);
}

function tellAll(members: readonly Member[]): Screening['recipientRefused'] {
  const told = members.filter(({ check }) => check.recipientRefused !== undefined);
  if (told.length === 0) return undefined;
  return (subject) => {
    for (const member of told) member.tell(() => member.check.recipientRefused?.(subject));
  };
}

/** The joint verdict of a stage's checks so far. */
interface Course<Subject, R> {
  /** As the next check is to see it. */
  readonly subject: Subject;
  readonly result: R;
  /** The verdict that stands for a check without an answer. */
  otherwise(check: Check): WhenUnavailable;
  /** True when no other check is to be asked. */
  take(verdict: MessageVerdict, member: Member): boolean;
}

/** Asks the checks from this seat on. Where all of them answer at once it is no promise. */
function askFrom<Subject, R>(
  seats: readonly Seat<Subject>[],
  course: Course<Subject, R>,
  from: number,
): Later<R> {
  for (let at = from; at < seats.length; at++) {
    const seat = seats[at];
    if (seat === undefined) break;
    const { member, ask } = seat;
    const verdict = member.ask(course.subject, ask, course.otherwise(member.check));
    if (verdict instanceof Promise) {
      return verdict.then((made) =>
        course.take(made, member) ? course.result : askFrom(seats, course, at + 1),
      );
    }
    if (course.take(verdict, member)) break;
  }
  return course.result;
}

/** The ruling after one more verdict. The first reason to hold is kept. */
function weigh(ruling: Ruling, verdict: MessageVerdict): Ruling {
  switch (verdict.kind) {
    case 'pass':
    case 'edit':
      return ruling;
    case 'hold':
      return ruling.kind === 'hold' ? ruling : { kind: 'hold', because: verdict.because };
    case 'discard':
      return { kind: 'discard', because: verdict.because };
    default:
      return { kind: 'refuse', reply: verdict.reply, because: verdict.because };
  }
}

function isLast(verdict: MessageVerdict): boolean {
  switch (verdict.kind) {
    case 'pass':
      return verdict.isFinal === true;
    case 'edit':
    case 'hold':
      return false;
    default:
      return true;
  }
}

class StageCourse<Subject> implements Course<Subject, Ruling> {
  readonly subject: Subject;
  result: Ruling = pass;

  constructor(subject: Subject) {
    this.subject = subject;
  }

  otherwise({ whenUnavailable }: Check): WhenUnavailable {
    return whenUnavailable ?? 'defer';
  }

  take(verdict: MessageVerdict): boolean {
    this.result = weigh(this.result, verdict);
    return isLast(verdict);
  }
}

/** Of the message stage: later checks see what earlier ones have decided. */
class MessageCourse implements Course<ScreenedMessage, MessageRuling> {
  subject: ScreenedMessage;
  #ruling: Ruling = pass;
  #edits: readonly Edit[] | undefined;
  #envelopeEdits: readonly EnvelopeEdit[] | undefined;
  #settled: ((fate: Fate) => void) | undefined;

  constructor(subject: ScreenedMessage) {
    this.subject = subject;
  }

  get result(): MessageRuling {
    const [edits, envelopeEdits, settled] = [this.#edits, this.#envelopeEdits, this.#settled];
    if (edits === undefined && envelopeEdits === undefined && settled === undefined) return this.#ruling;
    return {
      ...this.#ruling,
      ...(edits && { edits }),
      ...(envelopeEdits && { envelopeEdits }),
      ...(settled && { settled }),
    };
  }

  otherwise(check: Check): WhenUnavailable {
    return check.unavailableFor?.(this.subject) ?? check.whenUnavailable ?? 'defer';
  }

  take(verdict: MessageVerdict, member: Member): boolean {
    const { settled, edits, envelopeEdits } = verdict;
    this.#ruling = weigh(this.#ruling, verdict);
    if (edits !== undefined) this.#edits = [...(this.#edits ?? []), ...edits];
    if (envelopeEdits !== undefined) this.#envelopeEdits = [...(this.#envelopeEdits ?? []), ...envelopeEdits];
    if (settled !== undefined) this.#settle(member, settled);
    if (edits !== undefined || verdict.kind === 'hold') {
      const held = this.subject.held ?? (verdict.kind === 'hold' ? verdict.because : undefined);
      this.subject = { ...this.subject, edits: this.#edits ?? this.subject.edits, held };
    }
    return isLast(verdict);
  }

  /** Every check that asked for the outcome gets it, whatever the others do. */
  #settle(member: Member, settled: (fate: Fate) => void): void {
    const before = this.#settled;
    this.#settled = (fate) => {
      before?.(fate);
      member.tell(() => settled(fate));
    };
  }
}

/** One check: asked with a deadline, and its failures stay its own. */
class Member {
  readonly check: Check;
  readonly #parts: ScreeningParts;
  #toldAt = Number.NEGATIVE_INFINITY;
  #skipped = 0;

  constructor(check: Check, parts: ScreeningParts) {
    this.check = check;
    this.#parts = parts;
  }

  /** The verdict, or the substitute if the check throws, rejects, is late or answers in another class. */
  ask<Subject>(subject: Subject, ask: AskCheck<Subject>, otherwise: WhenUnavailable): Later<MessageVerdict> {
    const question = new Question();
    try {
      const verdict = ask(subject, question);
      if (!(verdict instanceof Promise)) return this.#inClass(verdict, otherwise);
      return this.#within(verdict, question, otherwise);
    } catch (error) {
      return this.#skip(error, otherwise);
    }
  }

  /** Calls a check without an answer; its exception is logged and goes no further. */
  tell(say: () => void): void {
    try {
      say();
    } catch (error) {
      this.#note(error, 'pass');
    }
  }

  #within(
    answer: Promise<MessageVerdict>,
    question: Question,
    otherwise: WhenUnavailable,
  ): Promise<MessageVerdict> {
    const { promise, resolve } = Promise.withResolvers<MessageVerdict>();
    let isOver = false;
    const end = (verdict: () => MessageVerdict) => {
      if (isOver) return;
      isOver = true;
      resolve(verdict());
    };
    const cancel = this.#parts.clock.after(this.check.deadlineMs ?? defaultDeadlineMs, () => {
      end(() => this.#late(answer, otherwise));
      question.end();
    });
    answer.then(
      (verdict) => {
        cancel();
        end(() => this.#inClass(verdict, otherwise));
      },
      (error: unknown) => {
        cancel();
        end(() => this.#skip(error, otherwise));
      },
    );
    return promise;
  }

  /** Counts and reservations of a late check are settled as soon as they are known. */
  #late(answer: Promise<MessageVerdict>, otherwise: WhenUnavailable): MessageVerdict {
    return {
      ...this.#skip('it did not answer in time', otherwise),
      settled: (fate) => {
        answer.then(
          ({ settled }) => this.tell(() => settled?.(fate)),
          () => {},
        );
      },
    };
  }

  /** A check that defers for ever, or refuses for now, has a bug; the peer is not told so. */
  #inClass(verdict: MessageVerdict, otherwise: WhenUnavailable): MessageVerdict {
    if (verdict.kind !== 'defer' && verdict.kind !== 'refuse') return verdict;
    if (replyClass(verdict.reply) === (verdict.kind === 'defer' ? 4 : 5)) return verdict;
    const { settled } = verdict;
    const skipped = this.#skip(`it would ${verdict.kind} with ${verdict.reply.code}`, otherwise);
    return settled === undefined ? skipped : { ...skipped, settled };
  }

  #skip(cause: unknown, otherwise: WhenUnavailable): MessageVerdict {
    this.#note(cause, otherwise);
    const because = `${this.check.name}: it could not be looked at`;
    switch (otherwise) {
      case 'pass':
        return pass;
      case 'hold':
        return { kind: 'hold', because };
      case 'defer':
        return { kind: 'defer', reply: cannotCheck, because };
    }
  }

  #note(cause: unknown, action: WhenUnavailable): void {
    const { clock, log } = this.#parts;
    this.#skipped++;
    if (clock.now() - this.#toldAt < silenceMs) return;
    this.#toldAt = clock.now();
    const because = cause instanceof Error ? cause.message : String(cause);
    log.warn('check-skipped', { check: this.check.name, because, messages: this.#skipped, action });
    this.#skipped = 0;
  }
}

/** Most checks look at no signal, so it is made when one does. */
class Question implements Asking {
  #abort: AbortController | undefined;
  #isOver = false;

  get signal(): AbortSignal {
    this.#abort ??= new AbortController();
    if (this.#isOver) this.#abort.abort();
    return this.#abort.signal;
  }

  end(): void {
    this.#isOver = true;
    this.#abort?.abort();
  }
}
