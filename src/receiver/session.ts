/** One connection's dialogue. */
import type { Reply } from '../mail/index.ts';
import { authLineOctets, CommandInput } from '../smtp/index.ts';
import type { ClientFacts, TlsFacts } from './ask.ts';
import { authResponse } from './auth.ts';
import type { Outcome, SessionFacts, State, Step, Wire } from './dialogue.ts';
import { greet } from './hello.ts';
import { Lenience } from './lenience.ts';
import { endContent } from './mail-data.ts';
import type { ReceiverParts } from './options.ts';
import { formatted, replies } from './replies.ts';
import { SessionRecord } from './session-record.ts';
import { Tally } from './tally.ts';
import { carryOut } from './verbs.ts';

/** Input that waits while an answer is worked out; above this the wire is paused. */
const maxBufferedOctets = 64 * 1024;
const nothing = Buffer.alloc(0);

/**
 * One connection's dialogue. Octets come in by `receive`; replies leave through the wire, those of one
 * group of pipelined commands in one write. Every command gets exactly one reply, in order; while one is
 * worked out the next ones wait.
 */
export class Session {
  readonly #record: SessionRecord;
  readonly #parts: ReceiverParts;
  readonly #wire: Wire;
  readonly #input: CommandInput;
  readonly #tally: Tally;
  readonly #lenience: Lenience;
  #output = '';
  #isBusy = false;
  #isPaused = false;
  #isInputOver = false;
  #isShuttingDown = false;
  #isFlushDue = false;
  /** The reply that follows the answer under way. */
  #last: Reply | undefined;
  #answeredAt = 0;
  /** When the octets came, or the answer, that are being worked on: the clock is asked once for each of them. */
  #now = 0;

  constructor(facts: SessionFacts, parts: ReceiverParts, wire: Wire) {
    // A token may be longer than any other command (RFC 4954 §4).
    const mayLogIn = facts.listener.offersAuth === true && facts.settings.authenticator !== undefined;
    this.#input = new CommandInput(mayLogIn ? { maxLineOctets: authLineOctets } : {});
    this.#record = new SessionRecord(facts, parts, { input: this.#input, wire });
    this.#parts = parts;
    this.#wire = wire;
    this.#tally = new Tally(facts.settings.limits);
    this.#lenience = parts.lenience ?? new Lenience(parts.log);
  }

  get state(): State {
    return this.#record.state;
  }

  /** The facts about the client. */
  get client(): ClientFacts {
    return this.#record.client;
  }

  get transactions(): number {
    return this.#record.transactions;
  }

  /** Messages that were taken. */
  get accepted(): number {
    return this.#record.accepted;
  }

  /** The name to which a recipient was granted last, on any ground. */
  get grantedTo(): string | undefined {
    return this.#record.grantedTo;
  }

  /** Octets that came and were not looked at. */
  get hasBufferedInput(): boolean {
    return this.#record.hasBufferedInput;
  }

  get isIdle(): boolean {
    return (this.state.at === 'greeted' || this.state.at === 'identified') && !this.#isBusy;
  }

  greet(): void {
    this.#now = this.#parts.clock.now();
    this.#take(greet(this.#record));
    this.#flush();
  }

  receive(octets: Buffer): void {
    const { at } = this.state;
    if (at === 'closed') return;
    this.#now = this.#parts.clock.now();
    // What completes a message too late is too late as well.
    if (!this.#isBusy && (at === 'content' || at === 'chunks') && this.#isOverdue()) {
      this.close(replies.timeout);
      return;
    }
    this.#input.push(octets);
    this.#pump();
    if (!this.#isBusy && this.#isOverdue()) this.close(replies.timeout);
    if (this.#isBusy && !this.#isPaused && this.#input.buffered > maxBufferedOctets) {
      this.#isPaused = true;
      this.#wire.pause();
    }
  }

  /** A peer that sends an octet now and then would otherwise hold its session for ever. */
  #isOverdue(): boolean {
    const state = this.state;
    const { idleMs, contentMs } = this.#record.settings.limits;
    const silentMs = this.#now - this.#answeredAt;
    if (state.at === 'discard') return silentMs > contentMs;
    // The time of a message goes on between its chunks, where silence is bounded besides.
    const isMessage = state.at === 'content' || state.at === 'chunks';
    if (isMessage && this.#now - state.content.begunAt > contentMs) return true;
    return state.at !== 'content' && silentMs > idleMs;
  }

  secured(tls: TlsFacts): void {
    if (this.state.at !== 'closed') this.#record.secured(tls);
  }

  /** The relay is going down: 421 now, or after the transaction that is under way. */
  shutDown(): void {
    this.#isShuttingDown = true;
    if (this.isIdle) this.close(replies.shuttingDown);
  }

  /** The session has to end: at once, or after the answer in progress. Nothing incomplete is kept. */
  terminate(last: Reply): void {
    if (!this.#isBusy) {
      this.close(last);
      return;
    }
    this.#last = last;
    // A login may be waiting for its turn.
    if (this.state.at === 'auth') this.state.exchange.cancel();
  }

  /** The peer sends no more: its commands are still answered, and that is all. */
  inputEnded(): void {
    this.#isInputOver = true;
    if (!this.#isBusy) this.#end();
  }

  /** Nothing came for too long. */
  timeOut(): void {
    if (this.#isBusy) return;
    this.close(replies.timeout);
  }

  /** Says a last word and closes. */
  close(last: Reply): void {
    if (this.state.at === 'closed') return;
    this.#output += formatted(last);
    this.#end();
  }

  /** The connection is gone: an uncommitted message is thrown away. */
  closed(): void {
    this.#discardContent();
    this.#record.enter({ at: 'closed' });
  }

  #end(options?: { readonly isAgreed: boolean }): void {
    if (this.state.at === 'closed') return;
    this.#discardContent();
    this.#record.enter({ at: 'closed' });
    this.#flush();
    this.#wire.end(options);
  }

  #discardContent(): void {
    if (this.state.at === 'content' || this.state.at === 'chunks') this.state.content.discard();
    if (this.state.at === 'auth') this.state.exchange.cancel();
  }

  /** Works through the input until it is used up or an answer has to be waited for. */
  #pump(): void {
    try {
      while (!this.#isBusy && this.state.at !== 'closed' && this.#step()) {}
    } catch (error) {
      this.#fail(error);
    }
    if (this.#isBusy) this.#flushSoon();
    else this.#flush();
    if (this.#isInputOver && !this.#isBusy) this.#end();
    if (this.#isPaused && !this.#isBusy) {
      this.#isPaused = false;
      this.#wire.resume();
    }
  }

  /** A bug or a broken resource: the peer hears of it as 451 and the session ends. */
  #fail(error: unknown): void {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    this.#parts.log.error('session-failed', { session: this.#record.facts.id, error: text });
    this.close(replies.localError);
  }

  /** Takes one thing from the input; false when more has to come. */
  #step(): boolean {
    switch (this.state.at) {
      case 'content':
        return this.#readContent(this.state);
      case 'discard':
        return this.#discardChunk(this.state);
      default:
        return this.#readCommand();
    }
  }

  #readCommand(): boolean {
    const line = this.#input.takeLine();
    if (line === undefined) return false;
    if (this.state.at === 'auth') {
      this.#take(authResponse(this.#record, this.state, line));
      return true;
    }
    switch (line.kind) {
      case 'line': {
        const command = this.#lenience.parse(line.text, this.client, this.#record.settings.policy);
        this.#tally.command(command.verb);
        this.#take(carryOut(this.#record, command));
        return true;
      }
      case 'too-long':
        this.#take(replies.lineTooLong);
        return true;
      case 'bare-line-end':
        this.#take(replies.bareLineEnd);
        return true;
      case 'invalid':
        this.#take(replies.invalidLine);
        return true;
    }
  }

