import { decodeBase64, decodeQuotedPrintable } from '../content/transfer.ts';

const maxBody = 60 * 1024;
const maxParts = 200;
const maxDepth = 20;

/** The parts of a message as razor-agents cuts them: what each of its engines hashes. One character per octet. */
export interface RazorPart {
  /** Without HTML. */
  readonly text: string;
  /** With HTML, for the links. */
  readonly page: string;
}

/** Splits and prepares a message as razor-agents 2.85 does, as far as is known; never throws. */
export function razorParts(octets: Uint8Array): readonly RazorPart[] {
  const text = Buffer.from(octets.buffer, octets.byteOffset, octets.byteLength)
    .toString('latin1')
    .replace(/\r+\n/g, '\n');
  const found: string[] = [];
  split(text, found, 0);
  return found.slice(0, maxParts).flatMap((part) => {
    const [header, body] = headerAndBody(part);
    const decoded = decode(header, body.slice(0, maxBody));
    const page = decoded.replace(/\n+$/, '');
    const plain = withoutTags(page);
    if (!/\S/.test(plain)) return [];
    return [{ text: plain.replace(/\n+$/, ''), page }];
  });
}

function headerAndBody(text: string): readonly [string, string] {
  const end = /\n\r*\n/.exec(text);
  if (end === null) return [text, ''];
  return [text.slice(0, end.index).replace(/\n\s+/g, ''), text.slice(end.index + end[0].length)];
}

function split(part: string, found: string[], depth: number): void {
  const [header, body] = headerAndBody(part);
  const given = /Content-Type: multipart.+boundary=("[^"]+"|\S+)/i
    .exec(header)?.[1]
    ?.replace(/^"|"$/g, '')
    .replace(/;$/, '');
  if (given === undefined || given === '' || depth > maxDepth || found.length > maxParts) {
    found.push(part);
    return;
  }
  const end = body.indexOf(`\n--${given}--`);
  const inner = `\n${end < 0 ? body : body.slice(0, end)}`;
  const pieces = inner.split(new RegExp(`\\n--${given.replace(/[.*+?^${}()|[\\]\\\\]/g, '\\\\$&')}\\r*\\n`));
  for (const piece of pieces.slice(1, maxParts)) {
    if (!/\S/.test(piece)) continue;
    split(
      /^Content-Type:/im.test(headerAndBody(piece)[0]) ? piece : `X-Part: 1\n\n${piece}`,
      found,
      depth + 1,
    );
  }
}

function decode(header: string, body: string): string {
  const octets = Buffer.from(body, 'latin1');
  if (/^Content-Transfer-Encoding:\s*base64/im.test(header))
    return Buffer.from(decodeBase64(Buffer.from(body.split('=')[0] ?? '', 'latin1'))).toString('latin1');
  if (/^Content-Transfer-Encoding:\s*quoted-printable/im.test(header))
    return Buffer.from(decodeQuotedPrintable(octets)).toString('latin1');
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
  return text
    .replace(/<!--[\s\S]*?-->/g, '')
    .replace(/<(?:[^<>"']|"[^"]*"|'[^']*')*>?/g, '')
    .replace(/&([a-zA-Z]{2,6});?/g, (whole, name: string) => entities[name] ?? whole);
}
