/** The contract of screening: the checks that judge mail on its way in, stage by stage. */
import type { Address, Envelope, QueueId, Reply, ReversePath } from '../mail/index.ts';
import type { Edit } from '../message/index.ts';
import type { MailParameters } from '../smtp/index.ts';
import type { ClientFacts, Grant, Later, Refusal } from './ask.ts';

/** The stages of the milter protocol, in the order in which a message passes them. */
export type Stage = 'connect' | 'hello' | 'sender' | 'recipient' | 'header' | 'message';

/** Mail on its way in, at whatever stage. */
interface Screened {
  /**
   * Whether the policy knows the client at this stage, by a login, a certificate, a window or a trusted network; mail of
   * this machine is known. Of a stranger's mail nothing is known but what it says. The ground of a grant does not tell:
   * it is `recipient` for everybody who writes to a recipient of ours. Asked when it is called, for it costs a look-up.
   */
  readonly isKnown: () => Later<boolean>;
}

/** A session: before the greeting (connect), or once it has said EHLO or HELO (hello). */
export interface ScreenedSession extends Screened {
  /** The id of the session, as in the log and in `origin.session` of its messages. */
  readonly session: string;
  readonly client: ClientFacts;
}

/** MAIL, which the policy has not refused. */
export interface ScreenedSender extends ScreenedSession {
  readonly reversePath: ReversePath;
  readonly parameters: MailParameters;
}

/** RCPT, with what the policy decided. */
export interface ScreenedRecipient extends ScreenedSession {
  readonly reversePath: ReversePath;
  /** As the client named it, before aliases. */
  readonly recipient: Address;
}

/** A message whose header has come. */
export interface ScreenedHeader extends Screened {
  readonly id: QueueId;
  readonly envelope: Omit<Envelope, 'content'>;
  /** The header as it came, without our own trace field and without the empty line. */
  readonly header: Uint8Array;
}

/** A message that has come whole and is not kept yet. */
export interface ScreenedMessage extends Screened {
  readonly id: QueueId;
  readonly envelope: Envelope;
  /** The first octets of the content, no fewer than the check asked for (`beginningOctets`) where there are as many. */
  readonly beginning: Uint8Array;
  /** The changes of the checks before this one: `beginning` is as it arrived. */
  readonly edits: readonly Edit[];
  /** Why the message is to be held, when an earlier check or an earlier stage said so. */
  readonly held: string | undefined;
}

/** The verdict of a check. `because` is for our log, a reply for the peer. */
export type Verdict =
  /** `isFinal`: the checks behind it are not asked at this stage (the `OK` of an access list). It grants nothing. */
  | { readonly kind: 'pass'; readonly because?: string; readonly isFinal?: true }
  /** The reply is 4yz; with 421 the session ends. */
  | { readonly kind: 'defer'; readonly reply: Reply; readonly because: string }
  /** The reply is 5yz. */
  | { readonly kind: 'refuse'; readonly reply: Reply; readonly because: string }
  /** The message is accepted and kept until an operator releases it. Before MAIL: each message of the session. */
  | { readonly kind: 'hold'; readonly because: string }
  /** The peer is told 250, and nothing is delivered. Before MAIL: each message of the session. */
  | { readonly kind: 'discard'; readonly because: string };

/** A change to the envelope of a message. */
export type EnvelopeEdit =
  | { readonly kind: 'sender'; readonly reversePath: ReversePath }
  /** Added only where the policy grants it to the client, as if the client had named it. */
  | { readonly kind: 'add-recipient'; readonly address: Address }
  /** As it stands in the envelope, which is after aliases. */
  | { readonly kind: 'delete-recipient'; readonly address: Address };

/** The final outcome of a message. */
export type Fate = 'accepted' | 'held' | 'refused' | 'discarded';

/** The verdict of a check of a whole message. */
export type MessageVerdict = (Verdict | { readonly kind: 'edit'; readonly because: string }) & {
  /** With `edit` and `hold`: they are made in the copy that is kept. */
  readonly edits?: readonly Edit[];
  readonly envelopeEdits?: readonly EnvelopeEdit[];
  /** For a check that counts or reserves: called once, when it is known what became of the message. */
  readonly settled?: (fate: Fate) => void;
};

