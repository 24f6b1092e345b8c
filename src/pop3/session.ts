/** The dialogue of one POP3 connection. */
import type { ClientFacts } from '../identity/index.ts';
import { authLineOctets, CommandInput, type LineResult } from '../smtp/index.ts';
import { parseCommand } from './command.ts';
import type { Answer, PopDialogue, State } from './dialogue.ts';
import type { PopServerOptions, PopWire } from './session-options.ts';
import { carryOut } from './session-verbs.ts';

/** Replies to pipelined commands leave together, up to here. */
const maxOutputOctets = 16 * 1024;

/**
 * One connection's dialogue. It reads a line, answers it, and reads on only when the answer has been taken, so
 * that a client which does not read makes us keep nothing. Every command gets exactly one reply, in order.
 */
export class PopSession implements PopDialogue {
  readonly options: PopServerOptions;
  readonly wire: PopWire;
  readonly #input = new CommandInput({ maxLineOctets: authLineOctets });
  state: State = { at: 'authorization' };
  failedLogins = 0;
  #output = '';
  #commands = 0;
  #errors = 0;
  #isWaiting = false;
  retrieved = 0;

  constructor(wire: PopWire, options: PopServerOptions) {
    this.wire = wire;
    this.options = options;
  }

  /** The client's facts for the users. POP3 has no role of its own, and no greeting by the client. */
  get client(): ClientFacts {
    const { address, port, listener } = this.wire.facts;
    const { tls } = this.wire;
    return { address, port, listener, helo: '', role: 'submission', isVouchedFor: false, tls };
  }

  /** Octets that came and were not looked at. */
  get hasBufferedInput(): boolean {
    return this.#input.buffered > 0;
  }

  /** From the greeting to the end. Never rejects. */
  async run(): Promise<void> {
    const { draining } = this.wire;
    // A session that waits for a command is told; one that waits for a reply gets that first.
    const stop = () => this.#isWaiting && this.wire.end('-ERR [SYS/TEMP] the server is shutting down\r\n');
    draining.addEventListener('abort', stop);
    try {
      await this.#converse();
    } catch (error) {
      this.#fail(error);
    } finally {
      draining.removeEventListener('abort', stop);
      await this.#leave();
    }
  }

  /** The next line; undefined when the client has gone, or took too long. */
  async nextLine(): Promise<LineResult | undefined> {
    const { clock, limits } = this.options;
    let line = this.#input.takeLine();
    if (line !== undefined) return line;
    await this.#flush();
    if (this.wire.draining.aborted) {
      this.wire.end('-ERR [SYS/TEMP] the server is shutting down\r\n');
      return undefined;
    }
    const cancel = clock.after(limits.idleMs, () => this.wire.destroy());
    this.#isWaiting = true;
    try {
      while (line === undefined) {
        const octets = await this.wire.read();
        if (octets === undefined) return undefined;
        this.#input.push(octets);
        line = this.#input.takeLine();
      }
      return line;
    } finally {
      this.#isWaiting = false;
      cancel();
    }
  }

  /** A line of ours, without its CRLF. */
  say(line: string): void {
    this.#output += `${line}\r\n`;
  }

  async #converse(): Promise<void> {
    this.say('+OK Posthouse POP3 ready');
    for (;;) {
      const line = await this.nextLine();
      if (line === undefined) return;
      const answer = this.#overLimit() ?? (await this.#answerTo(line));
      await this.#give(this.#count(answer));
      if (this.state.at === 'closed' || this.wire.isClosed) return;
      if (this.#output.length > maxOutputOctets) await this.#flush();
    }
  }

  #overLimit(): Answer | undefined {
    const { loginCommands, commands } = this.options.limits;
    this.#commands++;
    const max = this.state.at === 'authorization' ? loginCommands : commands;
    return this.#commands > max ? { line: '-ERR too many commands', next: 'close' } : undefined;
  }

  async #answerTo(line: LineResult): Promise<Answer> {
    if (line.kind === 'line') return await carryOut(this, parseCommand(line.text));
    const text = line.kind === 'invalid' ? line.octets?.toString('latin1') : undefined;
    const command = text === undefined ? undefined : parseCommand(text, 'latin1');
    if (command !== undefined && command.verb !== 'error') return await carryOut(this, command);
    this.#forgetUser();
    return refusedLines[line.kind];
  }

  /** PASS counts only right behind USER. */
  #forgetUser(): void {
    if (this.state.at === 'authorization') this.state = { at: 'authorization' };
  }

  #count(answer: Answer): Answer {
    if (typeof answer !== 'string' || answer.startsWith('+')) return answer;
    this.#errors++;
    const { errors, failedLogins } = this.options.limits;
    if (this.failedLogins >= failedLogins)
      return { line: '-ERR [AUTH] too many failed logins', next: 'close' };
    return this.#errors >= errors ? { line: '-ERR too many errors', next: 'close' } : answer;
  }

  async #give(answer: Answer): Promise<void> {
    if (typeof answer === 'string') {
      this.say(answer);
      return;
    }
    this.say(answer.line);
    if ('content' in answer) {
      await this.#stream(answer.content);
      return;
    }
    // A client that has read the answer to QUIT may come back at once.
    if (answer.next === 'close') this.state = await this.#closed();
    await this.#flush();
    if (answer.next === 'tls') await this.#startTls();
  }

  /** Each piece waits until the one before it has been taken. */
  async #stream(content: AsyncIterable<string | Buffer>): Promise<void> {
    const cancel = this.options.clock.after(this.options.limits.replyMs, () => this.wire.destroy());
    try {
      for await (const piece of content) {
        await this.#flush();
        await this.wire.write(piece);
        if (this.wire.isClosed) return;
      }
    } finally {
      cancel();
    }
  }

  /** No fact from before the handshake counts after it (RFC 2595 §4). */
  async #startTls(): Promise<void> {
    try {
      await this.wire.startTls();
      this.state = { at: 'authorization' };
    } catch (error) {
      this.options.log.info('tls-failed', { ...this.#connection(), because: String(error) });
      this.wire.destroy();
    }
  }

  async #flush(): Promise<void> {
    if (this.#output === '') return;
    const text = this.#output;
    this.#output = '';
    const cancel = this.options.clock.after(this.options.limits.replyMs, () => this.wire.destroy());
    await this.wire.write(text);
    cancel();
  }

  /** After a bug or a broken file no dot ends the reply, so that it is not taken for a whole message. */
  #fail(error: unknown): void {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    this.options.log.error('pop3-failed', { session: this.wire.facts.id, error: text });
    this.wire.destroy();
  }

  /** The mailbox is free for the next session. Marks of DELE that QUIT did not carry out are forgotten. */
  async #closed(): Promise<State> {
    const { state } = this;
    if (state.at === 'transaction') await state.mailbox.close();
    return { at: 'closed' };
  }

  async #leave(): Promise<void> {
    const { state, retrieved } = this;
    const identity = state.at === 'transaction' ? state.identity.name : undefined;
    this.state = await this.#closed().catch((error: unknown): State => {
      this.#fail(error);
      return { at: 'closed' };
    });
    this.wire.end(this.#output);
    this.options.log.info('pop3-closed', { ...this.#connection(), identity, retrieved });
  }

  #connection() {
    const { id, address, listener } = this.wire.facts;
    return { session: id, client: address, listener };
  }
}

const refusedLines: Readonly<Record<Exclude<LineResult['kind'], 'line'>, string>> = {
  'too-long': '-ERR line too long',
  'bare-line-end': '-ERR only CRLF ends a line',
  invalid: '-ERR not a line of text',
};
