/** One transaction, from MAIL to the last reply. */
import { isPositive, type Reply, reply, replyClass } from '../mail/index.ts';
import { ClientError, type ClientPhase } from './client-error.ts';
import { formatMail, formatRcpt } from './command.ts';
import { type Framing, writePieces, writeWhole } from './content.ts';
import type { OutgoingMessage, SendEnding, SendResult } from './message.ts';
import type { Peer } from './peer.ts';
import { messageSize } from './requirements.ts';
import { verbWithControl } from './writer.ts';

/** The place of a transaction among those of its session. */
export interface Place {
  /** The server may still hold the one before: RSET goes first. */
  readonly mustReset: boolean;
  /** The envelope goes out behind the content of another message, to whose end there is no reply yet (RFC 2920 §3.1). */
  readonly follows: boolean;
  /** Called when the content is about to go out, if the envelope of another message may go out behind it; true if it does. */
  readonly onContent?: (() => boolean) | undefined;
}

/**
 * One transaction, from MAIL to the last reply. The replies are gathered as they come; their meaning for each
 * recipient is derived at the end, however far it came.
 */
export class Transaction {
  readonly #peer: Peer;
  readonly #message: OutgoingMessage;
  readonly #framing: Framing;
  readonly #startedAt: number;
  readonly #place: Place;
  #mail: Reply | undefined;
  /** By recipient: the reply to RCPT. */
  readonly #rcpts: (Reply | undefined)[] = [];
  /** The indices of recipients whose RCPT was accepted. */
  readonly #accepted: number[] = [];
  #data: Reply | undefined;
  /** To the end of data: one, or with LMTP one for each accepted recipient. */
  #ends: readonly Reply[] = [];
  /** The last octet of the message was written. */
  #isSent = false;
  #isOpen = false;
  #isFollowed = false;
  /** With PIPELINING, the commands of the envelope. */
  readonly #commands: string[] | undefined;

  /** Throws, also where a command of an envelope that follows holds a control character; then nothing was said. */
  constructor(peer: Peer, message: OutgoingMessage, place: Place) {
    this.#peer = peer;
    this.#message = message;
    this.#place = place;
    this.#framing = peer.capabilities.chunking ? 'octets' : 'dots';
    this.#startedAt = peer.clock.now();
    this.#commands = peer.capabilities.pipelining ? this.#group() : undefined;
  }

  /** The server may still hold it: RSET has to come before the next MAIL. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** MAIL was accepted. */
  get isBegun(): boolean {
    return this.#mail !== undefined && isPositive(this.#mail);
  }

