/** The interface of a transport, which makes it one line in the list of transports. */
import type { Address, Domain, LaneName } from '../../mail/index.ts';
import type { Attempt, AttemptResult } from '../../queue/index.ts';
import type { Capture } from '../capture.ts';
import type { RemoteParts } from '../conversation.ts';
import type { DeliveryOptions, MaildirOwner } from '../options.ts';
import type { ConnectionPolicy, NextHost, RemoteTransport, SmtpServer } from '../transport.ts';

/** One kind of `via` and `deliver`: a file of this folder. */
export interface TransportKind {
  /** Before the colon of a `via`, or all of it; lanes begin with the same. */
  readonly schemes: readonly string[];
  /** Its forms, for an operator whose `via` is unknown. */
  readonly forms: readonly string[];
  /**
   * Reads a `via` with one of the schemes. `rest` is the text after its colon, absent without one. A string is its
   * fault; `undefined` only says that it is another transport.
   */
  parse(rest: string | undefined, text: string): Via | string | undefined;
}

/** One `via` or `deliver`, parsed. */
export interface Via {
  readonly scheme: string;
  /** The server that it names: only such a one may be in a list, be a fallback, have a weight and a user. */
  readonly server?: SmtpServer;
  /** A fallback may stand behind it. */
  readonly mayFallBack?: boolean;
  /** Its lanes are one for each domain of recipients, not one for the route. */
  readonly isByDomain?: boolean;
  /** The option of delivery that it requires and that is missing, with the message; else `undefined`. */
  missing?(options: Pick<DeliveryOptions, 'capture'>): readonly [key: string, message: string] | undefined;
  /** The transport of a rule for recipients of a domain; `undefined` where it needs a domain and there is none. */
  transport(rule: TransportRule, domain?: Domain): Transport | undefined;
}

/** The options of a rule besides its `via`. */
export interface TransportRule {
  readonly policy: ConnectionPolicy;
  /** See `LaneParts`. */
  readonly suffix: string;
  /** The servers of all `via` of the rule, with their passwords. */
  readonly hosts: readonly NextHost[];
  readonly fallback: readonly NextHost[];
  readonly weights: readonly number[];
  readonly owner?: MaildirOwner;
}

/** How a lane is carried out. One value for each lane; what differs between two of them is in the name of the lane. */
export interface Transport {
  readonly lane: LaneName;
  /** The servers it leads to, if there are some that can be asked about recipients. */
  readonly remote?: RemoteTransport;
  /** One attempt. Rejects only for a fault of our own. */
  deliver(attempt: Attempt, context: TransportContext, signal: AbortSignal): Promise<AttemptResult>;
}

/** The parts that attempts need, under one configuration. */
export interface TransportContext {
  readonly now: () => number;
  /** Sessions over the network. */
  readonly remote: RemoteParts;
  /** Whether a Maildir that is not there may be made for the address. */
  readonly hasMailbox: (address: Address) => boolean;
  /** The capture inbox, where a folder for it is set. */
  readonly capture: Capture | undefined;
}
