import { isUtf8 } from 'node:buffer';
import {
  type Address,
  type HeaderField,
  matchesPath,
  parseAddressList,
  parseMailbox,
  type Reply,
  reply,
  unfold,
} from '../mail/index.ts';
import type { SenderBinding } from './ask.ts';

const oneFrom = reply(
  554,
  '6.0',
  'a message has one From field with an address; put a name that has a comma or a colon in quotes',
);
export const notYours = reply(550, '7.1', 'that From address is not yours');
const twoReadings = reply(
  550,
  '7.1',
  'the sender in the header can be read as somebody else: use your own address, and no other in the name',
);

/** No more of a line of mbox is looked at. */
const maxLineOctets = 1024;
/** Names that came without saying in which encoding: what a reader may guess besides UTF-8. */
const guesses = ['windows-1252', 'gb18030', 'big5', 'shift_jis', 'euc-jp', 'euc-kr'];

/** The authors that the From fields tell of; a reply when they are no such thing. */
export function authorsOf(fields: readonly HeaderField[]): readonly Address[] | Reply {
  const [only, other] = fields;
  if (only === undefined || other !== undefined) return oneFrom;
  const list = parseAddressList(utf8Of(only));
  return list.kind === 'list' ? list.mailboxes : list.kind === 'unclear' ? twoReadings : oneFrom;
}

/**
 * Why these fields may not go on for somebody who is bound to these senders: an address in them is not one of
 * them, or a usual reader could see one that is not: in a name, a comment, an encoded word, behind an escape.
 */
export function refuseAuthors(
  fields: readonly Pick<HeaderField, 'value'>[],
  senders: SenderBinding['senders'],
): Reply | undefined {
  if (senders.some(({ kind }) => kind === 'any')) return undefined;
  const isOwn = (address: Address) => senders.some((pattern) => matchesPath(pattern, address));
  for (const field of fields) {
    const list = parseAddressList(utf8Of(field));
    if (list.kind === 'unclear') return twoReadings;
    if (list.kind === 'list' && !list.mailboxes.every(isOwn)) return notYours;
    const texts = list.kind === 'list' && isUtf8(octetsOf(field)) ? [list.aside] : decodings(field);
    if (texts.some((text) => namesAnother(text, isOwn))) return twoReadings;
  }
  return undefined;
}

/** `From` with a byte order mark, a no-break space or the like about it, which some programs take away. */
const oddFrom = /^(?![ \t]|from[ \t]*:)[^!-~\r\n]*from[^!-~\r\n]*:/im;

/**
 * Why lines of the header that are no fields may not go on: `From` with something unseen about it, and a line
 * of mbox (`From boris@example.org Mon …`) with somebody else in it. Some programs find an author there.
 */
export function refuseLines(header: string, senders: SenderBinding['senders']): Reply | undefined {
  if (senders.some(({ kind }) => kind === 'any')) return undefined;
  if (oddFrom.test(header)) return twoReadings;
  const isOwn = (address: Address) => senders.some((pattern) => matchesPath(pattern, address));
  const [, text] = /^>?from[ \t]+([^ \t:].*)$/im.exec(header) ?? [];
  return text !== undefined && namesAnother(text.slice(0, maxLineOctets), isOwn) ? twoReadings : undefined;
}

function octetsOf({ value }: Pick<HeaderField, 'value'>): Buffer {
  return Buffer.from(unfold(value), 'latin1');
}

function utf8Of(field: Pick<HeaderField, 'value'>): string {
  return octetsOf(field).toString('utf8');
}

function decodings(field: Pick<HeaderField, 'value'>): string[] {
  const octets = octetsOf(field);
  if (isUtf8(octets)) return [octets.toString('utf8')];
  return guesses.map((charset) => new TextDecoder(charset).decode(octets));
}

