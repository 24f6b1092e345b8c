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

/** A session with one server, after its EHLO. One transaction at a time. */
export interface ClientSession extends AsyncDisposable {
  readonly capabilities: Extensions;
  readonly tls: ClientTls | undefined;
  readonly greeting: Reply;
  /** Another transaction may begin: idle, in step, not closing, MAILMAX not reached (RFC 9422). */
  readonly isUsable: boolean;
  /** Transactions begun on this session. */
  readonly messagesSent: number;
  /** One transaction. Never rejects: its fault is the `ending`. */
  send(message: OutgoingMessage, signal: AbortSignal): Promise<SendResult>;
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
  #isBusy = false;
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
    return !this.#isBusy && this.#peer.wire.isIdle && this.#messagesSent < mailMax;
  }

  async send(message: OutgoingMessage, signal: AbortSignal): Promise<SendResult> {
    if (this.#isBusy) return this.#unsent(message, { kind: 'lost', error: busy() });
    const { wire } = this.#peer;
    this.#isBusy = true;
    try {
      const unmet = checkCapabilities(message, this.capabilities);
      if (unmet !== undefined) return this.#unsent(message, { kind: 'unsendable', unmet });
      wire.heed(signal);
      const transaction = new Transaction(this.#peer, message);
      this.#messagesSent++;
      const result = await transaction.run(this.#mustReset);
      this.#mustReset = transaction.isOpen;
      return result;
    } catch (cause) {
      const error = faultOf(cause, 'mail');
      wire.close();
      return this.#unsent(message, { kind: 'lost', error });
    } finally {
      wire.heed(undefined);
      this.#isBusy = false;
    }
  }

  async verify(reversePath: ReversePath, recipient: Recipient): Promise<CalloutAnswer> {
    if (this.#isBusy) throw busy();
    this.#isBusy = true;
    this.#messagesSent++;
    try {
      return await verifyRecipient(this.#peer, { reversePath, recipient, mustReset: this.#mustReset });
    } catch (error) {
      if (error instanceof ClientError) throw error;
      this.close();
      throw faultOf(error, 'rcpt');
    } finally {
      this.#mustReset = false;
      this.#isBusy = false;
    }
  }

  async quit(): Promise<void> {
    const { wire, timeouts } = this.#peer;
    if (!this.#isBusy && wire.isIdle) {
      this.#isBusy = true;
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
