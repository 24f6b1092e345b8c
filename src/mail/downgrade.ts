/** Converts a message to 7-bit lines. */
import { Slices } from '../base/index.ts';
import type { ContentFacts } from './envelope.ts';
import { type MimeHeader, scanHeader, splitMultipart } from './mime-scan.ts';
import { encodeBody, firstOdd, shorterEncoding } from './transfer-encoding.ts';

/** Messages with more nesting or more parts than these are not converted. */
const maxDepth = 20;
const maxParts = 1000;

/** Thrown inside this file only: some part must not or cannot be converted. */
class NotConvertible extends Error {}

/** A message of 7-bit lines, in pieces. */
export interface Downgraded {
  readonly pieces: readonly Buffer[];
  readonly content: ContentFacts;
}

/**
 * Converts a message to 7-bit lines (RFC 6152 §3, RFC 3030 §4): each leaf that needs it gets
 * quoted-printable or base64, and nothing else is touched. `undefined` when that is not lawful or not
 * possible: signed or encrypted multiparts (RFC 1847 §2.1), parts that may not be encoded (RFC 2046 §5.2),
 * eight-bit headers, an encoding that we do not know. Signatures of DKIM over the body do not survive it.
 *
 * Works in slices, and looks at no octet more often than it is nested deep: at most 20 times.
 */
export async function downgrade(message: Buffer, slices = new Slices()): Promise<Downgraded | undefined> {
  try {
    const pieces = await new Conversion(message, slices).entity(message, { depth: 0, isMessage: true });
    const content = await factsOf(pieces, slices);
    return content === undefined ? undefined : { pieces, content };
  } catch (error) {
    if (error instanceof NotConvertible) return undefined;
    throw error;
  }
}

interface Place {
  readonly depth: number;
  /** It begins with the header of a message, not of a part. */
  readonly isMessage: boolean;
  /** The type of a part that names none: message/rfc822 within multipart/digest (RFC 2046 §5.1.5). */
  readonly defaultType?: string;
}

/** An entity, cut into its header and its body. */
interface Entity {
  readonly header: Buffer;
  readonly mime: MimeHeader;
  readonly body: Buffer;
}

class Conversion {
  readonly #slices: Slices;
  readonly #clean: CleanStretch;
  #parts = 0;

  constructor(message: Buffer, slices: Slices) {
    this.#slices = slices;
    this.#clean = new CleanStretch(message, slices);
  }

