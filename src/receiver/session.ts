import { type Reply, replyClass } from '../mail/index.ts';
import {
  BdatReader,
  type Command,
  type CommandError,
  CommandInput,
  DataReader,
  type Extensions,
  formatReply,
  parseCommand,
} from '../smtp/index.ts';
import type { ClientFacts, TlsFacts } from './ask.ts';
import { Content } from './content.ts';
import { offerTo } from './offer.ts';
import type { ReceiverParts } from './options.ts';
import { faultReplies, replies } from './replies.ts';
import type { SessionFacts, State, Wire } from './state.ts';
import type { Hello, Transaction } from './transaction.ts';
import { carryOut, type Outcome, type Step } from './verbs.ts';

/** Input that waits while an answer is worked out; above this the wire is paused. */
const maxBufferedOctets = 64 * 1024;
const nothing = Buffer.alloc(0);

/**
 * One connection's dialogue. Octets come in by `receive`; replies leave through the wire, those of one
 * group of pipelined commands in one write. Every command gets exactly one reply, in order; while one is
 * worked out the next ones wait.
 */
export class Session {
  readonly facts: SessionFacts;
  readonly parts: ReceiverParts;
  readonly #wire: Wire;
  readonly #input = new CommandInput();
  #state: State = { at: 'greeted' };
  client: ClientFacts;
  #output = '';
  #isBusy = false;
  #isPaused = false;
  #isShuttingDown = false;
  #errors = 0;
  #idleCommands = 0;
  transactions = 0;
  accepted = 0;
  #contentSince = 0;
  #answeredAt = 0;

  constructor(facts: SessionFacts, parts: ReceiverParts, wire: Wire) {
    this.facts = facts;
    this.parts = parts;
    this.#wire = wire;
    this.client = {
      address: facts.address,
      port: facts.port,
      helo: '',
      listener: facts.listener.name,
      tls: facts.tls,
    };
    this.#learnName();
  }

  get state(): State {
    return this.#state;
  }

  set state(next: State) {
    this.#state = next;
  }

  get isIdle(): boolean {
    return (this.#state.at === 'greeted' || this.#state.at === 'identified') && !this.#isBusy;
  }

  /** Octets that came and were not looked at: the peer did not wait for the reply. */
  get hasBufferedInput(): boolean {
    return this.#input.buffered > 0;
  }

  /** What EHLO offers now, and what parameters are taken. */
  get extensions(): Extensions {
    return offerTo(this.client, this.facts);
  }

  get mayXclient(): boolean {
    return this.facts.settings.xclientFrom.has(this.facts.address);
  }

  greet(): void {
    this.#output += formatReply({ code: 220, lines: [`${this.facts.settings.hostname} ESMTP Posthouse`] });
    this.#flush();
  }

  receive(octets: Buffer): void {
    if (this.#state.at === 'closed') return;
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
    const { at } = this.#state;
    const { idleMs, contentMs } = this.facts.settings.limits;
    const since = at === 'content' ? this.#contentSince : this.#answeredAt;
    return this.parts.clock.now() - since > (at === 'content' || at === 'discard' ? contentMs : idleMs);
  }

  /** The handshake succeeded: everything said before is forgotten (RFC 3207 §4.2). */
  secured(tls: TlsFacts): void {
    if (this.#state.at === 'closed') return;
    this.client = { ...this.client, helo: '', tls };
    this.#state = { at: 'greeted' };
  }

  /** XCLIENT: everything that is known of the client is what the proxy says now. */
  impersonate(client: Partial<Pick<ClientFacts, 'address' | 'port' | 'name' | 'helo'>>): void {
    this.client = { ...this.client, name: undefined, helo: '', ...client };
    this.#state = { at: 'greeted' };
    if (client.address !== undefined && client.name === undefined) this.#learnName();
  }

  /** The relay is going down: 421 now, or after the transaction that is under way. */
  shutDown(): void {
    this.#isShuttingDown = true;
    if (this.isIdle) this.close(replies.shuttingDown);
  }

  /** Nothing came for too long. */
  timeOut(): void {
    if (this.#isBusy) return;
    this.close(replies.timeout);
  }

  /** Says a last word and closes. */
  close(last: Reply): void {
    if (this.#state.at === 'closed') return;
    this.#output += formatReply(last);
    this.#end();
  }

  /** The connection is gone: what was not committed is thrown away. */
  closed(): void {
    this.#discardContent();
    this.#state = { at: 'closed' };
  }

  #learnName(): void {
    const { address } = this.client;
    const found = this.facts.settings.clientName?.(address)?.then((name) => {
      if (this.client.address === address) this.client = { ...this.client, name };
    });
    if (found !== undefined) this.parts.background.run('client name', found);
  }

  #end(options?: { readonly isAgreed: boolean }): void {
    this.#discardContent();
    this.#state = { at: 'closed' };
    this.#flush();
    this.#wire.end(options);
  }

  #discardContent(): void {
    if (this.#state.at === 'content' || this.#state.at === 'chunks') this.#state.content.message.discard();
  }

  /** Works through the input until it is used up or an answer has to be waited for. */
  #pump(): void {
    try {
      while (!this.#isBusy && this.#state.at !== 'closed' && this.#step()) {}
    } catch (error) {
      this.#fail(error);
    }
    this.#flush();
    if (this.#isPaused && !this.#isBusy) {
      this.#isPaused = false;
      this.#wire.resume();
    }
  }

  /** A bug or a broken resource: the peer hears of it as 451 and the session ends. */
  #fail(error: unknown): void {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    this.parts.log.error('session-failed', { session: this.facts.id, error: text });
    this.close(replies.localError);
  }

  /** Takes one thing from the input; false when more has to come. */
  #step(): boolean {
    switch (this.#state.at) {
      case 'content':
        return this.#readContent(this.#state);
      case 'discard':
        return this.#discardChunk(this.#state);
      default:
        return this.#readCommand();
    }
  }

  #readCommand(): boolean {
    const line = this.#input.takeLine();
    if (line === undefined) return false;
    switch (line.kind) {
      case 'line':
        this.#take(carryOut(this, parseCommand(line.text)));
        return true;
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
    const isOver = () => end < 0 || this.#state !== state;
    if (wait !== undefined) this.#take(wait.then(() => (isOver() ? undefined : this.#endContent(state))));
    else if (end >= 0) this.#take(this.#endContent(state));
    return end >= 0;
  }

  /** The end of data, or of a chunk, has come. */
  #endContent(state: State & { at: 'content' }): Step {
    const { hello, transaction, content } = state;
    if (state.by === 'bdat' && content.fault === undefined) {
      this.#state = { at: 'chunks', hello, transaction, content };
      return replies.chunkOk;
    }
    this.#state = { at: 'identified', hello };
    const refusal = this.#contentRefusal(content);
    if (refusal !== undefined) {
      content.message.discard();
      this.#logRefusal('data', refusal, transaction);
      return refusal;
    }
    return this.#commit(state);
  }

