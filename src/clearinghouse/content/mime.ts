/** Takes a message apart into its MIME parts, within bounds. */
import { headerEnd, headerFields, unfold } from '../../mail/index.ts';
import type { Leaf } from './content.ts';
import { decodeBase64, decodeQuotedPrintable } from './transfer.ts';

/** How much of a message is looked at. */
const mimeBounds = { parts: 1000, depth: 20, octets: 16 * 2 ** 20 } as const;

/** The leaves of a message, and whether some were left out. */
export interface Walk {
  /** Of the message itself. */
  readonly fields: Fields;
  readonly leaves: readonly Leaf[];
  readonly isTruncated: boolean;
}

interface Walking {
  readonly leaves: Leaf[];
  parts: number;
  octets: number;
  alternatives: number;
  isTruncated: boolean;
}

/** Takes a message apart (RFC 2045, 2046), valid or not: each octet is read at most once at each level. */
export function walkMessage(octets: Uint8Array): Walk {
  const walking: Walking = { leaves: [], parts: 0, octets: 0, alternatives: 0, isTruncated: false };
  const fields = walkPart(octets, walking, { depth: 0 });
  return { fields, leaves: walking.leaves, isTruncated: walking.isTruncated };
}

/** The header fields that are read by name. */
const read: ReadonlySet<string> = new Set([
  'from',
  'to',
  'reply-to',
  'list-id',
  'message-id',
  'content-type',
  'content-transfer-encoding',
  'content-disposition',
]);

/** The first field of each name of `read`, as it is folded. */
export type Fields = ReadonlyMap<string, string>;

function fieldsOf(header: Uint8Array): Fields {
  const fields = new Map<string, string>();
  for (const { name, value } of headerFields(header, (name) => read.has(name.toLowerCase()))) {
    const key = name.toLowerCase();
    if (!fields.has(key)) fields.set(key, value);
  }
  return fields;
}

interface Place {
  readonly depth: number;
  readonly alternative?: number;
  /** The default type of the parts: `message/rfc822` in a digest. */
  readonly type?: string;
  /** In a notification or a complaint (RFC 6522), which is no copy of the message that it is about. */
  readonly isReport?: boolean;
}

function walkPart(octets: Uint8Array, walking: Walking, place: Place): Fields {
  walking.parts++;
  if (walking.parts > mimeBounds.parts || place.depth > mimeBounds.depth) {
    walking.isTruncated = true;
    return noFields;
  }
  const end = headerEnd(octets);
  const header = fieldsOf(octets.subarray(0, end));
  const body = octets.subarray(afterEmptyLine(octets, end));
  const given = unfolded(header, 'content-type');
  const type = mediaType(given) ?? place.type ?? 'text/plain';
  const boundary = type.startsWith('multipart/') ? parameter(given, 'boundary') : undefined;
  if (boundary !== undefined && boundary !== '' && boundary.length <= longestBoundary) {
    walkMultipart(body, walking, { boundary, type, place });
    return header;
  }
  if (place.isReport === true && returned.has(type)) return header;
  const encoding = unfolded(header, 'content-transfer-encoding').trim().toLowerCase();
  if (type === 'message/rfc822' && !isEncoded(encoding)) {
    walkPart(body, walking, { depth: place.depth + 1 });
    return header;
  }
  addLeaf({ body, encoding, given, header, type }, walking, place);
  return header;
}

const returned = new Set([
  'message/rfc822',
  'message/global',
  'text/rfc822-headers',
  'message/global-headers',
]);
/** RFC 2046 §5.1.1 allows 70; to search for a long one takes as long as it is, at each place that begins like it. */
export const longestBoundary = 200;
/** Characters of a field that are looked at. */
const maxField = 10_000;
const noFields: Fields = new Map();

function walkMultipart(
  body: Uint8Array,
  walking: Walking,
  { boundary, type, place }: { readonly boundary: string; readonly type: string; readonly place: Place },
): void {
  const alternative = type === 'multipart/alternative' ? ++walking.alternatives : place.alternative;
  const inner: Place = {
    depth: place.depth + 1,
    ...(alternative !== undefined && { alternative }),
    ...(type === 'multipart/digest' && { type: 'message/rfc822' }),
    ...(type === 'multipart/report' && { isReport: true }),
  };
  for (const part of partsOf(body, boundary)) {
    walkPart(part, walking, inner);
    if (walking.parts > mimeBounds.parts) return;
  }
}

