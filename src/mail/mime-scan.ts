/** Finds the header of a MIME entity and the parts of a multipart, each octet looked at once, in slices. */
import type { Slices } from '../base/index.ts';
import { type HeaderField, headerFields, isEmptyLine, unfold } from './header.ts';

const cr = 13;
const lf = 10;
const tab = 9;
const space = 32;
const hyphen = 45;

/** A longer value of a MIME field is not read: no program writes one. */
const maxFieldOctets = 16 * 1024;
/** RFC 2046 §5.1.1 allows 70 characters; some write more. */
const maxBoundary = 200;
/** Blanks behind a delimiter; a line that goes on for longer is none. */
const maxPadding = 998;

/** The facts of an entity in its header. */
export interface MimeHeader {
  /** The index of the empty line, and where the body begins. */
  readonly end: number;
  readonly bodyStart: number;
  /** Lower-case, without parameters. */
  readonly type: string;
  readonly boundary: string | undefined;
  /** Lower-case. */
  readonly encoding: string;
  readonly hasType: boolean;
  readonly isMime: boolean;
  /** Where the Content-Transfer-Encoding fields stand. */
  readonly encodingFields: readonly { readonly start: number; readonly end: number }[];
}

/** Reads the header of an entity. `undefined` when it has a field of MIME that is too long to be one. */
export async function scanHeader(
  entity: Buffer,
  defaultType: string,
  slices: Slices,
): Promise<MimeHeader | undefined> {
  const fields: HeaderField[] = [];
  let fieldStart = 0;
  let at = 0;
  for (let isEnd = false; !isEnd; ) {
    const from = at;
    const stop = Math.min(entity.length, from + slices.octets);
    while (!isEnd) {
      const isLineStart = at === 0 || entity[at - 1] === lf;
      isEnd = at >= entity.length || (isLineStart && isEmptyLine(entity, at));
      const isNext = isEnd || (isLineStart && entity[at] !== space && entity[at] !== tab);
      if (isNext && mayBeOfMime(entity[fieldStart])) {
        if (!readField(entity, { start: fieldStart, end: at }, fields)) return undefined;
      }
      if (isNext) fieldStart = at;
      if (at >= stop) break;
      if (!isEnd) at = skipLine(entity, at, stop);
    }
    const others = slices.spend(at - from);
    if (others !== undefined) await others;
  }
  const emptyLine = entity[at] === cr ? 2 : 1;
  return { ...readFields(fields, defaultType), end: at, bodyStart: Math.min(at + emptyLine, entity.length) };
}

/** The index after the LF that ends the line, or `stop` when that comes before. */
function skipLine(octets: Buffer, from: number, stop: number): number {
  for (let at = from; at < stop; at++) if (octets[at] === lf) return at + 1;
  return stop;
}

const mimeNames = new Set(['content-type', 'content-transfer-encoding', 'mime-version']);

/** Their names begin with C or M; of most fields no more is looked at. */
function mayBeOfMime(first: number | undefined): boolean {
  const letter = (first ?? 0) | 0x20;
  return letter === 0x63 || letter === 0x6d;
}

/** Takes up the field if it is one of MIME; false when it is too long. */
function readField(
  entity: Buffer,
  { start, end }: { readonly start: number; readonly end: number },
  fields: HeaderField[],
): boolean {
  const written = entity.subarray(start, Math.min(end, start + maxFieldOctets));
  for (const field of headerFields(written, (name) => mimeNames.has(name.toLowerCase()))) {
    if (end - start > maxFieldOctets) return false;
    fields.push({ ...field, start, end });
  }
  return true;
}

