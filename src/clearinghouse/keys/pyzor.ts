import { createHash } from 'node:crypto';
import type { Leaf } from '../content/content.ts';
import { decodeText } from '../content/transfer.ts';

/** What everybody's empty message comes to: it says nothing. */
export const emptyPyzor = createHash('sha1').update('').digest('hex');

const leastLength = 8;
/** Characters from which on a word is left out. */
const longest = 10;
const fewLines = 4;
/** Of more lines: from so many percent on, so many of them. */
const chosen = [
  [20, 3],
  [60, 3],
] as const;

/** Pyzor's digest: SHA-1 over some lines of the text, without addresses, links, long words and blanks. */
export function pyzorDigest(leaves: readonly Leaf[]): string {
  const lines = leaves.flatMap((leaf) => linesOf(leaf));
  const hash = createHash('sha1');
  if (lines.length <= fewLines) for (const line of lines) hash.update(line);
  else
    for (const [percent, count] of chosen) {
      const from = Math.trunc((percent * lines.length) / 100);
      for (const line of lines.slice(from, from + count)) hash.update(line);
    }
  return hash.digest('hex');
}

function linesOf({ type, octets, charset }: Leaf): string[] {
  if (!type.startsWith('text/')) return [];
  const decoded = decodeText(octets, charset);
  const text = type === 'text/html' ? textNodes(decoded) : decoded;
  const kept: string[] = [];
  for (const line of text.split(/\r\n|[\n\r\v\f\u0085\u2028\u2029]/)) {
    const normal = normalLine(line);
    if (normal.length >= leastLength) kept.push(normal);
  }
  return kept;
}

const longWord = /\S{10,}/u;
const address = /\S+@\S+/gu;
const link = /[a-zA-Z]+:\S+/gu;

/** Word by word: none of ten characters or more, no addresses, no links, no blanks. */
function normalLine(line: string): string {
  let normal = '';
  for (const word of line.split(/\s+/)) {
    if (word.length >= longest && longWord.test(word)) continue;
    if (!word.includes('@') && !word.includes(':')) normal += word;
    else normal += word.replace(address, '').replace(link, '');
  }
  return normal;
}

/** The text nodes of a page, other than scripts and styles, with one blank between them. */
function textNodes(html: string): string {
  return html
    .replace(/<!--[\s\S]*?-->/g, '')
    .replace(/<(script|style)\b[\s\S]*?<\/\1\s*>/gi, '')
    .split(/<[^>]*>/)
    .map((text) => decodeEntities(text).trim())
    .filter((text) => text !== '')
    .join(' ');
}

const named: Readonly<Record<string, string>> = {
  nbsp: '\xa0',
  amp: '&',
  lt: '<',
  gt: '>',
  quot: '"',
  apos: "'",
  copy: '\xa9',
  reg: '\xae',
};

function decodeEntities(text: string): string {
  return text.replace(
    /&(?:#(\d{1,7})|#x([0-9a-f]{1,6})|([a-z]{2,8}));?/gi,
    (whole, decimal?: string, hex?: string, name?: string) => {
      if (name !== undefined) return named[name] ?? whole;
      const code = decimal === undefined ? Number.parseInt(hex ?? '', 16) : Number(decimal);
      return code > 0 && code <= 0x10ffff ? String.fromCodePoint(code) : whole;
    },
  );
}
