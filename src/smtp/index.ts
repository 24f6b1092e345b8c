/**
 * SMTP without a socket: octets in, values out, for both sides of the dialogue. The layers are octets →
 * lines → commands; the session that puts them in order lives in `receiver` and `client`.
 *
 * Server side: `CommandInput` cuts lines, `parseCommand` and `decode…Parameters` make values of them,
 * `DataReader` and `BdatReader` read a message, `formatExtensions` and `formatReply` write the answers.
 * Client side: `ReplyReader` and `parseExtensions` read the answers, `DotStuffer` writes a message.
 *
 * Invariants: only CRLF ends a line, on both sides, for commands, dots and the end of data alike. Every
 * reader is bounded, and gives the same result wherever the chunks of the stream end. No input of a peer
 * makes a reader or a parser throw, and no reply contains a peer's text.
 *
 * On failure: over-long and malformed lines are consumed and come out as one value each, which gets one
 * reply; a message with a fault is read to its real end before it is refused; a reply that makes no sense
 * ends the reading. Only `DotStuffer` throws, before anything harmful is sent.
 *
 * RFC 5321, 1870 (SIZE), 2034 and 3463 (status), 2920 (PIPELINING), 3030 (CHUNKING), 3207 (STARTTLS),
 * 3461 (DSN), 4954 (AUTH), 6152 (8BITMIME), 6531 and 6533 (SMTPUTF8), 9422 (LIMITS).
 */
export { BdatReader } from './bdat-reader.ts';
export {
  type Command,
  type CommandError,
  type Parameters,
  parseCommand,
  parseLeniently,
} from './command.ts';
export { type ContentFault, type ContentLimits, DataReader } from './data-reader.ts';
export { DotStuffer, LineEndError } from './dot-stuffing.ts';
export {
  type Extensions,
  formatExtensions,
  noExtensions,
  parseExtensions,
  type SessionLimits,
} from './extensions.ts';
export {
  type Decoded,
  decodeMailParameters,
  decodeOriginalRecipient,
  decodeRcptParameters,
  encodeOriginalRecipient,
  formatNotify,
  type MailParameters,
  parseEnvid,
  parseOriginalRecipient,
  type RcptParameters,
} from './parameters.ts';
export { authLineOctets, CommandInput, commandLineOctets, type LineResult } from './reader.ts';
export { ReplyReader } from './reply-reader.ts';
export { formatReply } from './reply-writer.ts';
export { decodeUtf8Xtext, decodeXtext, encodeUtf8Xtext, encodeXtext } from './xtext.ts';
