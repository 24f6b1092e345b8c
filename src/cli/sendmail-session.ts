/** `sendmail -bs`: an SMTP session over standard input and output. */
import { type AnyEvent, Background, IpSet, type Log, systemClock } from '../base/index.ts';
import { type Envelope, QueueIdSource, type Reply, reply } from '../mail/index.ts';
import type { DropEnvelope } from '../maildrop/index.ts';
import {
  type IncomingMessage,
  type Policy,
  Session,
  type SessionFacts,
  type Wire,
} from '../receiver/index.ts';
import { CliError, type ExitCode, exitCode } from './exit-code.ts';
import type { Io } from './io.ts';
import { drop, type SendmailSite } from './sendmail-drop.ts';

const lf = 0x0a;
const cr = 0x0d;
const crlf = Buffer.from('\r\n');
const notKept = reply(451, '3.0', 'the message could not be kept');
const tooManyRecipients = reply(552, '5.3', 'too many recipients for one message');
const blockOctets = 64 * 1024;

/**
 * `sendmail -bs`: the receiver's session over standard input and output, for programs that speak only SMTP to a
 * mailer. Messages go into the maildrop; the relay checks recipients when it takes them in, and knows the user who
 * wrote them. Resolves after QUIT or at the end of input; a message whose input ends early is dropped.
 *
 * The session is given one line at a time, each after the reply to the one before, so that a whole dialogue can be
 * piped in: no attacker could gain by commands sent too early. Between commands and within DATA a line may end with
 * LF, as programs write it; the octets of BDAT are counted and stay as they are.
 *
 * Returns the exit code: 0 when a message was accepted, or no command was refused.
 */
export async function speakSmtp(io: Io, site: SendmailSite): Promise<ExitCode> {
  const log = faultLog(io);
  const background = new Background(log);
  const wire = new StdioWire(io);
  let accepted = 0;
  const ids = new QueueIdSource({ shard: 0, now: Date.now });
  const intake = {
    refusal: () => undefined,
    begin: () => new DroppedMessage(ids.next(), { folder: site.maildrop, io, onAccepted: () => accepted++ }),
  };
  const session = new Session(factsOf(site), { intake, clock: systemClock, log, background }, wire);
  session.greet();
  let last = 0;
  for await (const line of lines(io.stdin)) {
    session.receive(isCounted(session) ? line : withCrlf(line, last));
    last = line.at(-1) ?? last;
    await background.drain();
    await wire.written;
    if (session.state.at === 'closed') break;
  }
  const isComplete = session.state.at === 'closed';
  session.closed();
  await wire.written;
  return accepted > 0 ? exitCode.ok : codeOf(wire.refusal, isComplete);
}

/** The exit code when no message was accepted, for callers that ignore the dialogue: the last refusal decides. */
function codeOf(refusal: string | undefined, isComplete: boolean): ExitCode {
  if (refusal === undefined) return isComplete ? exitCode.ok : exitCode.dataErr;
  return refusal.startsWith('4') ? exitCode.tempFail : exitCode.dataErr;
}

/** Any local user may send to any recipient; the relay checks each recipient later. */
const policy: Policy = {
  refuseSender: () => undefined,
  decide: ({ recipient }) => ({ kind: 'grant', ground: 'local', because: 'a local user', to: [recipient] }),
};

/** No certificate and no trusted proxy: STARTTLS, AUTH and XCLIENT are not offered. */
function factsOf({ hostname, postmasterDomain, limits, maxMessageBytes }: SendmailSite): SessionFacts {
  const nobody = new IpSet([]);
  return {
    id: 'stdio',
    listener: { name: 'stdio', role: 'local', host: '', port: 0, tls: 'none', proxyProtocolFrom: nobody },
    address: '127.0.0.1',
    port: 0,
    settings: {
      hostname,
      postmasterDomain,
      limits: { ...limits, messageBytes: maxMessageBytes },
      policy,
      xclientFrom: nobody,
    },
  };
}

