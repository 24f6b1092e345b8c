/** The replies that are always the same. */
import { type Reply, reply } from '../mail/index.ts';
import { type ContentFault, formatReply } from '../smtp/index.ts';

export const replies = {
  ok: reply(250, '0.0', 'ok'),
  senderOk: reply(250, '1.0', 'sender ok'),
  recipientOk: reply(250, '1.5', 'recipient ok'),
  startContent: reply(354, undefined, 'end data with <CRLF>.<CRLF>'),
  chunkOk: reply(250, '0.0', 'chunk received'),
  bye: reply(221, '0.0', 'bye'),
  startTls: reply(220, '0.0', 'ready to start TLS'),
  cannotVrfy: reply(252, '1.5', 'cannot verify, but will take a message and try to deliver it'),
  noExpn: reply(502, '5.1', 'lists are not expanded here'),
  notImplemented: reply(502, '5.1', 'command not implemented'),
  unknown: reply(500, '5.1', 'command not recognised'),
  foreign: reply(554, '5.1', 'this is a mail server'),
  bareInHeader: reply(550, '5.2', 'bare CR, bare LF or NUL in the header; lines end with CRLF'),
  lineTooLong: reply(500, '5.6', 'line too long'),
  bareLineEnd: reply(500, '5.2', 'lines end with CRLF, not with LF alone (nc: -C; printf: \\r\\n)'),
  invalidLine: reply(500, '5.2', 'a line is text in UTF-8'),
  helloFirst: reply(503, '5.1', 'say EHLO first'),
  nestedMail: reply(503, '5.1', 'a transaction is under way'),
  mailFirst: reply(503, '5.1', 'say MAIL first'),
  noRecipients: reply(554, '5.1', 'no valid recipients'),
  bdatOnly: reply(503, '5.1', 'the message began with BDAT'),
  dataForbidden: reply(503, '6.0', 'BODY=BINARYMIME needs BDAT'),
  notOffered: reply(503, '5.1', 'command not offered now'),
  chunkRefused: reply(503, '5.1', 'the message was refused before'),
  outOfStep: reply(554, '5.0', 'commands came before they were allowed'),
  needsSmtputf8: reply(553, '6.7', 'an address beyond ASCII needs SMTPUTF8 in MAIL'),
  tooManyRecipients: reply(452, '5.3', 'too many recipients'),
  headerTooBig: reply(552, '3.4', 'header too big'),
  noRoom: reply(452, '3.1', 'too many messages at once, try again later'),
  localError: reply(451, '3.0', 'local error, try again later'),
  tooManyHops: reply(554, '4.6', 'too many hops'),
  tooManyErrors: reply(421, '7.0', 'too many errors'),
  tooManyCommands: reply(421, '7.0', 'too many commands without mail'),
  tooManyTransactions: reply(421, '7.0', 'enough for one session'),
  tooManySessions: reply(421, '3.2', 'too many sessions, try again later'),
  tooManyFromYou: reply(421, '7.0', 'too many sessions from your address'),
  timeout: reply(421, '4.2', 'timeout'),
  ended: reply(421, '7.0', 'the operator ended this session'),
  shuttingDown: reply(421, '3.2', 'shutting down'),
  tlsMissing: reply(454, '7.0', 'TLS not available now'),
} as const satisfies Record<string, Reply>;

/** Why a message is refused after its end, by the fault of its octets. */
export const faultReplies: Readonly<Record<ContentFault, Reply>> = {
  'bare-cr': reply(550, '5.2', 'bare CR in the message; lines end with CRLF'),
  // The clients that send it show this at most, so it names what to do in each.
  'bare-lf': reply(
    550,
    '5.2',
    'bare LF in the message; lines end with CRLF (curl: --crlf; Python smtplib: str or send_message, not bytes; JavaScript: \\r\\n in the text)',
  ),
  nul: reply(550, '6.0', 'NUL in the message'),
  'line-too-long': reply(550, '6.0', 'line too long in the message'),
  'too-big': reply(552, '3.4', 'message too big'),
};

const texts: ReadonlyMap<Reply, string> = new Map(
  Object.values(replies).map((each): [Reply, string] => [each, formatReply(each)]),
);

/** The reply as it goes to the wire. Constant ones are formatted once. */
export function formatted(answer: Reply): string {
  return texts.get(answer) ?? formatReply(answer);
}
