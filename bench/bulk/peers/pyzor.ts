/** Pyzor's digest: SHA-1 of some lines of the text without what spammers vary, as its clients of 1.0 compute it. */
import { createHash } from 'node:crypto';
import { leaves, type Part, partText } from '../mime.ts';

const minLine = 8;
/** Offset in per cent and number of lines. */
const spec = [
  [20, 3],
  [60, 3],
] as const;

/** Text nodes of HTML, trimmed, one blank between them. */
function textNodes(html: string): string {
  return html
    .replace(/<!--[\s\S]*?(?:-->|$)/g, '')
    .replace(/<(script|style)\b[\s\S]*?(?:<\/\1\s*>|$)/gi, '')
    .split(/<[^>]*>/)
    .map((node) => node.trim())
    .filter((node) => node !== '')
    .join(' ');
}

function readable(part: Part): string {
  if (!part.type.startsWith('text/')) return part.raw;
  return part.type === 'text/html' ? textNodes(partText(part)) : partText(part);
}

/** The lines that count, normalised; empty for a message without any. */
export function digestLines(texts: readonly string[]): readonly string[] {
  const lines = texts
    .flatMap((text) => text.split(/\r\n|[\n\r\v\f\u2028\u2029]/))
    .map((line) =>
      line
        .replace(/\S{10,}/g, '')
        .replace(/\S+@\S+/g, '')
        .replace(/[a-z]+:\S+/gi, '')
        .replace(/\s+/g, ''),
    )
    .filter((line) => line.length >= minLine);
  if (lines.length <= 4) return lines;
  return spec.flatMap(([offset, count]) => {
    const start = Math.trunc((offset * lines.length) / 100);
    return lines.slice(start, start + count);
  });
}

export const linesDigest = (lines: readonly string[]): string =>
  createHash('sha1').update(lines.join('')).digest('hex');

/** Undefined where there is nothing to hash: all empty messages would be one. */
export function pyzorDigest(octets: Uint8Array): string | undefined {
  const lines = digestLines(leaves(octets).map(readable));
  return lines.length === 0 ? undefined : linesDigest(lines);
}