  #contentRefusal(content: Content): Reply | undefined {
    if (content.fault !== undefined) return faultReplies[content.fault];
    return content.hops > this.facts.settings.limits.hops ? replies.tooManyHops : undefined;
  }

  async #commit({ hello, transaction, content }: State & { at: 'content' }): Promise<Outcome> {
    const { parts, client, facts } = this;
    const trace = { client, hello, session: facts.id, now: parts.clock.now() };
    const envelope = transaction.envelope(trace, content.facts);
    const answer = await content.message.commit(envelope);
    if (replyClass(answer) === 2) {
      this.accepted++;
      parts.log.info('accepted', {
        queueId: content.message.id,
        session: facts.id,
        client: client.address,
        helo: hello.name,
        from: envelope.reversePath === null ? '' : envelope.reversePath.text,
        size: envelope.content.size,
        recipients: envelope.recipients.length,
        ground: envelope.origin.ground,
        messageId: parts.log.isVerbose ? content.messageId : undefined,
      });
    } else {
      this.#logRefusal('data', answer, transaction);
    }
    return answer;
  }

  #logRefusal(stage: string, answer: Reply, transaction: Transaction): void {
    this.logRefused({
      stage,
      from: transaction.reversePath === null ? '' : transaction.reversePath.text,
      reply: answer,
    });
  }

  /** One line for each refusal, with what is needed to understand it later. */
  logRefused(fields: { readonly reply: Reply } & Readonly<Record<string, unknown>>): void {
    const { reply, ...rest } = fields;
    this.parts.log.info('refused', {
      session: this.facts.id,
      client: this.client.address,
      name: this.client.name,
      helo: this.client.helo,
      ...rest,
      reply: formatReply(reply).trimEnd(),
    });
  }

  /** Begins to read the octets of a message. */
  beginContent(transaction: Transaction, hello: Hello, by: 'data' | 'bdat'): Content {
    const { limits, hostname } = this.facts.settings;
    const now = this.parts.clock.now();
    this.#contentSince = now;
    const message = this.parts.intake.begin();
    const { client } = this;
    const trace = { client, hello, session: this.facts.id, hostname, id: message.id, now };
    const received = message.write(Buffer.from(transaction.received(trace), 'utf8'));
    if (received !== undefined) this.parts.background.run('received', received);
    const limit = { maxOctets: limits.messageBytes };
    const isBinaryMime = transaction.parameters.body === 'binarymime';
    const reader = by === 'data' ? new DataReader(limit) : new BdatReader({ ...limit, isBinaryMime });
    return new Content(message, reader);
  }

  #discardChunk(state: State & { at: 'discard' }): boolean {
    const octets = state.left > 0 ? this.#input.takeRest() : undefined;
    const left = state.left - (octets?.length ?? 0);
    if (left > 0) {
      this.#state = { ...state, left };
      return false;
    }
    if (octets !== undefined && left < 0) this.#input.push(octets.subarray(left));
    this.#state = state.next;
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
    const done = step.then(
      (value) => {
        this.#isBusy = false;
        if (this.#state.at === 'closed') return;
        this.#settle(value);
        this.#pump();
      },
      (error: unknown) => {
        this.#isBusy = false;
        this.#fail(error);
      },
    );
    this.parts.background.run('answer', done);
  }

  #settle(step: Outcome): void {
    if (step === undefined) return;
    if ('code' in step) {
      this.#answer(step);
      this.#checkLimits(step);
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
    this.#output += formatReply(answer);
  }

  #checkLimits(answer: Reply): void {
    const { limits } = this.facts.settings;
    if (answer.code === 421) this.#end();
    else if (answer.code >= 500 && ++this.#errors > limits.commandErrors) this.close(replies.tooManyErrors);
    else if (this.#idleCommands > limits.idleCommands) this.close(replies.tooManyCommands);
    else if (this.#isShuttingDown && this.isIdle) this.close(replies.shuttingDown);
  }

  /** Counts a command that carries no mail forward; one that does ends the count. */
  countCommand(command: Command | CommandError): void {
    const isForward = command.verb === 'rcpt' || command.verb === 'data' || command.verb === 'bdat';
    this.#idleCommands = isForward ? 0 : this.#idleCommands + 1;
  }

  #flush(): void {
    if (this.#output === '') return;
    const text = this.#output;
    this.#output = '';
    this.#answeredAt = this.parts.clock.now();
    this.#wire.write(text);
  }
}
