/** Splits and prepares a message as razor-agents does. */
import { longestBoundary } from '../content/mime.ts';
import { trimmedEnd, withoutSpans } from '../content/spans.ts';
import { decodeBase64, decodeQuotedPrintable } from '../content/transfer.ts';

const maxBody = 60 * 1024;
const maxParts = 200;
const maxDepth = 20;

/** A part of a message as razor-agents cuts it for its engines. One character per octet. */
export interface RazorPart {
  /** Without HTML. */
  readonly text: string;
  /** With HTML, for the links. */
  readonly page: string;
}

/** Splits and prepares a message as razor-agents 2.85 does, as far as is known; never throws. */
export function razorParts(octets: Uint8Array): readonly RazorPart[] {
  const whole = Buffer.from(octets.buffer, octets.byteOffset, octets.byteLength).toString('latin1');
  const text = whole.includes('\r')
    ? whole.replace(/\r+\n?/g, (end) => (end.endsWith('\n') ? '\n' : end))
    : whole;
  const found: string[] = [];
  split(text, found, 0);
  return found.slice(0, maxParts).flatMap((part) => {
    const [header, body] = headerAndBody(part);
    const decoded = decode(header, body.slice(0, maxBody));
    const page = trimmedEnd(decoded, '\n');
    const plain = withoutTags(page);
    if (!/\S/.test(plain)) return [];
    return [{ text: trimmedEnd(plain, '\n'), page }];
  });
}

function headerAndBody(text: string): readonly [string, string] {
  const end = /\n\r*\n/.exec(text);
  if (end === null) return [text, ''];
  return [text.slice(0, end.index).replace(/\n\s+/g, ''), text.slice(end.index + end[0].length)];
}

function split(part: string, found: string[], depth: number): void {
  const [header, body] = headerAndBody(part);
  const given = boundaryIn(header)?.replace(/^"|"$/g, '').replace(/;$/, '');
  const isUsable = given !== undefined && given !== '' && given.length <= longestBoundary;
  if (!isUsable || depth > maxDepth || found.length > maxParts) {
    found.push(part);
    return;
  }
  const end = body.indexOf(`\n--${given}--`);
  const inner = `\n${end < 0 ? body : body.slice(0, end)}`;
  const pieces = partsOf(inner, `\n--${given}`);
  for (const piece of pieces.slice(1, maxParts)) {
    if (!/\S/.test(piece)) continue;
    split(
      /^Content-Type:/im.test(headerAndBody(piece)[0]) ? piece : `X-Part: 1\n\n${piece}`,
      found,
      depth + 1,
    );
  }
}

/** The parts between delimiters that are a whole line; a line that only begins with one is text. */
function partsOf(text: string, delimiter: string): string[] {
  const parts: string[] = [];
  let from = 0;
  for (let at = text.indexOf(delimiter); at >= 0 && parts.length <= maxParts; ) {
    let end = at + delimiter.length;
    while (text[end] === '\r') end++;
    if (text[end] === '\n') {
      parts.push(text.slice(from, at));
      from = end + 1;
      end = from;
    }
    at = text.indexOf(delimiter, end);
  }
  return [...parts, text.slice(from)];
}

/** The value after the last `boundary=` on the line of a field that says `multipart`. */
function boundaryIn(header: string): string | undefined {
  const lower = header.toLowerCase();
  const field = 'content-type: multipart';
  const parameter = 'boundary=';
  for (let from = lower.indexOf(field); from >= 0; ) {
    const lineEnd = lower.indexOf('\n', from);
    const end = lineEnd < 0 ? lower.length : lineEnd;
    const at = lower.lastIndexOf(parameter, end - parameter.length);
    const given =
      at > from + field.length
        ? /^(?:"[^"]+"|\S+)/.exec(header.slice(at + parameter.length))?.[0]
        : undefined;
    if (given !== undefined) return given;
    from = lower.indexOf(field, end);
  }
  return undefined;
}

function decode(header: string, body: string): string {
  if (/^Content-Transfer-Encoding:\s*base64/im.test(header))
    return Buffer.from(decodeBase64(Buffer.from(body.split('=')[0] ?? '', 'latin1'))).toString('latin1');
  if (/^Content-Transfer-Encoding:\s*quoted-printable/im.test(header))
    return Buffer.from(decodeQuotedPrintable(Buffer.from(body, 'latin1'))).toString('latin1');
  return body;
}

const knownTag =
  /<(?:html|body|a|font|table|tr|td|th|p|br|hr|div|span|img|b|i|u|strong|em|center|h[1-6]|ul|ol|li|form|input|meta|head|title|script|style|blockquote|pre|big|small|tt|map|area|frame|frameset|iframe|object|embed|link|base|sub|sup|s|strike)\b/i;

const entities: Readonly<Record<string, string>> = {
  nbsp: ' ',
  lt: '<',
  gt: '>',
  amp: '&',
  quot: '"',
  copy: '\xa9',
  reg: '\xae',
  middot: '\xb7',
};

/** Drops tags and comments and reads a few entities, where there is HTML at all. */
function withoutTags(text: string): string {
  if (!knownTag.test(text)) return text;
  return withoutMarkup(withoutSpans(text, '<!--', '-->')).replace(
    /&([a-zA-Z]{2,6});?/g,
    (whole, name: string) => (Object.hasOwn(entities, name) && entities[name]) || whole,
  );
}

/** Tags end at `>`, before the next `<`, or before a quotation mark that has no second one. */
function withoutMarkup(text: string): string {
  const last = { '"': text.lastIndexOf('"'), "'": text.lastIndexOf("'") } as const;
  let kept = '';
  let from = 0;
  for (let at = text.indexOf('<'); at >= 0; at = text.indexOf('<', from)) {
    kept += text.slice(from, at);
    from = at + 1;
    for (let sign = text[from]; sign !== undefined && sign !== '<' && sign !== '>'; sign = text[from]) {
      if ((sign === '"' || sign === "'") && from === last[sign]) break;
      from = sign === '"' || sign === "'" ? text.indexOf(sign, from + 1) + 1 : from + 1;
    }
    if (text[from] === '>') from++;
  }
  return kept + text.slice(from);
}
