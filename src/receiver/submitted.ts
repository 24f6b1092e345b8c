import { addressParser } from 'postal-mime';
import {
  type Address,
  type Envelope,
  formatDate,
  type HeaderField,
  headerEnd,
  headerFields,
  matchesPath,
  parseMailbox,
  type Reply,
  reply,
  unfold,
} from '../mail/index.ts';
import type { Identity, IncomingMessage } from './ask.ts';

/** More header than this is no letter of a person. */
const maxHeaderOctets = 256 * 1024;
/** Longer lists of authors are not taken apart: a few milliseconds of work for one field. */
const maxAuthorOctets = 8 * 1024;
const headerTooBig = reply(552, '3.4', 'header too big');
const fromTooBig = reply(552, '3.4', 'From or Sender field too long');
const oneFrom = reply(554, '6.0', 'a message has one From field with an address');
const notYours = reply(550, '7.1', 'that From address is not yours');
const emptyLine = Buffer.from('\r\n');

/** What is known of a message that somebody submits. */
export interface Submission {
  readonly identity: Identity | undefined;
  /** Our own name, for a Message-ID. */
  readonly hostname: string;
  readonly now: number;
}

/**
 * A message of one of our own users on its way into the spool (RFC 6409 §8): Message-ID and Date are added
 * when they are missing, Bcc is taken out, Sender names the identity that is not the author; and the author
 * must be somebody that the identity may send as. Everything else passes as it is. The header is kept until
 * its end; the body is not.
 */
export class SubmittedMessage implements IncomingMessage {
  readonly #message: IncomingMessage;
  readonly #submission: Submission;
  #pieces: Buffer[] = [];
  #size = 0;
  #lookAt = 1024;
  #isInBody = false;
  #growth = 0;
  #refusal: Reply | undefined;

  /** `message` has our trace field already. */
  constructor(message: IncomingMessage, submission: Submission) {
    this.#message = message;
    this.#submission = submission;
  }

  get id() {
    return this.#message.id;
  }

  write(octets: Uint8Array): Promise<void> | undefined {
    if (this.#refusal !== undefined) return undefined;
    if (this.#isInBody) return this.#message.write(octets);
    const piece = Buffer.from(octets);
    this.#pieces.push(piece);
    this.#size += piece.length;
    // The end may lie across pieces: all of them are looked at again each time that they have doubled.
    if (this.#size < this.#lookAt && !piece.includes('\r\n\r\n')) return undefined;
    this.#lookAt = 2 * this.#size;
    const all = Buffer.concat(this.#pieces);
    this.#pieces = [all];
    const end = headerEnd(all);
    if (end < all.length) return this.#pass(all, end);
    if (this.#size > maxHeaderOctets) this.#refuse(headerTooBig);
    return undefined;
  }

  async commit(envelope: Envelope): Promise<Reply> {
    if (!this.#isInBody && this.#refusal === undefined) {
      const all = Buffer.concat(this.#pieces);
      await this.#pass(all, headerEnd(all));
    }
    if (this.#refusal !== undefined) {
      this.#message.discard();
      return this.#refusal;
    }
    const { content } = envelope;
    return await this.#message.commit({
      ...envelope,
      content: { ...content, size: content.size + this.#growth },
    });
  }

  discard(): void {
    this.#message.discard();
  }

  #refuse(why: Reply): void {
    this.#refusal = why;
    this.#pieces = [];
  }

  #pass(all: Buffer, end: number): Promise<void> | undefined {
    this.#isInBody = true;
    this.#pieces = [];
    const header = rewriteHeader(all.subarray(0, end), this.#submission, this.id);
    if ('code' in header) {
      this.#refuse(header);
      return undefined;
    }
    // A header that ends the message without an empty line, or is none at all, gets its end here.
    const rest = end < all.length ? all.subarray(end) : emptyLine;
    this.#growth = header.length + rest.length - all.length;
    return this.#message.write(Buffer.concat([header, rest]));
  }
}

/** The fields that are completed, checked or taken out, in lower case; the others pass unread. */
const looksAt = new Set(['from', 'sender', 'message-id', 'date', 'bcc', 'resent-bcc']);

/** The header as it goes on, or why it does not. */
export function rewriteHeader(octets: Buffer, submission: Submission, id: string): Buffer | Reply {
  const fields = [...headerFields(octets, (name) => looksAt.has(name.toLowerCase()))];
  const byName = Map.groupBy(fields, ({ name }) => name.toLowerCase());
  const named = (name: string) => byName.get(name) ?? [];
  const [from, second] = named('from');
  const persons = [...named('from'), ...named('sender')];
  if (persons.some(({ value }) => value.length > maxAuthorOctets)) return fromTooBig;
  const authors = from === undefined ? [] : addressesOf(from);
  if (from === undefined || second !== undefined || authors === undefined || authors.length === 0)
    return oneFrom;
  const { identity, hostname, now } = submission;
  if (identity !== undefined && !authors.every((author) => maySendAs(identity, author))) return notYours;
  const added: string[] = [];
  if (named('message-id').length === 0) added.push(`Message-ID: <${id}@${hostname}>\r\n`);
  if (named('date').length === 0) added.push(`Date: ${formatDate(now)}\r\n`);
  const sender = senderOf(named('sender'), authors, identity);
  if (sender !== undefined) added.push(`Sender: ${sender}\r\n`);
  const isDropped = ({ name }: HeaderField) => {
    const lower = name.toLowerCase();
    return lower === 'bcc' || lower === 'resent-bcc' || (lower === 'sender' && sender !== undefined);
  };
  const kept = without(octets, fields.filter(isDropped));
  return Buffer.concat([Buffer.from(added.join(''), 'utf8'), kept]);
}

/** The Sender that has to be written; `undefined` when the one that is there, or none, is right. */
function senderOf(
  fields: readonly HeaderField[],
  authors: readonly Address[],
  identity: Identity | undefined,
): string | undefined {
  if (identity === undefined) return undefined;
  const own = parseMailbox(identity.name, { smtputf8: true });
  const [only, other] = fields;
  if (only !== undefined && other === undefined) {
    const [sender, more] = addressesOf(only) ?? [];
    if (sender !== undefined && more === undefined && maySendAs(identity, sender)) return undefined;
  }
  // A login that is no address cannot be a Sender (RFC 6409 §8.1: it must be one that works).
  if (own === undefined) return undefined;
  const isAuthor = authors.some((author) => isSame(author, own));
  return isAuthor && authors.length === 1 && fields.length === 0 ? undefined : own.text;
}

function maySendAs({ senders }: Identity, address: Address): boolean {
  return senders.some((pattern) => matchesPath(pattern, address));
}

function isSame(a: Address, b: Address): boolean {
  return a.domain === b.domain && a.localPart.toLowerCase() === b.localPart.toLowerCase();
}

/** The addresses of a field, groups opened; `undefined` when one of them cannot be told. */
function addressesOf(field: HeaderField): Address[] | undefined {
  const text = Buffer.from(unfold(field.value), 'latin1').toString('utf8');
  const found: Address[] = [];
  for (const { address = '' } of addressParser(text, { flatten: true })) {
    const parsed = parseMailbox(address, { smtputf8: true });
    if (parsed === undefined) return undefined;
    found.push(parsed);
  }
  return found;
}

function without(octets: Buffer, fields: readonly HeaderField[]): Buffer {
  const kept: Buffer[] = [];
  let at = 0;
  for (const { start, end } of fields) {
    if (start > at) kept.push(octets.subarray(at, start));
    at = end;
  }
  kept.push(octets.subarray(at));
  return Buffer.concat(kept);
}