  /** Carries it out. Never rejects. */
  async run(): Promise<SendResult> {
    const { wire } = this.#peer;
    if (!wire.isIdle && !this.#place.follows) return this.#result();
    this.#isOpen = true;
    try {
      if (this.#commands === undefined) await this.#sendSteps();
      else this.#onGroup(await this.#sendGroup(this.#commands));
      const more = this.#isSent || !wire.isIdle ? undefined : this.#finish();
      if (more !== undefined) await more;
      if (this.#isSent) this.#isOpen = this.#accepted.length === 0 || !this.#ends.some(isPositive);
    } catch (cause) {
      // The state of the dialogue is no longer known, so nothing else may be sent on this connection.
      wire.fail('internal', `a fault of this relay: ${String(cause)}`, { cause });
    }
    return this.#result();
  }

  /** The commands of the envelope in one group (RFC 2920), with DATA at its end. */
  #group(): string[] {
    const { capabilities, isAuthenticated } = this.#peer;
    const commands = this.#place.mustReset ? ['RSET'] : [];
    commands.push(formatMail(this.#message, capabilities, isAuthenticated));
    for (const recipient of this.#message.recipients) commands.push(formatRcpt(recipient, capabilities));
    if (this.#framing === 'dots') commands.push('DATA');
    const odd = this.#place.follows ? verbWithControl(commands) : undefined;
    if (odd !== undefined) throw new RangeError(`${odd} would hold a control character`);
    return commands;
  }

  /**
   * The envelope in one write; with BDAT and the content itself when that is in memory. LMTP has as many replies to
   * BDAT as RCPTs were accepted, so there BDAT waits for those.
   */
  #sendGroup(commands: string[]): Promise<readonly Reply[]> {
    const { wire, waits, protocol } = this.#peer;
    const isDots = this.#framing === 'dots';
    const inline = isDots || protocol === 'lmtp' ? undefined : this.#message.octets.whole;
    if (inline === undefined) {
      const coming = wire.expect(commands.length, isDots ? waits.envelopeAndData : waits.envelope);
      wire.say(commands);
      return coming;
    }
    commands.push(this.#bdat());
    const coming = wire.expect(commands.length, waits.envelopeAndContent);
    wire.cork();
    wire.say(commands);
    writeWhole(wire, this.#message, { whole: inline, framing: 'octets' });
    wire.uncork();
    this.#isSent = wire.error === undefined;
    return coming;
  }

  /** The replies to what `sendGroup` said, as far as they came. */
  #onGroup(replies: readonly Reply[]): void {
    let at = 0;
    if (this.#place.mustReset) this.#onReset(replies[at++]);
    this.#onMail(replies[at++]);
    for (let i = 0; i < this.#message.recipients.length; i++) this.#onRcpt(i, replies[at++]);
    const last = replies[at];
    if (this.#framing === 'dots') this.#onData(last);
    else if (last !== undefined) this.#onEnds([last]);
  }

  /** The envelope one command at a time, for a server without PIPELINING. */
  async #sendSteps(): Promise<void> {
    const { wire, capabilities, waits, isAuthenticated } = this.#peer;
    const { recipients } = this.#message;
    if (this.#place.mustReset) this.#onReset(await wire.ask('RSET', waits.mail));
    this.#onMail(await wire.ask(formatMail(this.#message, capabilities, isAuthenticated), waits.mail));
    if (!this.isBegun) return;
    for (const [index, recipient] of recipients.entries()) {
      if (!wire.isIdle) return;
      this.#onRcpt(index, await wire.ask(formatRcpt(recipient, capabilities), waits.rcpt));
    }
    if (this.#framing === 'octets' || this.#accepted.length === 0 || !wire.isIdle) return;
    this.#onData(await wire.ask('DATA', waits.dataInit));
  }

  /** The content after the envelope, if any. */
  #finish(): Promise<void> | undefined {
    const mayGoOn = this.#framing === 'octets' || this.#isDataOpen;
    if (this.#mail === undefined || !mayGoOn) return undefined;
    if (this.#accepted.length > 0 && this.isBegun) return this.#sendContent();
    return this.#isDataOpen ? this.#sendLoneDot() : undefined;
  }

  /** DATA was answered 354 without an accepted recipient: the way out (RFC 2920 §3.1). */
  async #sendLoneDot(): Promise<void> {
    const { wire, waits, protocol } = this.#peer;
    // LMTP replies once for each accepted recipient, so the number of replies is unknown here. A server that refused
    // MAIL behind another message may mean the recipients of that message: they would get an empty one.
    const isOfAnother = this.#place.follows && !this.isBegun;
    if (protocol === 'lmtp' || isOfAnother)
      return wire.fail('protocol', 'the server wants content without an accepted recipient', {
        phase: 'data',
      });
    await wire.ask('.', waits.endOfData);
    this.#isOpen = false;
  }

  async #sendContent(): Promise<void> {
    const { wire, waits, protocol, timeouts } = this.#peer;
    const { octets } = this.#message;
    // Expected before the content is out, so that a refusal in the middle of it is seen.
    const coming = wire.expect(protocol === 'lmtp' ? this.#accepted.length : 1, waits.endOfData);
    wire.enter('content', timeouts.dataBlock);
    const { whole } = octets;
    if (whole !== undefined) this.#writeWhole(whole);
    else {
      if (this.#framing === 'octets') wire.say([this.#bdat()]);
      const options = { framing: this.#framing, blockMs: timeouts.dataBlock };
      this.#isSent = await writePieces(wire, this.#message, options);
    }
    if (this.#isSent) wire.enter('end-of-data', timeouts.dataDone);
    const ends = await coming;
    if (this.#isSent) this.#onEnds(ends);
    else this.#onEarlyEnds(ends);
  }

  /** The content in one write, and behind it, if there is one, the envelope of another message. */
  #writeWhole(whole: Buffer): void {
    const { wire, capabilities, protocol } = this.#peer;
    const { recipients } = this.#message;
    wire.cork();
    if (this.#framing === 'octets') wire.say([this.#bdat()]);
    writeWhole(wire, this.#message, { whole, framing: this.#framing });
    // LMTP has several replies to the end of data, and recipients that were put off may be asked about again.
    const isPlain = this.#framing === 'dots' && capabilities.pipelining && protocol === 'smtp';
    if (isPlain && wire.error === undefined && this.#accepted.length === recipients.length)
      this.#isFollowed = this.#place.onContent?.() ?? false;
    wire.uncork();
    this.#isSent = wire.error === undefined;
  }

  /** The server answered in the middle of the content, which cannot be taken back: the session is over. */
  #onEarlyEnds(ends: readonly Reply[]): void {
    if (ends.some(isPositive))
      this.#peer.wire.fail('protocol', 'the server accepted half a message', {
        phase: 'content',
      });
    else this.#onEnds(ends);
    this.#peer.wire.close();
  }

  #bdat(): string {
    return `BDAT ${messageSize(this.#message)} LAST`;
  }

  /** DATA was answered 354: the server takes the next octets for content. */
  get #isDataOpen(): boolean {
    return this.#data !== undefined && replyClass(this.#data) === 3;
  }

  #onReset(value: Reply | undefined): void {
    if (value !== undefined && replyClass(value) !== 2 && value.code !== 421) {
      this.#peer.wire.fail('protocol', `the server answered RSET with ${value.code}`, { phase: 'mail' });
    }
  }

  #onMail(value: Reply | undefined): void {
    if (value === undefined || this.#isOdd(value, 2, 'mail')) return;
    this.#mail = value;
    if (!isPositive(value)) this.#isOpen = false;
  }

  #onRcpt(index: number, value: Reply | undefined): void {
    if (value === undefined || this.#isOdd(value, 2, 'rcpt')) return;
    this.#rcpts[index] = rcptReply(value, this.#accepted.length);
    if (isPositive(value)) this.#accepted.push(index);
  }

  #onData(value: Reply | undefined): void {
    if (value !== undefined && !this.#isOdd(value, 3, 'data')) this.#data = value;
  }

  #onEnds(values: readonly Reply[]): void {
    if (!values.some((value) => this.#isOdd(value, 2, 'end-of-data'))) this.#ends = values;
  }

  /** A positive reply of the wrong kind shows that the two sides no longer understand each other (RFC 5321 §4.3.2). */
  #isOdd(value: Reply, positive: 2 | 3, phase: ClientPhase): boolean {
    if (!isPositive(value) || replyClass(value) === positive) return false;
    this.#peer.wire.fail('protocol', `the server answered with ${value.code}`, { phase });
    return true;
  }

  #result(): SendResult {
    const { wire, capabilities } = this.#peer;
    const missing = wire.farewell ?? lostReply(wire.error);
    const recipients: Reply[] = [];
    let accepted = 0;
    let isDefinite = true;
    for (let i = 0; i < this.#message.recipients.length; i++) {
      const found = this.#fateOf(i);
      if (found === undefined) isDefinite = false;
      else if (isPositive(found)) accepted++;
      recipients.push(found ?? missing);
    }
    return {
      mail: this.#mail ?? missing,
      recipients,
      end: this.#data !== undefined && !isPositive(this.#data) ? this.#data : this.#ends[0],
      accepted,
      dsnOffered: capabilities.dsn,
      ending: this.#ending(isDefinite),
      startedAt: this.#startedAt,
      isFollowed: this.#isFollowed,
    };
  }

  /** The reply that decided for one recipient, if it came. */
  #fateOf(index: number): Reply | undefined {
    if (!this.isBegun) return this.#mail;
    const rcpt = this.#rcpts[index];
    if (rcpt === undefined || !isPositive(rcpt)) return rcpt;
    if (this.#data !== undefined && !isPositive(this.#data)) return this.#data;
    return this.#ends[this.#peer.protocol === 'lmtp' ? this.#accepted.indexOf(index) : 0];
  }

  /** A farewell after the reply to the end of data is about the message that follows. */
  #isOfFollower(farewell: Reply): boolean {
    return this.#isFollowed && this.#ends.length > 0 && !this.#ends.includes(farewell);
  }

  #ending(isDefinite: boolean): SendEnding {
    const { farewell, error } = this.#peer.wire;
    if (farewell !== undefined && !this.#isOfFollower(farewell)) return { kind: 'closing', reply: farewell };
    if (isDefinite || error === undefined) return { kind: 'complete' };
    // Where no reply came to one that follows, it is as if it had not been begun, whatever became of the one before.
    if (this.#place.follows && this.#mail === undefined && error.code !== 'aborted')
      return { kind: 'lost', error: new ClientError('closed', 'idle', error.message, { cause: error }) };
    return { kind: this.#isSent ? 'in-doubt' : 'lost', error };
  }
}

/**
 * A reply to RCPT as it is meant. 552 is an old way to say 452, "too many recipients" (RFC 5321 §4.5.3.1.10),
 * and as often says for good that a mailbox is full. The enhanced status tells which; without one, 552 after
 * recipients of this transaction that were `accepted` may be the former, and the next transaction, in which
 * this recipient is the first, finds out.
 */
export function rcptReply(value: Reply, accepted: number): Reply {
  if (value.code !== 552) return value;
  if (value.detail === '5.3') return { ...value, code: 452 };
  if (value.detail !== undefined && value.detail !== '0.0') return value;
  // A status of another class than the code is invalid, but shows that the refusal is not permanent.
  const isTransient = /^4\.\d/.test(value.lines[0] ?? '');
  return accepted > 0 || isTransient ? { ...value, code: 452 } : value;
}

/** Stands for a reply that never came. */
export function lostReply(error: ClientError | undefined): Reply {
  const isOurs = error?.code === 'content' || error?.code === 'internal';
  return reply(451, isOurs ? '3.0' : '4.2', error?.message ?? 'no reply came');
}
