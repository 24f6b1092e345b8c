/** Completes, or refuses, the header of a submitted message (RFC 6409 §8). */
import { formatDate, mailboxKey, parseMailbox, type Reply, reply } from '../mail/index.ts';
import type { FieldEdit, Header } from '../message/index.ts';
import type { SenderBinding } from './ask.ts';
import { type AuthorField, authorsOf, notYours, readAuthors, refuseAuthors, refuseLines } from './author.ts';
import { replies } from './replies.ts';

/** Of all fields that name people together. Longer ones are not taken apart: it takes milliseconds. */
const maxAuthorOctets = 8 * 1024;
const fromTooBig = reply(552, '3.4', 'From or Sender field too long');

/** The facts of a submitted message. */
export interface Submission {
  readonly identity: SenderBinding | undefined;
  /** The queue id and our own name, for a Message-ID. */
  readonly id: string;
  readonly hostname: string;
  readonly now: number;
}

/** The fields that name the author and the sender of a message, each read once. */
interface Authors {
  readonly from: readonly AuthorField[];
  readonly sender: readonly AuthorField[];
}

/**
 * The edits that complete the header of one of our own users, or the refusal: Message-ID and Date are added when they
 * are missing, Bcc is taken out, Sender names the identity that is not the author; and the author must be an address
 * that the identity may send as.
 */
export function complete(header: Header, { identity, id, hostname, now }: Submission): FieldEdit[] | Reply {
  const read = readHeader(header, identity);
  if ('code' in read) return read;
  const authors = authorsOf(read.from);
  if ('code' in authors) return authors;
  const isSenderKept = isOwnSender(read.sender, identity);
  const edits: FieldEdit[] = ['Bcc', 'Resent-Bcc', ...(isSenderKept ? [] : ['Sender'])]
    .filter((name) => header.first(name.toLowerCase()) !== undefined)
    .map((name) => ({ kind: 'remove', name, nth: 'all' }));
  // Below our own trace field, in this order.
  let at = 0;
  const insert = (name: string, value: string) =>
    edits.push({ kind: 'insert', at: ++at, name, value: ` ${value}` });
  if (header.first('message-id') === undefined) insert('Message-ID', `<${id}@${hostname}>`);
  if (header.first('date') === undefined) insert('Date', formatDate(now));
  const own = identity && parseMailbox(identity.name, { smtputf8: true });
  const [author] = authors;
  const isAuthor =
    authors.length === 1 &&
    author !== undefined &&
    own !== undefined &&
    mailboxKey(author) === mailboxKey(own);
  // A login that is no address cannot be a Sender (RFC 6409 §8.1: it must be one that works).
  const needsSender = read.sender.length === 0 ? !isAuthor : !isSenderKept;
  if (needsSender && own !== undefined) insert('Sender', own.text);
  return edits;
}

/**
 * The refusal of the header of a message that another relay hands over, if its sender is bound: nothing is completed,
 * and a message without an author passes, for it names nobody else.
 */
export function refuseForeign(header: Header, identity: SenderBinding): Reply | undefined {
  const read = readHeader(header, identity);
  if ('code' in read) return read;
  const authors = read.from.length === 0 ? [] : authorsOf(read.from);
  if ('code' in authors) return authors;
  return isOwnSender(read.sender, identity) ? undefined : notYours;
}

/** The reply where more of a header would have to be known than could be gathered. */
export function refusalOfCut(header: Header | undefined): Reply {
  return header?.cut === 'no-room' ? replies.noRoom : replies.headerTooBig;
}

function readHeader(header: Header, identity: SenderBinding | undefined): Authors | Reply {
  if (header.cut !== undefined) return refusalOfCut(header);
  const fields = ['from', 'sender', 'resent-from', 'resent-sender'].map((name) => header.named(name));
  const octets = fields.flat().reduce((sum, { value }) => sum + value.length, 0);
  if (octets > maxAuthorOctets) return fromTooBig;
  const [from = [], sender = [], ...resent] = fields.map((each) => each.map(readAuthors));
  const refusal = identity && refuseHeader(header, [...from, ...resent.flat()], identity);
  return refusal ?? { from, sender };
}

/** The reason why the header may not go on for a user. */
function refuseHeader(
  { octets }: Header,
  fields: readonly AuthorField[],
  { senders }: SenderBinding,
): Reply | undefined {
  const text = octets.toString('latin1');
  // Possible with BINARYMIME only: a reader that ends lines there sees other fields than we do.
  if (/\r(?!\n)|(?<!\r)\n|\0/.test(text)) return replies.bareInHeader;
  return refuseAuthors(fields, senders) ?? refuseLines(text, senders);
}

/** Whether there is no Sender, or one that names the sender and nobody else. */
function isOwnSender(fields: readonly AuthorField[], identity: SenderBinding | undefined): boolean {
  if (fields.length === 0 || identity === undefined) return true;
  const only = authorsOf(fields);
  return !('code' in only) && only.length === 1 && refuseAuthors(fields, identity.senders) === undefined;
}
