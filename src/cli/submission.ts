/** Prepares a message of a local program: header fields, line ends, ids. */
import { randomBytes } from 'node:crypto';

import { formatDate, type HeaderField, headerFields, unfold } from '../mail/index.ts';
import { listedAddresses, qualifyAddressList } from './address-list.ts';
import { CliError, exitCode } from './exit-code.ts';
import { foldLongLine, inputLines } from './input-line.ts';

const maxHeaderOctets = 1024 * 1024;

/** The sender, for header fields that the message lacks. */
export interface Sender {
  /** The address for a From field that is missing. */
  readonly address: string;
  readonly fullName: string;
  /** The right side of message ids. */
  readonly hostname: string;
}

/** A message made ready for submission, as a mail user agent's helper makes it (RFC 6409 §8). */
export interface PreparedMessage {
  /** The recipients that its header names, in order, without repetition. */
  readonly recipients: readonly string[];
  readonly messageId: string;
  /** Header and body with CRLF line ends. Read once. */
  readonly octets: AsyncIterable<Buffer>;
}

/** How the input is read. */
export interface PrepareOptions {
  readonly sender: Sender;
  /** Milliseconds since 1970. */
  readonly now: number;
  /** A line that is just a dot ends the message, as sendmail has it without `-i`. */
  readonly dotEnds: boolean;
  /** Names without a domain in the address fields get the host name. */
  readonly qualifies: boolean;
}

/**
 * Reads a message from a local program. Bcc, Resent-Bcc, Return-Path and Content-Length are removed; a missing
 * From, Date or Message-ID is added, and for a resent message its Resent- fields; names without a domain get
 * ours. The recipients are those of To, Cc and Bcc, or, when there is any Resent- field, those of Resent-To,
 * Resent-Cc and Resent-Bcc. A line that is no header field ends the header.
 */
export async function prepareMessage(
  input: AsyncIterable<Uint8Array>,
  options: PrepareOptions,
): Promise<PreparedMessage> {
  const lines = upToDot(inputLines(input), options.dotEnds);
  const { header, firstBodyLine } = await readHeader(lines);
  const fields = [...headerFields(header)];
  const named = new Set(fields.map(({ name }) => name.toLowerCase()));
  const isResent = [...named].some((name) => name.startsWith('resent-'));
  const added = missingFields(named, isResent, options);
  const kept = fields
    .filter(({ name }) => !removed.has(name.toLowerCase()))
    .map((field) => keptField(header, field, options));
  const head = Buffer.concat([Buffer.from(added), ...kept, Buffer.from('\r\n')]);
  return {
    recipients: recipientsOf(fields, isResent),
    messageId: fieldValue(fields, 'message-id') ?? /^Message-ID: (.*)\r$/m.exec(added)?.[1] ?? '',
    octets: join(head, firstBodyLine, lines),
  };
}

const addressFields = new Set(
  ['from', 'sender', 'reply-to', 'to', 'cc'].flatMap((name) => [name, `resent-${name}`]),
);

/** The field as it is, or with our host name behind the names in it that have none (RFC 6409 §8.1). */
function keptField(
  header: Buffer,
  { name, start, end }: HeaderField,
  { qualifies, sender }: PrepareOptions,
): Buffer {
  const field = header.subarray(start, end);
  if (!qualifies || !addressFields.has(name.toLowerCase())) return field;
  const text = field.toString('latin1');
  const value = text.indexOf(':') + 1;
  const whole = qualifyAddressList(text.slice(value, -2), sender.hostname);
  return Buffer.from(`${text.slice(0, value)}${whole}\r\n`, 'latin1');
}

const removed = new Set(['bcc', 'resent-bcc', 'return-path', 'content-length']);

async function* upToDot(lines: AsyncIterable<Buffer>, dotEnds: boolean): AsyncGenerator<Buffer, void, void> {
  for await (const line of lines) {
    if (dotEnds && line.length === 1 && line[0] === 0x2e) return;
    yield line;
  }
}

interface Header {
  readonly header: Buffer;
  /** The line that ended the header, when it was not the empty one. */
  readonly firstBodyLine: Buffer | undefined;
}

