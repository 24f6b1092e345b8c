/** The envelope of a message. */
import { type Address, isAscii } from './address.ts';

/** The events a sender wants to hear about for one recipient (RFC 3461 §4.1). */
export type Notify = 'never' | readonly ('success' | 'failure' | 'delay')[];

/** ORCPT, decoded: `rfc822` and `user@example.org` (RFC 3461 §4.2). */
export interface OriginalRecipient {
  readonly type: string;
  readonly address: string;
}

/** The original recipient that an address is: of type `utf-8` beyond ASCII (RFC 3461 §4.2, RFC 6533 §3). */
export function originalRecipientOf({ text }: Address): OriginalRecipient {
  return { type: isAscii(text) ? 'rfc822' : 'utf-8', address: text };
}

/** One forward-path of a transaction with the parameters that came with it. */
export interface Recipient {
  readonly address: Address;
  readonly notify?: Notify;
  readonly originalRecipient?: OriginalRecipient;
  /** As it was named: the policy could not say yet where it leads, and is asked again. */
  readonly undecided?: true;
}

/** The reverse-path; `null` is `<>`, the path of notifications (RFC 5321 §4.5.5). */
export type ReversePath = Address | null;

/** BODY= (RFC 6152, RFC 3030 §3). `7bit` is the default of a client that gives none. */
export type Body = '7bit' | '8bitmime' | 'binarymime';

/** The facts of the octets, gathered in the one pass at ingress. */
export interface ContentFacts {
  readonly size: number;
  /** Some octet is above 127. */
  readonly hasEightBit: boolean;
  /** Some line begins with a dot, so DATA has to stuff it. Always false-safe: true when unsure. */
  readonly hasLeadingDot: boolean;
  /** The octets end with CRLF. */
  readonly endsWithCrlf: boolean;
  /** Bare CR, bare LF, NUL or a line over 998 octets is possible: only BODY=BINARYMIME by BDAT. */
  readonly isBinary: boolean;
}

/** The client that handed the message over, for the log, the Received header and the DSN. */
export interface Origin {
  readonly client: string;
  readonly helo: string;
  readonly listener: string;
  /** The ground of the grants (`network`, `authenticated`, …); `recipient` when all of them are ours. */
  readonly ground: string;
  /** The identity of the login, certificate or mailbox; absent where no name is known. */
  readonly identity?: string;
  readonly session: string;
}

/** Reverse-path, recipients and parameters of one message: never its headers. */
export interface Envelope {
  readonly reversePath: ReversePath;
  readonly recipients: readonly Recipient[];
  readonly body: Body;
  readonly smtputf8: boolean;
  /** RET= (RFC 3461 §4.3). */
  readonly ret?: 'full' | 'hdrs';
  /** ENVID=, decoded (RFC 3461 §4.4). */
  readonly envid?: string;
  readonly content: ContentFacts;
  readonly origin: Origin;
  /** Milliseconds since 1970, when the end of data came. */
  readonly receivedAt: number;
}