/** Quotes, escapes and comments, which some readers take away and others do not. */
const marks = /["\\()<>]/g;
/** What breaks a line, ends a string or turns the direction of what stands around it. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const harmful = /[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]/;
const unseen = /[\p{Cf}\p{Default_Ignorable_Code_Point}]/gu;
const otherDots = /[\u3002\uff0e\uff61\u2024\ufe52]/g;

/** Whether somebody could read an address in these words that is not one's own. */
function namesAnother(text: string, isOwn: (address: Address) => boolean): boolean {
  const decoded = decodeWords(text);
  const stripped = decodeWords(text.replace(marks, ''));
  if (decoded === undefined || stripped === undefined || harmful.test(decoded)) return true;
  return [stripped, decoded.replace(marks, ''), decoded.replace(marks, ' ')].some((reading) =>
    hasOther(reading.replace(otherDots, '.').normalize('NFKC').replace(unseen, ''), isOwn),
  );
}

/** What stands before a handle in a name, as in `Boris | @boris.example`: no reader takes it for a local part. */
const separator = /^[|·•–—/&-]$/u;
const before = /[^\s@,;:[\]]{1,64}\s*$/u;
const after = /^\s*(?:\[[^\s\]]+\]|[^\s@,;:[\]]+\.[^\s@,;:[\]]+)/u;
/** What people put around an address: `'anna@example.org'`. */
const around = /^[^\p{L}\p{N}_+=-]+|[^\p{L}\p{N}\]]+$/gu;

function hasOther(text: string, isOwn: (address: Address) => boolean): boolean {
  for (let at = text.indexOf('@'); at >= 0; at = text.indexOf('@', at + 1)) {
    const local = before.exec(text.slice(Math.max(0, at - 70), at))?.[0].trim();
    const domain = after.exec(text.slice(at + 1, at + 260))?.[0].trim();
    if (local === undefined || domain === undefined || separator.test(local)) continue;
    const seen = [`${local}@${domain}`, `${local}@${domain}`.replace(around, '')];
    const isMine = seen.some((one) => {
      const address = parseMailbox(one, { smtputf8: true });
      return address !== undefined && isOwn(address);
    });
    if (!isMine) return true;
  }
  return false;
}

/**
 * Encoded words as lenient readers decode them (RFC 2047): in quotes too, with blanks inside, and twice.
 * `undefined` where the charset is one that we cannot read, but somebody else may.
 */
function decodeWords(text: string): string | undefined {
  let decoded = text;
  for (let round = 0; round < 3 && decoded.includes('=?'); round++) {
    let isReadable = true;
    decoded = decoded.replace(/(\?=)\s+(?==\?)/g, '$1').replace(runOfWords, (run) => {
      const result = decodeRun(run);
      isReadable &&= result !== undefined;
      return result ?? '';
    });
    if (!isReadable) return undefined;
  }
  return decoded;
}

const runOfWords = /(?:=\?[^?\s]+\?[bq]\?[^?]*\?=)+/gi;

/** Neighbours in one charset are one text: a character may begin in one and end in the next. */
function decodeRun(run: string): string | undefined {
  const texts: { charset: string; octets: Buffer }[] = [];
  for (const [, charset = '', encoding, word = ''] of run.matchAll(
    /=\?([^?\s*]+)[^?\s]*\?([bq])\?([^?]*)\?=/gi,
  )) {
    const octets = encoding?.toLowerCase() === 'b' ? Buffer.from(word, 'base64') : unquoted(word);
    const last = texts.at(-1);
    if (last?.charset === charset.toLowerCase()) last.octets = Buffer.concat([last.octets, octets]);
    else texts.push({ charset: charset.toLowerCase(), octets });
  }
  const decoded = texts.map(({ charset, octets }) => decodeAs(octets, charset));
  return decoded.includes(undefined) ? undefined : decoded.join('');
}

/** Charsets without a decoder here, in which ASCII is ASCII: DOS code pages, and what Alpine and mutt say of octets they do not know. */
const likeAscii = /^(?:x-unknown|unknown-8bit|(?:cp|ibm)-?(?:437|737|775|85[0258]|86[0-9]))$/;

function decodeAs(octets: Buffer, charset: string): string | undefined {
  try {
    const known = likeAscii.test(charset) ? 'windows-1252' : charset === 'cp932' ? 'shift_jis' : charset;
    return new TextDecoder(known, { ignoreBOM: true }).decode(octets);
  } catch {
    return undefined;
  }
}

/** The Q encoding (RFC 2047 §4.2). */
function unquoted(word: string): Buffer {
  const octets = word
    .replaceAll('_', ' ')
    .replace(/=([0-9a-f]{2})/gi, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16)));
  return Buffer.from(octets, 'latin1');
}
