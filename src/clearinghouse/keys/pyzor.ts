import { createHash } from 'node:crypto';
import type { Leaf } from '../content/content.ts';
import { outsideTags, withoutSpans } from '../content/spans.ts';
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
  if (lines.length <= fewLines) for (const line of lines) hash.update(normalLine(line));
  else
    for (const [percent, count] of chosen) {
      const from = Math.trunc((percent * lines.length) / 100);
      for (const line of lines.slice(from, from + count)) hash.update(normalLine(line));
    }
  return hash.digest('hex');
}

/** The lines that count, as they are written. */
function linesOf({ type, octets, charset }: Leaf): string[] {
  if (!type.startsWith('text/')) return [];
  const decoded = decodeText(octets, charset);
  const text = type === 'text/html' ? textNodes(decoded) : decoded;
  return text.split(lineEnd).filter(isLong);
}

const lineEnd = /[\n\r\v\f\u0085\u2028\u2029]/;
const notBlank = /[^\s\u0085]+/gu;
const longWord = /\S{10,}/u;
const address = /\S+@\S+/gu;
const link = /[a-zA-Z]+:\S+/gu;

/** Whether eight characters or more are left of a line; most often two words tell. */
function isLong(line: string): boolean {
  notBlank.lastIndex = 0;
  let length = 0;
  for (let word = notBlank.exec(line); word !== null; word = notBlank.exec(line)) {
    length += normalWord(word[0]).length;
    if (length >= leastLength) return true;
  }
  return false;
}

/** A line word by word: none of ten characters or more, no addresses, no links, no blanks. */
function normalLine(line: string): string {
  return (line.match(notBlank) ?? []).map(normalWord).join('');
}

function normalWord(word: string): string {
  if (word.length >= longest && longWord.test(word)) return '';
  if (!word.includes('@') && !word.includes(':')) return word;
  return word.replace(address, '').replace(link, '');
}

/** The text nodes of a page, other than scripts and styles, with one blank between them. */
function textNodes(html: string): string {
  return outsideTags(withoutScripts(withoutSpans(html, '<!--', '-->')))
    .map((text) => decodeEntities(text).trim())
    .filter((text) => text !== '')
    .join(' ');
}

/** Without scripts and styles, as far as they have an end. */
function withoutScripts(html: string): string {
  const opening = /<(script|style)\b/gi;
  const closing = { script: /<\/script\s*>/gi, style: /<\/style\s*>/gi } as const;
  const endless = new Set<string>();
  let kept = '';
  let from = 0;
  for (let found = opening.exec(html); found !== null; found = opening.exec(html)) {
    const tag = found[1]?.toLowerCase() === 'script' ? 'script' : 'style';
    if (endless.has(tag)) continue;
    closing[tag].lastIndex = opening.lastIndex;
    if (closing[tag].exec(html) === null) {
      endless.add(tag);
      continue;
    }
    kept += html.slice(from, found.index);
    from = closing[tag].lastIndex;
    opening.lastIndex = from;
  }
  return kept + html.slice(from);
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
