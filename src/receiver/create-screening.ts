/** Makes the stages of screening from an ordered list of checks. */
import type { Edit } from '../message/index.ts';
import type { Later } from './ask.ts';
import { type AskCheck, Member, type ScreeningParts } from './member.ts';
import type {
  AskStage,
  Check,
  EnvelopeEdit,
  Fate,
  MessageRuling,
  MessageVerdict,
  Ruling,
  ScreenedMessage,
  Screening,
  WhenUnavailable,
} from './screening.ts';

/** A check at a stage that it is a member of. */
interface Seat<Subject> {
  readonly member: Member;
  readonly ask: AskCheck<Subject>;
}

const pass: Ruling = { kind: 'pass' };

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
  /** True when nobody else is to be asked. */
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

  /** Each of those who asked to be told is, whatever the others do. */
  #settle(member: Member, settled: (fate: Fate) => void): void {
    const before = this.#settled;
    this.#settled = (fate) => {
      before?.(fate);
      member.tell(() => settled(fate));
    };
  }
}
