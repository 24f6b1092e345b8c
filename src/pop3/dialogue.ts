/** The part of a session that a command of POP3 can use. */
import type { ClientFacts, Identity } from '../identity/index.ts';
import type { LineResult } from '../smtp/index.ts';
import type { Mailbox } from './mailbox.ts';
import type { PopServerOptions, PopWire } from './session-options.ts';

/** Where the dialogue stands (RFC 1939 §3). There is no mailbox before a login, and nothing is deleted before QUIT. */
export type State =
  /** `user`: the argument of USER, if that was the command right before. */
  | { readonly at: 'authorization'; readonly user?: Buffer }
  | {
      readonly at: 'transaction';
      readonly identity: Identity;
      readonly mailbox: Mailbox;
      /** Messages marked by DELE, counted from zero. */
      readonly deleted: Set<number>;
    }
  | { readonly at: 'closed' };

/** One reply: a line, a line and further ones (the ending dot included), or the last line. */
export type Answer =
  | string
  | { readonly line: string; readonly content: AsyncIterable<string | Buffer> }
  | { readonly line: string; readonly next: 'close' | 'tls' };

/** The session, as far as commands need it. */
export interface PopDialogue {
  readonly options: PopServerOptions;
  readonly wire: PopWire;
  readonly client: ClientFacts;
  /** Octets that came and were not looked at. */
  readonly hasBufferedInput: boolean;
  state: State;
  failedLogins: number;
  retrieved: number;
  /** The next line; undefined when the client has gone, or took too long. */
  nextLine(): Promise<LineResult | undefined>;
  /** A line of ours, without its CRLF. */
  say(line: string): void;
}
