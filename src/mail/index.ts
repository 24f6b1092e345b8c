/**
 * The words of mail as values: domain, address, path, envelope, reply, status, header, Received.
 * Everything here is pure: text or octets in, values out. Nothing reads a clock, a file or a socket.
 *
 * RFC 5321 (paths, replies), RFC 5322 (headers), RFC 3463 (enhanced status), RFC 3461 (DSN parameters),
 * RFC 6531 (SMTPUTF8), RFC 3848 (`with` types).
 */

export {
  type Address,
  asciiMailbox,
  type Domain,
  formatLocalPart,
  hidesRoute,
  isAscii,
  isLiteral,
  mailboxKey,
  needsSmtputf8,
  parseDomain,
  parseMailbox,
} from './address.ts';
export { type AddressList, parseAddressList } from './address-list.ts';
export { formatDate } from './date.ts';
export { type Downgraded, downgrade } from './downgrade.ts';
export { decodeWords, readings } from './encoded-word.ts';
export {
  type Body,
  type ContentFacts,
  type Envelope,
  type Notify,
  type Origin,
  type OriginalRecipient,
  originalRecipientOf,
  type Recipient,
  type ReversePath,
} from './envelope.ts';
export {
  fieldValue,
  findField,
  type HeaderField,
  type HeaderLine,
  headerEnd,
  headerFields,
  headerLine,
  isNamed,
  unfold,
} from './header.ts';
export { formatLane, type LaneName, type LaneParts, laneName, parseLane } from './lane.ts';
export { splitMultipart } from './mime-scan.ts';
export { type NoticeHeader, noticeHeader } from './notice-header.ts';
export {
  type ForwardPathResult,
  type PathError,
  parseForwardPath,
  parseReversePath,
  type ReversePathResult,
} from './path.ts';
export { coversDomain, matchesPath, ownPattern, type Pattern, parsePattern } from './pattern.ts';
export {
  decodeQueueId,
  encodeQueueId,
  parseQueueId,
  type QueueId,
  QueueIdSource,
  queueIdBound,
  queueIdOctets,
  queueIdTime,
} from './queue-id.ts';
export { formatReceived, type ReceivedFacts, receivedProtocol } from './received.ts';
export {
  enhancedStatus,
  formatReplyText,
  isPermanent,
  isPositive,
  isTransient,
  noSuchRecipient,
  type Reply,
  reply,
  replyClass,
} from './reply.ts';
export type { RecipientStatus } from './status.ts';
export { encodeText, type TextBody } from './text-body.ts';
export {
  encodeBase64,
  encodeBody,
  encodeQuotedPrintable,
  isSevenBit,
  isSevenBitThroughout,
  type SevenBitEncoding,
  shorterEncoding,
} from './transfer-encoding.ts';