/** The facts given to a check besides its subject. */
export interface Asking {
  /** Aborts when the deadline has passed and the verdict is not wanted any more. */
  readonly signal: AbortSignal;
}

/** The verdict in place of a check that throws, rejects, is late, or answers with a reply of a forbidden class. */
export type WhenUnavailable = 'pass' | 'hold' | 'defer';

/**
 * One test of mail on its way in. A stage whose method is absent costs nothing. A check never grants relaying: the
 * policy has decided before it is asked, and its decision stands. Listeners with the role `trap` are not screened.
 */
export interface Check {
  /** In the log: the `check` of `check-skipped`. */
  readonly name: string;
  /** How long one answer may take; default `defaultDeadlineMs`. */
  readonly deadlineMs?: number;
  /** Default `defer`. */
  readonly whenUnavailable?: WhenUnavailable;
  /** The same for one message, at the stage `message`, where that depends on the message. */
  unavailableFor?(subject: ScreenedMessage): WhenUnavailable | undefined;
  /** How much of the content `message` looks at; default none, and then no edit of it is made either. */
  readonly beginningOctets?: number;
  connect?(subject: ScreenedSession, asking: Asking): Later<Verdict>;
  hello?(subject: ScreenedSession, asking: Asking): Later<Verdict>;
  sender?(subject: ScreenedSender, asking: Asking): Later<Verdict>;
  /** Asked about recipients that the policy grants. */
  recipient?(subject: ScreenedRecipient & { readonly grant: Grant }, asking: Asking): Later<Verdict>;
  /** Called for recipients that the policy refuses, if the check counts them. */
  recipientRefused?(subject: ScreenedRecipient & { readonly refusal: Refusal }): void;
  header?(subject: ScreenedHeader, asking: Asking): Later<Verdict>;
  message?(subject: ScreenedMessage, asking: Asking): Later<MessageVerdict>;
}

/** A check that has not answered by then counts as unavailable. */
export const defaultDeadlineMs = 30_000;

/** The joint verdict of all checks of a stage. */
export type Ruling =
  | { readonly kind: 'pass' }
  | { readonly kind: 'refuse'; readonly reply: Reply; readonly because: string }
  | Disposition;

/** The decision about a message before its octets arrive. */
export type Disposition =
  | { readonly kind: 'hold'; readonly because: string }
  | { readonly kind: 'discard'; readonly because: string };

/** The decision after one more stage. A discarded message stays discarded; the first reason to hold is kept. */
export function dispositionAfter(before: Disposition | undefined, ruling: Ruling): Disposition | undefined {
  if (ruling.kind === 'discard') return before?.kind === 'discard' ? before : ruling;
  return before ?? (ruling.kind === 'hold' ? ruling : undefined);
}

/** The joint verdict of all checks of the message stage. */
export type MessageRuling = Ruling & {
  readonly edits?: readonly Edit[];
  readonly envelopeEdits?: readonly EnvelopeEdit[];
  /** To be called once, whatever the ruling is. */
  readonly settled?: (fate: Fate) => void;
};

/** A stage that has members: asks them in order. Never throws and never rejects. */
export type AskStage<Subject, Result = Ruling> = (subject: Subject) => Later<Result>;

/** The checks of a configuration. A stage that no check is a member of is `undefined`, so that nothing is asked. */
export interface Screening {
  readonly connect: AskStage<ScreenedSession> | undefined;
  readonly hello: AskStage<ScreenedSession> | undefined;
  readonly sender: AskStage<ScreenedSender> | undefined;
  readonly recipient: AskStage<ScreenedRecipient & { readonly grant: Grant }> | undefined;
  readonly recipientRefused:
    | ((subject: ScreenedRecipient & { readonly refusal: Refusal }) => void)
    | undefined;
  readonly header: AskStage<ScreenedHeader> | undefined;
  readonly message: AskStage<ScreenedMessage, MessageRuling> | undefined;
  /** The most that a check of `message` looks at; 0 where none does. */
  readonly beginningOctets: number;
}
