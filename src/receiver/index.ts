/**
 * The SMTP server. Four layers: octets → lines → commands (all in `smtp`) → session. A session knows the state of the
 * dialogue (one union), one table says when each verb is legal, and every command gets exactly one reply, in order. It
 * asks other parts for all decisions: `Policy` for each recipient, `Intake` for the octets; it declares their
 * interfaces.
 *
 * Invariants: 250 at the end of data only after `Intake` says that the message is durable. Only CRLF ends a line. No
 * fact from before STARTTLS counts after it. HELO and reverse-path never give a permission.
 *
 * On failure: a message that cannot be stored is 451 or 452, never 5yz; a bug ends the session with 451; a refused
 * message is read to its real end first, so that nothing inside it is taken for a command.
 *
 * RFC 5321, 1870, 2034, 2920, 3030, 3207, 3461, 6152, 6531, 9422; the PROXY protocol 1 and 2; XCLIENT.
 */

export type {
  Authenticator,
  CertificateFacts,
  ChannelBindingType,
  ClientFacts,
  Decision,
  Grant,
  Ground,
  Identity,
  IncomingMessage,
  Intake,
  Later,
  ListenerRole,
  Policy,
  Refusal,
  RelayRequest,
  SaslExchange,
  SaslStep,
  SenderBinding,
  TlsFacts,
} from './ask.ts';
export type { SessionDescription } from './connection.ts';
export { Content } from './content.ts';
export { createScreening } from './create-screening.ts';
export type { SessionFacts, Wire } from './dialogue.ts';
export { type ReceiverEvents, receiverEvents } from './events.ts';
export { Lenience } from './lenience.ts';
export { type ListeningAddress, Receiver } from './listener.ts';
export {
  type Disguise,
  defaultLimits,
  type ListenerOptions,
  type ReceiverLimits,
  type ReceiverParts,
  type ReceiverSettings,
} from './options.ts';
export { faultReplies } from './replies.ts';
export { screenMessage } from './screened.ts';
export type {
  Asking,
  Check,
  EnvelopeEdit,
  Fate,
  MessageRuling,
  MessageVerdict,
  Ruling,
  ScreenedHeader,
  ScreenedMessage,
  ScreenedRecipient,
  ScreenedSender,
  ScreenedSession,
  Screening,
  Stage,
  Verdict,
} from './screening.ts';
export { Session } from './session.ts';