  #readContent(state: State & { at: 'content' }): boolean {
    const octets = this.#input.takeRest() ?? (state.content.isChunkComplete ? nothing : undefined);
    if (octets === undefined) return false;
    const { end, wait } = state.content.read(octets);
    if (end >= 0 && end < octets.length) this.#input.push(octets.subarray(end));
    if (end < 0 && this.#isOverdue()) {
      this.close(replies.timeout);
      return false;
    }
    // While it waits the peer may go away, and then the message was thrown away already.
    const isOver = () => end < 0 || this.state !== state;
    if (wait !== undefined)
      this.#take(wait.then(() => (isOver() ? undefined : endContent(this.#record, state))));
    else if (end >= 0) this.#take(endContent(this.#record, state));
    return end >= 0;
  }

  #discardChunk(state: State & { at: 'discard' }): boolean {
    const octets = state.left > 0 ? this.#input.takeRest() : undefined;
    const left = state.left - (octets?.length ?? 0);
    if (left > 0) {
      this.#record.enter({ ...state, left });
      return false;
    }
    if (octets !== undefined && left < 0) this.#input.push(octets.subarray(left));
    this.#record.enter(state.next);
    this.#take(state.reply);
    return true;
  }

  /** Answers, or waits for the answer. */
  #take(step: Step): void {
    if (!(step instanceof Promise)) {
      this.#settle(step);
      return;
    }
    this.#isBusy = true;
    this.#parts.background.run('answer', step.then(this.#onAnswer, this.#onFailure));
  }

  readonly #onAnswer = (answer: Outcome): void => {
    this.#isBusy = false;
    if (this.state.at === 'closed') return;
    this.#now = this.#parts.clock.now();
    this.#settle(answer);
    this.#pump();
  };

  readonly #onFailure = (error: unknown): void => {
    this.#isBusy = false;
    this.#fail(error);
  };

  #settle(step: Outcome): void {
    if (step === undefined) return;
    if ('code' in step) {
      this.#answer(step);
      this.#goOn(step);
      return;
    }
    this.#answer(step.reply);
    if (step.next === 'close') this.#end({ isAgreed: step.reply.code === 221 && !this.hasBufferedInput });
    else {
      this.#flush();
      this.#wire.startTls();
    }
  }

  #answer(answer: Reply): void {
    this.#output += formatted(answer);
  }

  /** Ends the session after this reply where a limit or the end of the relay asks for it. */
  #goOn(answer: Reply): void {
    if (answer.code === 421) {
      this.#end();
      return;
    }
    const last =
      this.#last ??
      this.#tally.reply(answer, this.accepted) ??
      (this.#isShuttingDown && this.isIdle ? replies.shuttingDown : undefined);
    if (last !== undefined) this.close(last);
  }

  /** The answer may come in this very tick: replies of one tick leave in one write. */
  #flushSoon(): void {
    if (this.#isFlushDue || this.#output === '') return;
    this.#isFlushDue = true;
    process.nextTick(() => {
      this.#isFlushDue = false;
      this.#flush();
    });
  }

  #flush(): void {
    if (this.#output === '') return;
    const text = this.#output;
    this.#output = '';
    this.#answeredAt = this.#now;
    this.#wire.write(text);
  }
}
