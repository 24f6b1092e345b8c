import {
  type Address,
  formatReplyText,
  type Recipient,
  type Reply,
  type ReversePath,
  reply,
} from '../mail/index.ts';
import {
  type Command,
  type CommandError,
  CommandInput,
  DataReader,
  decodeMailParameters,
  decodeRcptParameters,
  type Extensions,
  formatExtensions,
  formatReply,
  noExtensions,
  parseCommand,
} from '../smtp/index.ts';

/** A transaction that is complete but for its message. */
export interface SmtpTransaction {
  readonly reversePath: ReversePath;
  readonly recipients: readonly Recipient[];
  readonly body: '7bit' | '8bitmime';
}

/** What `sendmail -bs` needs. */
export interface SmtpOptions {
  readonly input: AsyncIterable<Uint8Array>;
  readonly write: (text: string) => Promise<void>;
  readonly hostname: string;
  readonly maxMessageBytes: number;
  readonly maxRecipients: number;
  /** Makes the message durable and answers the end of data. Rejecting is answered 451. */
  readonly submit: (transaction: SmtpTransaction, octets: AsyncIterable<Buffer>) => Promise<Reply>;
}

const ok = reply(250, '0.0', 'ok');
const closing = reply(221, '0.0', 'bye');
const badSequence = reply(503, '5.1', 'bad sequence of commands');
const notImplemented = reply(502, '5.1', 'command not implemented');
const unknownCommand = reply(500, '5.2', 'command not recognized');
const tooMany = reply(452, '5.3', 'too many recipients');
const mailerFailed = reply(451, '3.0', 'the message could not be kept');

/**
 * SMTP on standard input and output (`sendmail -bs`), for programs that speak no other language to a
 * mailer. It decides nothing about relaying: the relay does when it takes the message in. Resolves after
 * QUIT or at the end of input; a message whose input ends early is dropped.
 */
export async function speakSmtp(options: SmtpOptions): Promise<void> {
  await new StdioSession(options).run();
}

class StdioSession {
  readonly #options: SmtpOptions;
  readonly #offer: Extensions;
  readonly #chunks: AsyncIterator<Uint8Array>;
  readonly #input = new CommandInput();
  #reversePath: ReversePath | undefined;
  #body: '7bit' | '8bitmime' = '7bit';
  #recipients: Recipient[] = [];
  #isOpen = true;

