/** The state of a session, its wire and its facts. */
import type { Reply } from '../mail/index.ts';
import type { SaslExchange, TlsFacts } from './ask.ts';
import type { Content } from './content.ts';
import type { ListenerOptions, ReceiverSettings } from './options.ts';
import type { Hello, Transaction } from './transaction.ts';

export type { Hello };

/** The wire of a session, as small as it can be faked. Everything takes effect in the order of the calls. */
export interface Wire {
  write(text: string): void;
  /** Stops and begins again the calls of `receive`. */
  pause(): void;
  resume(): void;
  /** Sends what was written, then closes; `isAgreed` when the peer asked for it and sends no more. */
  end(options?: { readonly isAgreed: boolean }): void;
  /** Counts the connection for a client at this address from now on, or says why it may not go on. */
  admitAs?(address: string): Reply | undefined;
  /** Begins the handshake; `secured` is called when it has succeeded. */
  startTls(): void;
}

/** Where the dialogue stands. There is no place for a reverse-path before MAIL. */
export type State =
  | { readonly at: 'greeted' }
  | { readonly at: 'identified'; readonly hello: Hello }
  | { readonly at: 'transaction'; readonly hello: Hello; readonly transaction: Transaction }
  /** Challenges and responses of AUTH. */
  | { readonly at: 'auth'; readonly hello: Hello; readonly exchange: SaslExchange }
  /** The octets after DATA are arriving, or those of a BDAT chunk. */
  | {
      readonly at: 'content';
      readonly hello: Hello;
      readonly transaction: Transaction;
      readonly content: Content;
      readonly by: 'data' | 'bdat' | 'last-bdat';
    }
  /** Between two BDAT chunks. */
  | {
      readonly at: 'chunks';
      readonly hello: Hello;
      readonly transaction: Transaction;
      readonly content: Content;
    }
  /** Swallowing a BDAT chunk that was refused; then `reply` and `next`. */
  | { readonly at: 'discard'; readonly left: number; readonly reply: Reply; readonly next: State }
  | { readonly at: 'closed' };

/** The facts of a session that stay for its life. */
export interface SessionFacts {
  readonly id: string;
  readonly listener: ListenerOptions;
  readonly settings: ReceiverSettings;
  /** The settings in force now; absent where they never change. */
  readonly current?: () => ReceiverSettings;
  readonly address: string;
  readonly port: number;
  /** Our own address on this connection; the system is asked, so only where it matters. */
  readonly localAddress?: () => string | undefined;
  /** The PROXY protocol said who the client is. */
  readonly isVouchedFor?: boolean;
  /** And that the client's TLS ended there: what TLS this connection has is the proxy's. */
  readonly hasProxyTls?: boolean;
  readonly tls?: TlsFacts | undefined;
}
