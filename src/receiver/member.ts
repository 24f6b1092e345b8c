/** One check as a member of a screening: asked with a deadline, and its failures stay its own. */
import type { Clock, Log } from '../base/index.ts';
import { reply, replyClass } from '../mail/index.ts';
import type { Later } from './ask.ts';
import type { ReceiverEvents } from './events.ts';
import {
  type Asking,
  type Check,
  defaultDeadlineMs,
  type MessageVerdict,
  type WhenUnavailable,
} from './screening.ts';

/** The parts that screening needs. */
export interface ScreeningParts {
  readonly clock: Clock;
  readonly log: Log<ReceiverEvents>;
}

/** A question to one check at one stage. */
export type AskCheck<Subject> = (subject: Subject, asking: Asking) => Later<MessageVerdict>;

/** A check that cannot answer is told of once in this time. */
const silenceMs = 60_000;
const cannotCheck = reply(451, '3.0', 'mail cannot be checked now, try again later');
const pass: MessageVerdict = { kind: 'pass' };

export class Member {
  readonly check: Check;
  readonly #parts: ScreeningParts;
  #toldAt = Number.NEGATIVE_INFINITY;
  #skipped = 0;

  constructor(check: Check, parts: ScreeningParts) {
    this.check = check;
    this.#parts = parts;
  }

  /** The verdict; what it counts as where the check throws, rejects, is late or answers in another class. */
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

  /** Carries out what gives no answer; what it throws is told of and goes no further. */
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

  /** What a late check has counted or reserved is settled as soon as it is known. */
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

  /** A check that defers for ever, or refuses for now, has a bug; the peer is told neither. */
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
    log.warn(`${this.check.name}-check-skipped`, { because, messages: this.#skipped, action });
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