/** The parts between the delimiters (RFC 2046 §5.1.1). The last delimiter may be missing. */
function* partsOf(body: Uint8Array, boundary: string): Generator<Uint8Array> {
  const view = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  const delimiter = `--${boundary}`;
  let begin = -1;
  let from = 0;
  while (from <= view.length) {
    const at = view.indexOf(delimiter, from, 'latin1');
    if (at < 0) break;
    from = at + delimiter.length;
    if (at > 0 && view[at - 1] !== 10) continue;
    // A longer line may be the delimiter of an outer part that begins alike.
    const next = view[from];
    const isLast = next === 45 && view[from + 1] === 45;
    if (!isLast && next !== undefined && next !== 10 && next !== 13 && next !== 32 && next !== 9) continue;
    if (begin >= 0) yield view.subarray(begin, lineEnd(view, at));
    if (isLast) return;
    const end = view.indexOf(10, from);
    if (end < 0) return;
    begin = end + 1;
  }
  if (begin >= 0) yield view.subarray(begin);
}

/** The line end before a delimiter belongs to the delimiter. */
function lineEnd(octets: Uint8Array, at: number): number {
  const end = at - 1;
  return Math.max(0, octets[end - 1] === 13 ? end - 1 : end);
}

function addLeaf(
  part: { body: Uint8Array; encoding: string; given: string; header: Fields; type: string },
  walking: Walking,
  { alternative }: Place,
): void {
  const { body, encoding, given, header, type } = part;
  const room = mimeBounds.octets - walking.octets;
  if (room <= 0) {
    walking.isTruncated = true;
    return;
  }
  const limited = body.length > 2 * room ? body.subarray(0, 2 * room) : body;
  const decoded = decode(limited, encoding);
  const octets = decoded.length > room ? decoded.subarray(0, room) : decoded;
  if (octets.length < decoded.length || limited.length < body.length) walking.isTruncated = true;
  walking.octets += octets.length;
  const disposition = unfolded(header, 'content-disposition');
  const name = parameter(disposition, 'filename') ?? parameter(given, 'name');
  const charset = parameter(given, 'charset');
  walking.leaves.push({
    type,
    isAttachment: /^\s*attachment/i.test(disposition) || (name !== undefined && !type.startsWith('text/')),
    octets,
    ...(name !== undefined && { name }),
    ...(charset !== undefined && { charset }),
    ...(alternative !== undefined && { alternative }),
  });
}

function isEncoded(encoding: string): boolean {
  return encoding === 'base64' || encoding === 'quoted-printable';
}

function decode(octets: Uint8Array, encoding: string): Uint8Array {
  if (encoding === 'base64') return decodeBase64(octets);
  return encoding === 'quoted-printable' ? decodeQuotedPrintable(octets) : octets;
}

function afterEmptyLine(octets: Uint8Array, end: number): number {
  if (end >= octets.length) return octets.length;
  return octets[end] === 13 ? end + 2 : end + 1;
}

function unfolded(header: Fields, name: string): string {
  const field = header.get(name);
  return field === undefined ? '' : unfold(field).slice(0, maxField);
}

function mediaType(value: string): string | undefined {
  return /^\s*([\w!#$&^.+-]+\/[\w!#$&^.+-]+)/.exec(value)?.[1]?.toLowerCase();
}

/** A parameter of a structured field: quoted, bare, or in pieces and percent-encoded (RFC 2231). */
export function parameter(value: string, name: string): string | undefined {
  const found = new RegExp(`;\\s*${name}(\\*?)\\s*=\\s*(?:"((?:[^"\\\\]|\\\\.)*)"|([^\\s;]*))`, 'i').exec(
    value,
  );
  if (found !== null) {
    const text = found[2]?.replace(/\\(.)/g, '$1') ?? found[3] ?? '';
    return found[1] === '*' ? percentDecoded(text) : text;
  }
  const pieces: string[] = [];
  for (let number = 0; number < 20; number++) {
    const piece = new RegExp(`;\\s*${name}\\*${number}(\\*?)\\s*=\\s*(?:"([^"]*)"|([^\\s;]*))`, 'i').exec(
      value,
    );
    if (piece === null) break;
    const text = piece[2] ?? piece[3] ?? '';
    pieces.push(piece[1] === '*' ? percentDecoded(text, number > 0) : text);
  }
  return pieces.length === 0 ? undefined : pieces.join('');
}

function percentDecoded(text: string, isFollowing = false): string {
  const content = isFollowing ? text : text.replace(/^[^']*'[^']*'/, '');
  try {
    return decodeURIComponent(content);
  } catch {
    return content;
  }
}