  constructor(options: SmtpOptions) {
    this.#options = options;
    this.#chunks = withCrlf(options.input)[Symbol.asyncIterator]();
    this.#offer = {
      ...noExtensions,
      size: options.maxMessageBytes,
      pipelining: true,
      eightBitMime: true,
      smtputf8: true,
      enhancedStatusCodes: true,
    };
  }

  async run(): Promise<void> {
    await this.#send({ code: 220, lines: [`${this.#options.hostname} ESMTP`] });
    while (this.#isOpen) {
      const line = this.#input.takeLine();
      if (line === undefined) {
        if (!(await this.#read())) return;
      } else if (line.kind !== 'line') await this.#send(unknownCommand);
      else await this.#send(await this.#answer(parseCommand(line.text)));
    }
  }

  /** Waits for more input; false at its end. */
  async #read(): Promise<boolean> {
    const next = await this.#chunks.next();
    if (next.done === true) return false;
    this.#input.push(Buffer.from(next.value));
    return true;
  }

  async #answer(command: Command | CommandError): Promise<Reply> {
    switch (command.verb) {
      case 'error':
        return command.reply;
      case 'ehlo':
        this.#reset();
        return { code: 250, lines: [this.#options.hostname, ...formatExtensions(this.#offer)] };
      case 'helo':
        this.#reset();
        return { code: 250, lines: [this.#options.hostname] };
      case 'mail':
        return this.#mail(command);
      case 'rcpt':
        return this.#rcpt(command);
      case 'data':
        return this.#data();
      case 'rset':
        this.#reset();
        return ok;
      case 'noop':
        return ok;
      case 'vrfy':
        return reply(252, '0.0', 'send some mail, and see');
      case 'quit':
        this.#isOpen = false;
        return closing;
      case 'unknown':
        return command.kind === 'smtp' ? notImplemented : unknownCommand;
      default:
        return notImplemented;
    }
  }

  #mail(command: Extract<Command, { verb: 'mail' }>): Reply {
    if (this.#reversePath !== undefined) return badSequence;
    const decoded = decodeMailParameters(command.parameters, this.#offer);
    if (decoded.kind === 'refused') return decoded.reply;
    this.#reversePath = command.reversePath;
    this.#body = decoded.parameters.body === '7bit' ? '7bit' : '8bitmime';
    return ok;
  }

  #rcpt(command: Extract<Command, { verb: 'rcpt' }>): Reply {
    if (this.#reversePath === undefined) return badSequence;
    if (this.#recipients.length >= this.#options.maxRecipients) return tooMany;
    const decoded = decodeRcptParameters(command.parameters, this.#offer);
    if (decoded.kind === 'refused') return decoded.reply;
    const address = typeof command.forwardPath === 'string' ? this.#postmaster() : command.forwardPath;
    if (address === undefined) return reply(550, '1.2', 'no postmaster here');
    this.#recipients.push({ ...decoded.parameters, address });
    return ok;
  }

  #postmaster(): Address | undefined {
    const command = parseCommand(`RCPT TO:<postmaster@${this.#options.hostname}>`);
    return command.verb === 'rcpt' && typeof command.forwardPath !== 'string'
      ? command.forwardPath
      : undefined;
  }

  async #data(): Promise<Reply> {
    const reversePath = this.#reversePath;
    if (reversePath === undefined || this.#recipients.length === 0) return badSequence;
    await this.#send({ code: 354, lines: ['end with a line that is just a dot'] });
    const reader = new DataReader({ maxOctets: this.#options.maxMessageBytes });
    const transaction = { reversePath, recipients: this.#recipients, body: this.#body };
    this.#reset();
    this.#isDataOver = false;
    try {
      return await this.#options.submit(transaction, this.#message(reader));
    } catch (error) {
      if (error instanceof MessageRefused) return error.reply;
      return mailerFailed;
    } finally {
      await this.#skipRest(reader);
    }
  }

  #isDataOver = true;

  /** The octets up to the final dot. Throws when the message turns out to have a fault. */
  async *#message(reader: DataReader): AsyncGenerator<Buffer> {
    for (;;) {
      const pieces: Buffer[] = [];
      if (!(await this.#readData(reader, (piece) => pieces.push(piece)))) break;
      yield* pieces;
      if (this.#isDataOver) break;
    }
    if (!this.#isDataOver) throw new MessageRefused(mailerFailed);
    if (reader.fault === 'too-big') throw new MessageRefused(reply(552, '3.4', 'message too big'));
    if (reader.fault !== undefined) throw new MessageRefused(reply(554, '6.0', 'the message is not text'));
  }

  /** What a message that failed early still has to come is no command. */
  async #skipRest(reader: DataReader): Promise<void> {
    while (!this.#isDataOver && (await this.#readData(reader, () => {})));
  }

  async #readData(reader: DataReader, emit: (piece: Buffer) => void): Promise<boolean> {
    let chunk = this.#input.takeRest();
    if (chunk === undefined) {
      if (!(await this.#read())) {
        this.#isOpen = false;
        return false;
      }
      chunk = this.#input.takeRest();
    }
    if (chunk === undefined) return true;
    const end = reader.read(chunk, 0, emit);
    if (end < 0) return true;
    this.#isDataOver = true;
    if (end < chunk.length) this.#input.push(chunk.subarray(end));
    return true;
  }

  #reset(): void {
    this.#reversePath = undefined;
    this.#recipients = [];
  }

  #send(value: Reply): Promise<void> {
    return this.#options.write(formatReply(value));
  }
}

class MessageRefused extends Error {
  readonly reply: Reply;
  constructor(value: Reply) {
    super(formatReplyText(value));
    this.reply = value;
  }
}

/** Programs write LF where they mean a line end. It is their own mail, so nothing can be smuggled. */
async function* withCrlf(octets: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  let last = 0;
  for await (const chunk of octets) {
    const parts: Uint8Array[] = [];
    let begin = 0;
    for (let at = chunk.indexOf(0x0a); at >= 0; at = chunk.indexOf(0x0a, at + 1)) {
      if ((at === 0 ? last : chunk[at - 1]) === 0x0d) continue;
      parts.push(chunk.subarray(begin, at), Buffer.from('\r'));
      begin = at;
    }
    parts.push(chunk.subarray(begin));
    last = chunk.at(-1) ?? last;
    yield Buffer.concat(parts);
  }
}
