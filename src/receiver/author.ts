/** Checks that the header names nobody but its sender, as any usual reader of mail would see it. */
import { isUtf8 } from 'node:buffer';
import {
  type Address,
  type AddressList,
  decodeWords,
  matchesPath,
  parseAddressList,
  parseMailbox,
  type Reply,
  readings,
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
/** A field that names people. */
export interface AuthorField {
  readonly octets: Buffer;
  readonly list: AddressList;
}

/** Reads the value of a field that names people, once for all that is asked about it. */
export function readAuthors({ value }: { readonly value: string }): AuthorField {
  const octets = Buffer.from(unfold(value), 'latin1');
  return { octets, list: parseAddressList(octets.toString('utf8')) };
}

/** The authors in the From fields; a reply if they are malformed. */
export function authorsOf([only, other]: readonly AuthorField[]): readonly Address[] | Reply {
  if (only === undefined || other !== undefined) return oneFrom;
  const { list } = only;
  return list.kind === 'list' ? list.mailboxes : list.kind === 'unclear' ? twoReadings : oneFrom;
}

/**
 * The refusal of From fields for a sender that is bound to these addresses: an address in them is another one, or a
 * usual reader could see another one: in a name, a comment, an encoded word, behind an escape.
 */
export function refuseAuthors(
  fields: readonly AuthorField[],
  senders: SenderBinding['senders'],
): Reply | undefined {
  if (senders.some(({ kind }) => kind === 'any')) return undefined;
  const isOwn = (address: Address) => senders.some((pattern) => matchesPath(pattern, address));
  for (const { list, octets } of fields) {
    if (list.kind === 'unclear') return twoReadings;
    if (list.kind === 'list' && !list.mailboxes.every(isOwn)) return notYours;
    const texts = list.kind === 'list' && isUtf8(octets) ? [list.aside] : readings(octets);
    if (texts.some((text) => namesAnother(text, isOwn))) return twoReadings;
  }
  return undefined;
}

/** `From` with a byte order mark, a no-break space or the like about it, which some programs take away. */
const oddFrom = /^(?![ \t]|from[ \t]*:)[^!-~\r\n]*from[^!-~\r\n]*:/im;

/**
 * The refusal of header lines that are not fields: `From` with an invisible character, and a line of mbox (`From
 * boris@example.org Mon …`) with another address. Some programs find an author there.
 */
export function refuseLines(header: string, senders: SenderBinding['senders']): Reply | undefined {
  if (senders.some(({ kind }) => kind === 'any')) return undefined;
  if (oddFrom.test(header)) return twoReadings;
  const isOwn = (address: Address) => senders.some((pattern) => matchesPath(pattern, address));
  const [, text] = /^>?from[ \t]+([^ \t:].*)$/im.exec(header) ?? [];
  return text !== undefined && namesAnother(text.slice(0, maxLineOctets), isOwn) ? twoReadings : undefined;
}

/** Quotes, escapes and comments, which some readers take away and others do not. */
const marks = /["\\()<>]/g;
/** Characters that break a line, end a string or change the direction of the text around them. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const harmful = /[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]/;
const unseen = /[\p{Cf}\p{Default_Ignorable_Code_Point}]/gu;
const otherDots = /[\u3002\uff0e\uff61\u2024\ufe52]/g;

/** Whether a reader could see an address of somebody else in these words. */
function namesAnother(text: string, isOwn: (address: Address) => boolean): boolean {
  const decoded = decodeWords(text);
  const stripped = decodeWords(text.replace(marks, ''));
  if (decoded === undefined || stripped === undefined || harmful.test(decoded)) return true;
  return [stripped, decoded.replace(marks, ''), decoded.replace(marks, ' ')].some((reading) =>
    hasOther(reading.replace(otherDots, '.').normalize('NFKC').replace(unseen, ''), isOwn),
  );
}

/** The separator before a handle in a name, as in `Boris | @boris.example`: no reader takes it for a local part. */
const separator = /^[|·•–—/&-]$/u;
const before = /[^\s@,;:[\]]{1,64}\s*$/u;
const after = /^\s*(?:\[[^\s\]]+\]|[^\s@,;:[\]]+\.[^\s@,;:[\]]+)/u;
/** Quotes that people put around an address: `'anna@example.org'`. */
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