async function readHeader(lines: AsyncGenerator<Buffer, void, void>): Promise<Header> {
  const parts: Buffer[] = [];
  let length = 0;
  for (;;) {
    const next = await lines.next();
    if (next.done === true || next.value.length === 0)
      return { header: Buffer.concat(parts), firstBodyLine: undefined };
    const line = next.value;
    // The `From ` line of a mailbox file before a message is not part of it.
    if (parts.length === 0 && /^>?From /.test(line.toString('latin1', 0, 6))) continue;
    if (!isHeaderLine(line, parts.length > 0)) return { header: Buffer.concat(parts), firstBodyLine: line };
    parts.push(line, Buffer.from('\r\n'));
    length += line.length + 2;
    if (length > maxHeaderOctets) {
      throw new CliError(exitCode.dataErr, `the header is longer than ${maxHeaderOctets} octets`);
    }
  }
}

function isHeaderLine(line: Buffer, canContinue: boolean): boolean {
  if (line[0] === 0x20 || line[0] === 0x09) return canContinue;
  return /^[!-9;-~]+[ \t]*:/.test(line.toString('latin1', 0, 1000));
}

function recipientsOf(fields: readonly HeaderField[], isResent: boolean): string[] {
  const wanted = ['to', 'cc', 'bcc'].map((name) => (isResent ? `resent-${name}` : name));
  const found = fields
    .filter(({ name }) => wanted.includes(name.toLowerCase()))
    .flatMap(({ value }) => listedAddresses(Buffer.from(unfold(value), 'latin1').toString('utf8')));
  return [...new Set(found)];
}

function fieldValue(fields: readonly HeaderField[], wanted: string): string | undefined {
  const field = fields.find(({ name }) => name.toLowerCase() === wanted);
  return field === undefined ? undefined : unfold(field.value);
}

/** The lines for required header fields that are missing (RFC 5322 §3.6, RFC 6409 §8). */
function missingFields(named: ReadonlySet<string>, isResent: boolean, options: PrepareOptions): string {
  const { sender, now } = options;
  const prefixes = isResent ? ['', 'Resent-'] : [''];
  return prefixes
    .flatMap((prefix) => [
      [`${prefix}Date`, formatDate(now)],
      [`${prefix}From`, formatMailbox(sender.fullName, sender.address)],
      [`${prefix}Message-ID`, newMessageId(sender.hostname)],
    ])
    .filter(([name = '']) => !named.has(name.toLowerCase()))
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join('');
}

/** A message id that no other program on Earth makes: 128 bits of chance. */
export function newMessageId(hostname: string): string {
  return `<${randomBytes(16).toString('hex')}@${hostname}>`;
}

/** `Name <address>`; a name beyond ASCII becomes encoded words (RFC 2047), any other is quoted at need. */
export function formatMailbox(name: string, address: string): string {
  const clean = name.replace(/\p{C}/gu, ' ').trim();
  if (clean === '') return address;
  return `${encodePhrase(clean)} <${address}>`;
}

function encodePhrase(text: string): string {
  if (/^[\w !#$%&'*+/=?^`{|}~-]+$/.test(text)) return text;
  if (/^[ -~]+$/.test(text)) return `"${text.replace(/["\\]/g, '\\$&')}"`;
  return encodeWords(text);
}

/** Text as encoded words of at most 75 characters, folded (RFC 2047 §2). */
export function encodeWords(text: string): string {
  const words: string[] = [];
  let piece = '';
  for (const char of text) {
    if (Buffer.byteLength(piece + char) > 45) {
      words.push(piece);
      piece = '';
    }
    piece += char;
  }
  words.push(piece);
  return words.map((word) => `=?utf-8?B?${Buffer.from(word).toString('base64')}?=`).join('\r\n ');
}

async function* join(
  head: Buffer,
  firstBodyLine: Buffer | undefined,
  lines: AsyncIterable<Buffer>,
): AsyncGenerator<Buffer> {
  yield head;
  let batch: Buffer[] = firstBodyLine === undefined ? [] : [...foldLongLine(firstBodyLine)];
  let length = 0;
  for await (const line of lines) {
    for (const part of foldLongLine(line)) {
      batch.push(part);
      length += part.length;
    }
    if (length < 64 * 1024) continue;
    yield Buffer.concat(batch);
    batch = [];
    length = 0;
  }
  if (batch.length > 0) yield Buffer.concat(batch);
}