  /** A header and what belongs to it. A message at the top or in message/rfc822, or a part of a multipart. */
  async entity(octets: Buffer, place: Place): Promise<Buffer[]> {
    if (++this.#parts > maxParts || place.depth > maxDepth) throw new NotConvertible('too many parts');
    if (place.depth > 0 && (await this.#clean.has(octets))) return [octets];
    const mime = await scanHeader(octets, place.defaultType ?? 'text/plain', this.#slices);
    if (mime === undefined) throw new NotConvertible('a field of MIME that is none');
    const header = octets.subarray(0, mime.end);
    if (!(await this.#clean.has(header))) throw new NotConvertible('eight-bit header');
    const entity = { header, mime, body: octets.subarray(mime.bodyStart) };
    const { type } = mime;
    if (type.startsWith('multipart/'))
      return [...relabel(entity, '7bit'), ...(await this.#multipart(entity, place))];
    if (type === 'message/rfc822' || type === 'message/news') {
      const inner = await this.entity(entity.body, { depth: place.depth + 1, isMessage: true });
      return [...relabel(entity, '7bit'), ...inner];
    }
    return await this.#leaf(entity, place);
  }

  async #multipart({ mime: { type, boundary }, body }: Entity, place: Place): Promise<Buffer[]> {
    if (type === 'multipart/signed' || type === 'multipart/encrypted') throw new NotConvertible(type);
    if (boundary === undefined) throw new NotConvertible('no boundary');
    const out: Buffer[] = [];
    const inner: Place = {
      depth: place.depth + 1,
      isMessage: false,
      ...(type === 'multipart/digest' ? { defaultType: 'message/rfc822' } : {}),
    };
    for await (const { kind, octets } of splitMultipart(body, boundary, this.#slices)) {
      if (kind === 'part') out.push(...(await this.entity(octets, inner)));
      // Preamble and epilogue are never shown.
      else if (await this.#clean.has(octets)) out.push(octets);
      else out.push(...(await stripped(octets, this.#slices)));
    }
    return out;
  }

  async #leaf(entity: Entity, place: Place): Promise<Buffer[]> {
    const { mime, body } = entity;
    const { type, encoding } = mime;
    if (!['7bit', '8bit', 'binary'].includes(encoding)) throw new NotConvertible(`encoding ${encoding}`);
    // These must stay 7-bit (RFC 2046 §5.2); only the types of RFC 6532 §3.7 may be encoded.
    if (type.startsWith('message/') && !type.startsWith('message/global')) throw new NotConvertible(type);
    const to = type.startsWith('text/') ? await shorterEncoding(body, this.#slices) : 'base64';
    const isText = to === 'quoted-printable';
    const added: string[] = [];
    if (place.isMessage && !mime.isMime) added.push('MIME-Version: 1.0');
    // The charset of a message without MIME is unknown (RFC 1428 §3).
    if (place.isMessage && !mime.hasType) added.push('Content-Type: text/plain; charset=unknown-8bit');
    return [
      ...relabel(entity, to, added),
      ...(await encodeBody(body, to, this.#slices)),
      // The line end before a boundary belongs to the boundary; that of the message is its own.
      Buffer.from(place.depth === 0 && !(isText && endsWithCrlf(body)) ? '\r\n' : ''),
    ];
  }
}

/**
 * Finds the stretches of a message that are 7-bit lines. Asked in the order of the message, it reads each octet once.
 */
class CleanStretch {
  readonly #message: Buffer;
  readonly #slices: Slices;
  /** From `#from` up to `#at` there is nothing odd, and `#at` is odd or not yet looked at. */
  #from = 0;
  #at = 0;
  #lineStart = 0;
  #isOdd = false;

  constructor(message: Buffer, slices: Slices) {
    this.#message = message;
    this.#slices = slices;
  }

  /** Whether these octets, a view of the message, are 7-bit lines. They begin where a line begins. */
  async has(view: Buffer): Promise<boolean> {
    const from = view.byteOffset - this.#message.byteOffset;
    const to = from + view.length;
    if (from < this.#from || from > this.#at) {
      this.#from = from;
      this.#at = from;
      this.#lineStart = from;
      this.#isOdd = false;
    }
    while (this.#at < to && !this.#isOdd) {
      const end = Math.min(to, this.#at + this.#slices.octets);
      const found = firstOdd(this.#message, { from: this.#at, to: end, lineStart: this.#lineStart });
      const others = this.#slices.spend(found.at - this.#at + 1);
      this.#at = found.at;
      this.#lineStart = found.lineStart;
      this.#isOdd = found.at < end;
      if (others !== undefined) await others;
    }
    return this.#at >= to;
  }
}

/** The header with this Content-Transfer-Encoding, further fields, and the empty line. */
function relabel({ header, mime }: Entity, encoding: string, added: readonly string[] = []): Buffer[] {
  const out: Buffer[] = [];
  let from = 0;
  for (const { start, end } of mime.encodingFields) {
    out.push(header.subarray(from, start));
    from = end;
  }
  out.push(header.subarray(from));
  const end = header.length === 0 || endsWithCrlf(header) ? '' : '\r\n';
  const lines = [...added, `Content-Transfer-Encoding: ${encoding}`].map((line) => `${line}\r\n`);
  out.push(Buffer.from(`${end}${lines.join('')}\r\n`));
  return out;
}

/** Text that is never shown: octets beyond 7 bits are replaced, and long lines cut off. */
async function stripped(octets: Buffer, slices: Slices): Promise<Buffer[]> {
  const out: Buffer[] = [];
  let column = 0;
  for (let from = 0; from < octets.length; ) {
    const to = Math.min(octets.length, from + slices.octets);
    const piece = Buffer.allocUnsafe(to - from + 1);
    let written = 0;
    let at = from;
    for (; at < to; at++) {
      const octet = octets[at] ?? 0;
      if (octet === 13 && octets[at + 1] === 10) {
        piece[written++] = 13;
        piece[written++] = 10;
        at++;
        column = 0;
      } else if (column++ < 998) piece[written++] = octet === 9 || (octet >= 32 && octet < 127) ? octet : 63;
    }
    out.push(piece.subarray(0, written));
    const others = slices.spend(at - from);
    from = at;
    if (others !== undefined) await others;
  }
  return out;
}

function endsWithCrlf(octets: Buffer): boolean {
  return octets.at(-1) === 10 && octets.at(-2) === 13;
}

/** The facts of the pieces together; `undefined` when they are not 7-bit lines after all. */
async function factsOf(pieces: readonly Buffer[], slices: Slices): Promise<ContentFacts | undefined> {
  let size = 0;
  let column = 0;
  let last = 10;
  let beforeLast = 13;
  let hasLeadingDot = false;
  for (const piece of pieces) {
    for (let from = 0; from < piece.length; ) {
      const to = Math.min(piece.length, from + slices.octets);
      for (let at = from; at < to; at++) {
        const octet = piece[at] ?? 0;
        const isStart = last === 10;
        if (last === 13 ? octet !== 10 : octet === 10) return undefined;
        if (octet === 0 || octet > 127) return undefined;
        if (isStart && octet === 46) hasLeadingDot = true;
        if (isStart) column = 0;
        if (octet !== 13 && octet !== 10 && ++column > 998) return undefined;
        beforeLast = last;
        last = octet;
      }
      const others = slices.spend(to - from);
      from = to;
      if (others !== undefined) await others;
    }
    size += piece.length;
  }
  if (last === 13) return undefined;
  return {
    size,
    hasEightBit: false,
    hasLeadingDot,
    endsWithCrlf: size > 0 && beforeLast === 13 && last === 10,
    isBinary: false,
  };
}
