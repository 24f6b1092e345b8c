/** A session with one server after its EHLO. */
import type { Recipient, Reply, ReversePath } from '../mail/index.ts';
import type { Extensions } from '../smtp/index.ts';
import { type CalloutAnswer, verifyRecipient } from './callout.ts';
import { ClientError, faultOf } from './client-error.ts';
import type { OutgoingMessage, SendEnding, SendResult } from './message.ts';
import type { Peer } from './peer.ts';
import { checkCapabilities } from './requirements.ts';
import { lostReply, Transaction } from './transaction.ts';
import { waitFor } from './wire.ts';

/** The facts of the TLS under a session. */
export interface ClientTls {
  /** `TLSv1.3`. */
  readonly version: string;
  /** The name that the IETF gives it, `TLS_AES_256_GCM_SHA384`. */
  readonly cipher: string;
  /** The certificate chains to a trusted root and names the server, whether or not that was asked for. */
  readonly authorized: boolean;
}

/**
 * A session with one server, after its EHLO. One transaction at a time, but for the envelope of the next one, which
 * may go out behind the content of the one under way.
 */
export interface ClientSession extends AsyncDisposable {
  readonly capabilities: Extensions;
  readonly tls: ClientTls | undefined;
  readonly greeting: Reply;
  /**
   * Another transaction may begin: idle, or within the `onContent` of the one under way; in step, not closing, MAILMAX
   * not reached (RFC 9422).
   */
  readonly isUsable: boolean;
  /** A transaction is under way. */
  readonly isBusy: boolean;
  /** Transactions begun on this session. */
  readonly messagesSent: number;
  /**
   * One transaction. Never rejects: its fault is the `ending`. `onContent` is called when the content is about to
   * go out in one write on a session that has carried other messages before, to a server with PIPELINING: one other
   * `send` may then be called, and its envelope goes out in the same write (RFC 2920 §3.1). Its signal is heeded for
   * both. It is `lost` with code `closed` when no reply came to it, whatever became of this one.
   */
  send(message: OutgoingMessage, signal: AbortSignal, onContent?: () => void): Promise<SendResult>;
  /**
   * A callout: MAIL, RCPT, RSET and no content. Resolves with the reply to RCPT, or to MAIL when that was
   * refused. Rejects with a `ClientError` when no reply came.
   */
  verify(reversePath: ReversePath, recipient: Recipient): Promise<CalloutAnswer>;
  /** Sends QUIT, waits shortly for the reply and closes. Never rejects. */
  quit(): Promise<void>;
  /** Closes at once, in any state. */
  close(): void;
}

/** How a transaction ends that was not begun. */
type Unsent = Extract<SendEnding, { readonly kind: 'unsendable' | 'lost' }>;

/** The facts that opening a session brings. */
export interface Opened {
  readonly peer: Peer;
  readonly greeting: Reply;
  readonly tls: ClientTls | undefined;
}

/** The session over a wire whose opening is complete. */
export class WireSession implements ClientSession {
  readonly greeting: Reply;
  readonly tls: ClientTls | undefined;
  readonly #peer: Peer;
  #messagesSent = 0;
  /** The last transaction that was begun, until it has ended. */
  #current: Transaction | 'callout' | 'quit' | undefined;
  #mayFollow = false;
  #mustReset = false;

  constructor(opened: Opened) {
    this.#peer = opened.peer;
    this.greeting = opened.greeting;
    this.tls = opened.tls;
  }

  get capabilities(): Extensions {
    return this.#peer.capabilities;
  }

  get messagesSent(): number {
    return this.#messagesSent;
  }

  get isUsable(): boolean {
    const mailMax = this.#peer.capabilities.limits?.mailMax ?? Number.POSITIVE_INFINITY;
    return this.#mayBegin && this.#messagesSent < mailMax;
  }

  get isBusy(): boolean {
    return this.#current !== undefined;
  }

  get #mayBegin(): boolean {
    const { wire } = this.#peer;
    if (!this.isBusy) return wire.isIdle;
    return this.#mayFollow && wire.error === undefined && wire.farewell === undefined;
  }

  async send(message: OutgoingMessage, signal: AbortSignal, onContent?: () => void): Promise<SendResult> {
    const leader = this.#current;
    if (leader !== undefined && !this.#mayFollow)
      return this.#unsent(message, { kind: 'lost', error: busy() });
    this.#mayFollow = false;
    const { wire } = this.#peer;
    let transaction: Transaction | undefined;
    try {
      const unmet = checkCapabilities(message, this.capabilities);
      if (unmet !== undefined) return this.#unsent(message, { kind: 'unsendable', unmet });
      // A server that ends each session after one message is never told of two.
      const isProven = this.#messagesSent > 0;
      transaction = new Transaction(this.#peer, message, {
        follows: leader !== undefined,
        mustReset: this.#mustReset && leader === undefined,
        onContent: isProven && onContent !== undefined ? () => this.#atContent(onContent) : undefined,
      });
      this.#current = transaction;
      this.#messagesSent++;
      wire.heed(signal);
      return await transaction.run();
    } catch (cause) {
      const error = faultOf(cause, 'mail');
      // The one before has nothing to do with a fault in one of which nothing was said.
      if (leader === undefined || transaction !== undefined) wire.close();
      return this.#unsent(message, { kind: 'lost', error });
    } finally {
      if (transaction !== undefined) this.#ended(transaction, leader);
    }
  }

  #ended(transaction: Transaction, leader: unknown): void {
    // What one that follows leaves is what counts.
    if (this.#current !== transaction) return;
    const isAsBefore = !transaction.isBegun && leader instanceof Transaction;
    this.#mustReset = isAsBefore ? leader.isOpen : transaction.isOpen;
    this.#current = undefined;
    this.#peer.wire.heed(undefined);
  }

  /** True when another transaction was begun. */
  #atContent(onContent: () => void): boolean {
    const leader = this.#current;
    this.#mayFollow = true;
    onContent();
    this.#mayFollow = false;
    return this.#current !== leader;
  }

  async verify(reversePath: ReversePath, recipient: Recipient): Promise<CalloutAnswer> {
    if (this.isBusy) throw busy();
    this.#current = 'callout';
    this.#messagesSent++;
    try {
      return await verifyRecipient(this.#peer, { reversePath, recipient, mustReset: this.#mustReset });
    } catch (error) {
      if (error instanceof ClientError) throw error;
      this.close();
      throw faultOf(error, 'rcpt');
    } finally {
      this.#mustReset = false;
      this.#current = undefined;
    }
  }

  async quit(): Promise<void> {
    const { wire, timeouts } = this.#peer;
    if (!this.isBusy && wire.isIdle) {
      this.#current = 'quit';
      await wire.ask('QUIT', waitFor('quit', timeouts.quit));
    }
    await wire.leave('', timeouts.quit);
  }

  close(): void {
    this.#peer.wire.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.quit();
  }

  /** The result of a transaction that was not begun. */
  #unsent(message: OutgoingMessage, ending: Unsent): SendResult {
    const said = ending.kind === 'lost' ? lostReply(ending.error) : ending.unmet.reply;
    return {
      mail: said,
      recipients: message.recipients.map(() => said),
      end: undefined,
      accepted: 0,
      dsnOffered: this.capabilities.dsn,
      ending,
      startedAt: this.#peer.clock.now(),
    };
  }
}

function busy(): ClientError {
  return new ClientError('busy', 'idle', 'another transaction is under way on this session');
}