function readFields(
  fields: readonly HeaderField[],
  defaultType: string,
): Omit<MimeHeader, 'end' | 'bodyStart'> {
  let contentType: string | undefined;
  let encoding = '7bit';
  let isMime = false;
  const encodingFields: HeaderField[] = [];
  for (const field of fields) {
    const name = field.name.toLowerCase();
    if (name === 'content-type') contentType ??= unfold(field.value);
    else if (name === 'mime-version') isMime = true;
    else {
      encoding = withoutComments(unfold(field.value)).toLowerCase();
      encodingFields.push(field);
    }
  }
  const type = withoutComments(contentType?.split(';', 1)[0] ?? '').toLowerCase();
  return {
    type: /^[^\s/]+\/[^\s/]+$/.test(type) ? type : defaultType,
    boundary: boundaryOf(contentType ?? ''),
    encoding,
    hasType: contentType !== undefined,
    isMime,
    encodingFields,
  };
}

function boundaryOf(contentType: string): string | undefined {
  const match = /;\s*boundary\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;"]+))/i.exec(contentType);
  const boundary = match?.[1]?.replace(/\\(.)/g, '$1') ?? match?.[2];
  return boundary === '' || (boundary?.length ?? 0) > maxBoundary ? undefined : boundary;
}

function withoutComments(value: string): string {
  return value.replace(/\([^()]*\)/g, '').trim();
}

/** A stretch of the body of a multipart. `between`: preamble, epilogue, delimiter lines with the line end before. */
export interface Piece {
  readonly kind: 'part' | 'between';
  readonly octets: Buffer;
}

/** Cuts at the delimiter lines (RFC 2046 §5.1.1). Joined again the pieces are the body. */
export async function* splitMultipart(body: Buffer, boundary: string, slices: Slices): AsyncGenerator<Piece> {
  const delimiter = Buffer.from(`--${boundary}`, 'latin1');
  let from = 0;
  let isInside = false;
  while (from < body.length) {
    const found = await nextDelimiter(body, delimiter, from, slices);
    if (found === undefined) break;
    const partEnd = Math.max(from, found.start - 2);
    yield { kind: isInside ? 'part' : 'between', octets: body.subarray(from, partEnd) };
    yield { kind: 'between', octets: body.subarray(partEnd, found.end) };
    from = found.end;
    isInside = !found.isClose;
    if (found.isClose) break;
  }
  if (from < body.length) yield { kind: isInside ? 'part' : 'between', octets: body.subarray(from) };
}

/** A delimiter line: where it begins, where the line after it does, and whether it closes the multipart. */
interface Delimiter {
  readonly start: number;
  readonly end: number;
  readonly isClose: boolean;
}

/** The next delimiter line that begins at or after `from`, which is where a line begins. Looks at each line once. */
async function nextDelimiter(
  body: Buffer,
  delimiter: Buffer,
  from: number,
  slices: Slices,
): Promise<Delimiter | undefined> {
  let found: Delimiter | undefined;
  let at = from;
  while (at < body.length && found === undefined) {
    const begun = at;
    const stop = Math.min(body.length, begun + slices.octets);
    while (at < stop) {
      // Only CRLF ends a line.
      const isLineStart = at === from || (body[at - 1] === lf && body[at - 2] === cr);
      found = isLineStart ? delimiterAt(body, delimiter, at) : undefined;
      if (found !== undefined) break;
      at = skipLine(body, at, stop);
    }
    const others = slices.spend((found?.end ?? at) - begun);
    if (others !== undefined) await others;
  }
  return found;
}

function delimiterAt(body: Buffer, delimiter: Buffer, start: number): Delimiter | undefined {
  let at = start;
  for (let i = 0; i < delimiter.length; i++, at++) if (body[at] !== delimiter[i]) return undefined;
  const isClose = body[at] === hyphen && body[at + 1] === hyphen;
  if (isClose) at += 2;
  for (const stop = at + maxPadding; at < stop && (body[at] === space || body[at] === tab); at++);
  if (at >= body.length) return { start, end: body.length, isClose };
  return body[at] === cr && body[at + 1] === lf ? { start, end: at + 2, isClose } : undefined;
}
