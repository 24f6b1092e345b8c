import { type ContentFacts, headerEnd, headerFields, unfold } from '../mail/index.ts';
import { encodeBase64, encodeQuotedPrintable, isSevenBit } from './transfer-encoding.ts';

/** Nesting and parts above these are no mail of anybody's; they are not converted. */
const maxDepth = 20;
const maxParts = 1000;

/** Thrown inside this file only: some part must not or cannot be converted. */
class NotConvertible extends Error {}

/**
 * Converts a message to 7-bit lines (RFC 6152 §3, RFC 3030 §4): each leaf that needs it gets
 * quoted-printable or base64, and nothing else is touched. `undefined` when that is not lawful or not
 * possible: signed or encrypted multiparts (RFC 1847 §2.1), parts that may not be encoded (RFC 2046 §5.2),
 * eight-bit headers, an encoding that we do not know. Signatures of DKIM over the body do not survive it.
 */
export function downgrade(
  message: Buffer,
): { readonly octets: Buffer; readonly content: ContentFacts } | undefined {
  try {
    const octets = Buffer.concat(new Conversion().entity(message, { depth: 0, isMessage: true }));
    if (!isSevenBit(octets)) return undefined;
    return { octets, content: factsOf(octets) };
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

class Conversion {
  #parts = 0;

  /** A header and what belongs to it. A message at the top or in message/rfc822, or a part of a multipart. */
  entity(octets: Buffer, place: Place): Buffer[] {
    if (++this.#parts > maxParts || place.depth > maxDepth) throw new NotConvertible('too many parts');
    if (place.depth > 0 && isSevenBit(octets)) return [octets];
    const end = headerEnd(octets);
    const header = octets.subarray(0, end);
    const body = octets.subarray(Math.min(end + 2, octets.length));
    if (!isSevenBit(header)) throw new NotConvertible('eight-bit header');
    const parts = readMimeHeader(header, place);
    if (parts.type.startsWith('multipart/'))
      return [...relabel(header, '7bit'), ...this.#multipart(parts, body, place)];
    if (parts.type === 'message/rfc822' || parts.type === 'message/news') {
      return [...relabel(header, '7bit'), ...this.entity(body, { depth: place.depth + 1, isMessage: true })];
    }
    return leaf(header, parts, body, place);
  }

  #multipart({ type, boundary }: MimeHeader, body: Buffer, place: Place): Buffer[] {
    if (type === 'multipart/signed' || type === 'multipart/encrypted') throw new NotConvertible(type);
    if (boundary === undefined) throw new NotConvertible('no boundary');
    const out: Buffer[] = [];
    const inner: Place = {
      depth: place.depth + 1,
      isMessage: false,
      ...(type === 'multipart/digest' ? { defaultType: 'message/rfc822' } : {}),
    };
    for (const piece of splitMultipart(body, boundary)) {
      if (piece.kind === 'part') out.push(...this.entity(piece.octets, inner));
      // Preamble and epilogue are shown to nobody.
      else out.push(isSevenBit(piece.octets) ? piece.octets : strip(piece.octets));
    }
    return out;
  }
}

interface MimeHeader {
  /** Lower-case, without parameters. */
  readonly type: string;
  readonly boundary: string | undefined;
  readonly encoding: string;
  readonly hasType: boolean;
  readonly isMime: boolean;
}

function readMimeHeader(header: Buffer, place: Place): MimeHeader {
  let contentType: string | undefined;
  let encoding = '7bit';
  let isMime = false;
  for (const field of headerFields(header)) {
    const name = field.name.toLowerCase();
    if (name === 'content-type') contentType ??= unfold(field.value);
    else if (name === 'content-transfer-encoding')
      encoding = stripComments(unfold(field.value)).toLowerCase();
    else if (name === 'mime-version') isMime = true;
  }
  const type = stripComments(contentType?.split(';')[0] ?? '').toLowerCase();
  const match = /;\s*boundary\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;"]+))/i.exec(contentType ?? '');
  const boundary = match?.[1]?.replace(/\\(.)/g, '$1') ?? match?.[2];
  return {
    type: /^[^\s/]+\/[^\s/]+$/.test(type) ? type : (place.defaultType ?? 'text/plain'),
    boundary: boundary === '' || (boundary?.length ?? 0) > 200 ? undefined : boundary,
    encoding,
    hasType: contentType !== undefined,
    isMime,
  };
}

function stripComments(value: string): string {
  return value.replace(/\([^()]*\)/g, '').trim();
}

function leaf(header: Buffer, parts: MimeHeader, body: Buffer, place: Place): Buffer[] {
  const { type, encoding } = parts;
  if (!['7bit', '8bit', 'binary'].includes(encoding)) throw new NotConvertible(`encoding ${encoding}`);
  // These must stay 7-bit (RFC 2046 §5.2); only the types of RFC 6532 §3.7 may be encoded.
  if (type.startsWith('message/') && !type.startsWith('message/global')) throw new NotConvertible(type);
  const isText = type.startsWith('text/') && countEightBit(body) * 6 < body.length;
  const added: string[] = [];
  if (place.isMessage && !parts.isMime) added.push('MIME-Version: 1.0');
  // What a message without MIME means by its eight bits nobody knows (RFC 1428 §3).
  if (place.isMessage && !parts.hasType) added.push('Content-Type: text/plain; charset=unknown-8bit');
  return [
    ...relabel(header, isText ? 'quoted-printable' : 'base64', added),
    isText ? encodeQuotedPrintable(body) : encodeBase64(body),
    // The line end before a boundary belongs to the boundary; that of the message is its own.
    Buffer.from(place.depth === 0 && !(isText && endsWithCrlf(body)) ? '\r\n' : ''),
  ];
}

/** The header with this Content-Transfer-Encoding, further fields, and the empty line. */
function relabel(header: Buffer, encoding: string, added: readonly string[] = []): Buffer[] {
  const out: Buffer[] = [];
  let from = 0;
  for (const { name, start, end } of headerFields(header)) {
    if (name.toLowerCase() !== 'content-transfer-encoding') continue;
    out.push(header.subarray(from, start));
    from = end;
  }
  out.push(header.subarray(from));
  const end = header.length === 0 || endsWithCrlf(header) ? '' : '\r\n';
  const lines = [...added, `Content-Transfer-Encoding: ${encoding}`].map((line) => `${line}\r\n`);
  out.push(Buffer.from(`${end}${lines.join('')}\r\n`));
  return out;
}

type Piece = { readonly kind: 'part' | 'between'; readonly octets: Buffer };

/** Cuts at the delimiter lines (RFC 2046 §5.1.1). Joined again the pieces are the body. */
function* splitMultipart(body: Buffer, boundary: string): Generator<Piece> {
  const delimiter = Buffer.from(`--${boundary}`, 'latin1');
  let from = 0;
  let isInside = false;
  for (let at = nextDelimiter(body, delimiter, 0); at >= 0; at = nextDelimiter(body, delimiter, from)) {
    const partEnd = Math.max(from, at - 2);
    yield { kind: isInside ? 'part' : 'between', octets: body.subarray(from, partEnd) };
    const isClose = body.subarray(at + delimiter.length, at + delimiter.length + 2).equals(Buffer.from('--'));
    const lineEnd = body.indexOf('\r\n', at);
    const next = lineEnd < 0 ? body.length : lineEnd + 2;
    yield { kind: 'between', octets: body.subarray(partEnd, next) };
    from = next;
    isInside = !isClose;
    if (isClose || from >= body.length) break;
  }
  if (from < body.length) yield { kind: isInside ? 'part' : 'between', octets: body.subarray(from) };
}

/** Where the next line begins that is a delimiter, at or after `from`; -1 when there is none. */
function nextDelimiter(body: Buffer, delimiter: Buffer, from: number): number {
  for (let at = body.indexOf(delimiter, from); at >= 0; at = body.indexOf(delimiter, at + 1)) {
    const isLineStart = at === 0 || (body[at - 1] === 10 && body[at - 2] === 13);
    if (!isLineStart) continue;
    const lineEnd = body.indexOf('\r\n', at);
    const rest = body.toString('latin1', at + delimiter.length, lineEnd < 0 ? body.length : lineEnd);
    if (/^(?:--)?[ \t]*$/.test(rest)) return at;
  }
  return -1;
}

/** Text that nobody reads, without what is not 7-bit. */
function strip(octets: Buffer): Buffer {
  const text = octets.toString('latin1').replace(/[^\r\n\t\x20-\x7e]/g, '?');
  const lines = text.split('\r\n').map((line) => line.replace(/[\r\n]/g, '?').slice(0, 998));
  return Buffer.from(lines.join('\r\n'), 'latin1');
}

function countEightBit(octets: Buffer): number {
  let count = 0;
  for (const octet of octets) if (octet > 127) count++;
  return count;
}

function endsWithCrlf(octets: Buffer): boolean {
  return octets.at(-1) === 10 && octets.at(-2) === 13;
}

function factsOf(octets: Buffer): ContentFacts {
  return {
    size: octets.length,
    hasEightBit: false,
    hasLeadingDot: octets[0] === 46 || octets.includes('\r\n.'),
    endsWithCrlf: endsWithCrlf(octets),
    isBinary: false,
  };
}
