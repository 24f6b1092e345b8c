import { Gathered } from '../base/index.ts';
import {
  type Envelope,
  formatDate,
  type HeaderField,
  headerEnd,
  headerFields,
  mailboxKey,
  parseMailbox,
  type Reply,
  reply,
} from '../mail/index.ts';
import type { IncomingMessage, SenderBinding } from './ask.ts';
import { authorsOf, notYours, refuseAuthors, refuseLines } from './author.ts';
import { replies } from './replies.ts';

/** More header than this is no letter of a person. */
const maxHeaderOctets = 256 * 1024;
/** Of all fields that name people together. Longer ones are not taken apart: it takes milliseconds. */
const maxAuthorOctets = 8 * 1024;
const headerTooBig = reply(552, '3.4', 'header too big');
const fromTooBig = reply(552, '3.4', 'From or Sender field too long');
const emptyLine = Buffer.from('\r\n');

/** What is known of a message that somebody submits. */
export interface Submission {
  readonly identity: SenderBinding | undefined;
  /** Our own name, for a Message-ID. */
  readonly hostname: string;
  readonly now: number;
  /** It is only looked at: what passes stays as it is. */
  readonly keepsHeader?: boolean;
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
  readonly #gathered = new Gathered();
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
    this.#gathered.push(octets);
    // The end may lie across pieces: all of them are looked at again each time that they have doubled.
    const isEnd = Buffer.from(octets.buffer, octets.byteOffset, octets.length).includes('\r\n\r\n');
    if (this.#gathered.length < this.#lookAt && !isEnd) return undefined;
    const all = this.#gathered.take();
    this.#lookAt = 2 * all.length;
    const end = headerEnd(all);
    if (end < all.length) return this.#pass(all, end);
    if (all.length > maxHeaderOctets) this.#refusal = headerTooBig;
    else this.#gathered.push(all);
    return undefined;
  }

  async commit(envelope: Envelope): Promise<Reply> {
    if (!this.#isInBody && this.#refusal === undefined) {
      const all = this.#gathered.take();
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

  #pass(all: Buffer, end: number): Promise<void> | undefined {
    this.#isInBody = true;
    const header = rewriteHeader(all.subarray(0, end), this.#submission, this.id);
    if ('code' in header) {
      this.#refusal = header;
      return undefined;
    }
    if (this.#submission.keepsHeader) return this.#message.write(all);
    // A header that ends the message without an empty line, or is none at all, gets its end here.
    const rest = end < all.length ? all.subarray(end) : emptyLine;
    this.#growth = header.length + rest.length - all.length;
    return this.#message.write(Buffer.concat([header, rest]));
  }
}

const authorFields = ['from', 'sender', 'resent-from', 'resent-sender'];
/** The fields that are completed, checked or taken out, in lower case; the others pass unread. */
const looksAt = new Set([...authorFields, 'message-id', 'date', 'bcc', 'resent-bcc']);

/** The header as it goes on, or why it does not. */
export function rewriteHeader(octets: Buffer, submission: Submission, id: string): Buffer | Reply {
  const { identity, hostname, now, keepsHeader } = submission;
  const fields = [...headerFields(octets, (name) => looksAt.has(name.toLowerCase()))];
  const byName = Map.groupBy(fields, ({ name }) => name.toLowerCase());
  const named = (...names: string[]) => names.flatMap((name) => byName.get(name) ?? []);
  const authorOctets = named(...authorFields).reduce((sum, { value }) => sum + value.length, 0);
  if (authorOctets > maxAuthorOctets) return fromTooBig;
  const from = named('from');
  const refusal = identity && refuseHeader(octets, named('from', 'resent-from', 'resent-sender'), identity);
  if (refusal !== undefined) return refusal;
  const senders = named('sender');
  // Where nothing is completed a message without an author is let pass: it names nobody else.
  if (keepsHeader && from.length === 0 && senders.length === 0) return octets;
  const authors = keepsHeader && from.length === 0 ? [] : authorsOf(from);
  if ('code' in authors) return authors;
  const isSenderKept = senders.length === 0 || identity === undefined || isOwnSender(senders, identity);
  if (keepsHeader) return isSenderKept ? octets : notYours;
  const added: string[] = [];
  if (named('message-id').length === 0) added.push(`Message-ID: <${id}@${hostname}>\r\n`);
  if (named('date').length === 0) added.push(`Date: ${formatDate(now)}\r\n`);
  const own = identity && parseMailbox(identity.name, { smtputf8: true });
  const isAuthor =
    authors.length === 1 &&
    authors.some((author) => own !== undefined && mailboxKey(author) === mailboxKey(own));
  // A login that is no address cannot be a Sender (RFC 6409 §8.1: it must be one that works).
  const needsSender = senders.length === 0 ? !isAuthor : !isSenderKept;
  if (needsSender && own !== undefined) added.push(`Sender: ${own.text}\r\n`);
  const dropped = named('bcc', 'resent-bcc', ...(isSenderKept ? [] : ['sender']));
  dropped.sort((a, b) => a.start - b.start);
  return Buffer.concat([Buffer.from(added.join(''), 'utf8'), without(octets, dropped)]);
}

/** Why the header may not go on for somebody who is known by name. */
function refuseHeader(
  octets: Buffer,
  fields: readonly HeaderField[],
  { senders }: SenderBinding,
): Reply | undefined {
  const text = octets.toString('latin1');
  // Possible with BINARYMIME only: whoever ends lines there reads other fields than we do.
  if (/\r(?!\n)|(?<!\r)\n|\0/.test(text)) return replies.bareInHeader;
  return refuseAuthors(fields, senders) ?? refuseLines(text, senders);
}

/** Whether the Sender that is there names the one who sends, and nobody else. */
function isOwnSender(fields: readonly HeaderField[], { senders }: SenderBinding): boolean {
  const only = authorsOf(fields);
  return !('code' in only) && only.length === 1 && refuseAuthors(fields, senders) === undefined;
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
