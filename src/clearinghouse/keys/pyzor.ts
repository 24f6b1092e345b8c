/** Pyzor's digest of a message. */
import { hash } from 'node:crypto';
import type { Leaf } from '../content/content.ts';
import { outsideTags, withoutSpans } from '../content/spans.ts';
import { decodeText } from '../content/transfer.ts';

/** The digest of every empty message: it identifies nothing. */
export const emptyPyzor = hash('sha1', '');

const minLength = 8;
/** The length from which words are left out, in characters. */
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
  const counted = lines.length <= fewLines ? lines : chosen.flatMap((range) => part(lines, range));
  // A surrogate at the end of a line is not joined with the next line.
  return hash('sha1', counted.map((line) => normalLine(line).toWellFormed()).join(''));
}

function part(lines: readonly string[], [percent, count]: (typeof chosen)[number]): readonly string[] {
  const from = Math.trunc((percent * lines.length) / 100);
  return lines.slice(from, from + count);
}

/** The lines that count, as they are written. */
function linesOf({ type, octets, charset }: Leaf): string[] {
  if (!type.startsWith('text/')) return [];
  const decoded = decodeText(octets, charset);
  const text = type === 'text/html' ? textNodes(decoded) : decoded;
  return text.split(lineEnd).filter(isLong);
}

const lineEnd = /[\n\r\v\f\u0085\u2028\u2029]/;
const longWord = /\S{10,}/u;
const address = /\S+@\S+/gu;
const link = /[a-zA-Z]+:\S+/gu;

/** Whether eight characters or more remain of a line; two words usually decide. */
function isLong(line: string): boolean {
  return normalLine(line, minLength).length >= minLength;
}

/**
 * A line without words of ten characters or more, addresses, links and blanks, read word by word until it has `enough`
 * characters.
 */
function normalLine(line: string, enough = Number.POSITIVE_INFINITY): string {
  let kept = '';
  for (let at = skip(line, 0, true); at < line.length && kept.length < enough; at = skip(line, at, true)) {
    const end = skip(line, at, false);
    kept += normalWord(line.slice(at, end));
    at = end;
  }
  return kept;
}

/** The place from which on there are no more blanks, or none but them. */
function skip(line: string, from: number, skipsBlanks: boolean): number {
  let at = from;
  while (at < line.length && isBlank(line, at) === skipsBlanks) at++;
  return at;
}

/** The blanks of Python, all in the plane of the first 65,536 characters. */
const otherBlank = /[\s\u0085]/;

function isBlank(text: string, at: number): boolean {
  const code = text.charCodeAt(at);
  if (code < 0x80) return code === 32 || (code >= 9 && code <= 13);
  return otherBlank.test(text.charAt(at));
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
  if (!text.includes('&')) return text;
  return text.replace(
    /&(?:#(\d{1,7})|#x([0-9a-f]{1,6})|([a-z]{2,8}));?/gi,
    (whole, decimal?: string, hex?: string, name?: string) => {
      if (name !== undefined) return (Object.hasOwn(named, name) && named[name]) || whole;
      const code = decimal === undefined ? Number.parseInt(hex ?? '', 16) : Number(decimal);
      return code > 0 && code <= 0x10ffff ? String.fromCodePoint(code) : whole;
    },
  );
}