/** Standard error is for faults; refusals are in the dialogue. */
function faultLog(io: Io): Log<AnyEvent> {
  const error: Log<AnyEvent>['error'] = (event, fields) => io.err(`${event}: ${JSON.stringify(fields)}\n`);
  return { isVerbose: false, info() {}, warn() {}, error };
}

/** The octets that come next are a chunk of BDAT. */
function isCounted({ state }: Session): boolean {
  return state.at === 'discard' || (state.at === 'content' && state.by !== 'data');
}

/** Pieces that end after a LF, or where the input does for now: a chunk of BDAT has no line end to wait for. */
async function* lines(octets: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer, void, void> {
  for await (const chunk of octets) {
    const piece = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length);
    for (let begin = 0; begin < piece.length; ) {
      const end = piece.indexOf(lf, begin) + 1 || piece.length;
      yield piece.subarray(begin, end);
      begin = end;
    }
  }
}

/** `last` is the octet before the line. */
function withCrlf(line: Buffer, last: number): Buffer {
  if (line.at(-1) !== lf || (line.length > 1 ? line.at(-2) : last) === cr) return line;
  return Buffer.concat([line.subarray(0, -1), crlf]);
}

class StdioWire implements Wire {
  readonly #io: Io;
  /** Resolves when the reader of the output has caught up. */
  written: Promise<void> = Promise.resolve();
  /** The last reply that refused something. */
  refusal: string | undefined;

  constructor(io: Io) {
    this.#io = io;
  }

  write(text: string): void {
    this.refusal = text.match(/^[45]\d\d .*/gm)?.at(-1) ?? this.refusal;
    this.written = this.written.then(() => this.#io.out(Buffer.from(text)));
  }

  // One line is given at a time, and the end of the dialogue is seen by the state of the session.
  pause(): void {}
  resume(): void {}
  end(): void {}
  startTls(): void {}
}

interface DropPlace {
  readonly folder: string;
  readonly io: Io;
  readonly onAccepted: () => void;
}

/** A message on its way into the maildrop, where the envelope, known last, comes first: it waits in memory. */
class DroppedMessage implements IncomingMessage {
  readonly id: IncomingMessage['id'];
  readonly #to: DropPlace;
  #blocks: Buffer[] = [];
  #block: Uint8Array[] = [];
  #blockSize = 0;
  #hasTrace = false;

  constructor(id: IncomingMessage['id'], to: DropPlace) {
    this.id = id;
    this.#to = to;
  }

  /** The trace field, which comes first, is left to the relay: it knows the user and the queue id. */
  write(octets: Uint8Array): undefined {
    if (this.#hasTrace) this.#push(octets);
    this.#hasTrace = true;
  }

  #push(octets: Uint8Array): void {
    this.#block.push(octets);
    this.#blockSize += octets.length;
    if (this.#blockSize < blockOctets) return;
    this.#blocks.push(Buffer.concat(this.#block));
    this.#block = [];
    this.#blockSize = 0;
  }

  async commit(envelope: Envelope): Promise<Reply> {
    try {
      const name = await drop(this.#to.folder, dropEnvelope(envelope), [...this.#blocks, ...this.#block]);
      this.#to.onAccepted();
      return reply(250, '0.0', `queued as ${name}`);
    } catch (error) {
      if (!(error instanceof CliError)) throw error;
      this.#to.io.err(`sendmail: ${error.message}\n`);
      return error.code === exitCode.dataErr ? tooManyRecipients : notKept;
    } finally {
      this.discard();
    }
  }

  discard(): void {
    this.#blocks = [];
    this.#block = [];
  }
}

function dropEnvelope({ reversePath, recipients, body, smtputf8, ret, envid }: Envelope): DropEnvelope {
  return {
    version: 1,
    from: reversePath?.text ?? '',
    to: recipients.map(({ address, notify, originalRecipient }) => ({
      address: address.text,
      ...(notify === undefined ? {} : { notify }),
      ...(originalRecipient === undefined ? {} : { originalRecipient }),
    })),
    body,
    smtputf8,
    ...(ret === undefined ? {} : { ret }),
    ...(envid === undefined ? {} : { envid }),
  };
}
