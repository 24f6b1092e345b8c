/**
 * SMTP without a socket: octets in, values out, for both sides of the dialogue.
 */
export {
  type Command,
  type CommandError,
  type Parameters,
  parseCommand,
} from './command.ts';
export { type ContentFault, type ContentLimits, DataReader } from './data-reader.ts';
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
  type RcptParameters,
} from './parameters.ts';
export { authLineOctets, CommandInput, commandLineOctets, type LineResult } from './reader.ts';
export { decodeUtf8Xtext, decodeXtext, encodeUtf8Xtext, encodeXtext } from './xtext.ts';
