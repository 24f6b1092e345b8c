/**
 * The signatures that razor-agents 2 send for a message: one e4 ("ephemeral") for each part and one e8 ("whiplash")
 * for each host in it. Written from the description of the protocol; MIME is read in our simpler way.
 */
import { createHash } from 'node:crypto';
import { leaves, type Part, withoutTags } from '../mime.ts';

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

/** Three hexadecimal digits, each with its lowest bit first, are two characters; missing bits are 0. */
export function hexBase64(hex: string): string {
  let encoded = '';
  for (let at = 0; at < hex.length; at += 3) {
    let bits = '';
    for (const digit of hex.slice(at, at + 3)) {
      bits += Array.from(Number.parseInt(digit, 16).toString(2).padStart(4, '0')).reverse().join('');
    }
    const padded = bits.padEnd(12, '0');
    encoded += alphabet.charAt(Number.parseInt(padded.slice(0, 6), 2));
    encoded += alphabet.charAt(Number.parseInt(padded.slice(6), 2));
  }
  return encoded;
}

/** POSIX drand48, from 0 to 1. */
export function drand48(seed: number): () => number {
  let state = (BigInt(seed) << 16n) + 0x330en;
  return () => {
    state = (0x5deece66dn * state + 0xbn) & 0xffff_ffff_ffffn;
    return Number(state) / 2 ** 48;
  };
}

const sha1 = (latin1: string): string => createHash('sha1').update(latin1, 'latin1').digest('hex');

const seed = 7542;
const separator = '\n';

/** Two slices of the text, at places which the seed tells; all of it where they are short. */
export function e4(text: string): string {
  const lines = text.split(separator);
  while (lines.at(-1) === '') lines.pop();
  const random = drand48(seed);
  const step = 100 / 6;
  const marks = Array.from({ length: 6 }, (_, i) =>
    Math.trunc(((random() * step + i * step) * lines.length) / 100),
  );
  const offsets = (): readonly number[] => [0, 1].map((k) => random() * 50 + k * 50);
  const [first, second] = [offsets(), offsets()];
  const slice = (from: number, to: number, share: readonly number[]): string => {
    const total = textLines(lines, from, to).reduce((sum, { line }) => sum + line.length, 0);
    return pick(lines, {
      from,
      to,
      start: Math.trunc(((share[0] ?? 0) * total) / 100),
      end: Math.trunc(((share[1] ?? 0) * total) / 100),
    });
  };
  const one = slice(marks[1] ?? 0, marks[2] ?? 0, first);
  const two = slice(marks[3] ?? 0, marks[4] ?? 0, second);
  const isBlank = one.trim() === '' && two.trim() === '';
  const slices = isBlank ? '' : one + two;
  return hexBase64(sha1(one.length + two.length > 128 ? slices : text));
}

/** The lines from one to another, inclusive, without those that Perl takes for false. */
function textLines(
  lines: readonly string[],
  from: number,
  to: number,
): readonly { readonly line: string; readonly at: number }[] {
  return lines
    .slice(from, to + 1)
    .map((line, i) => ({ line, at: from + i }))
    .filter(({ line }) => line !== '' && line !== '0');
}

interface Slice {
  readonly from: number;
  readonly to: number;
  readonly start: number;
  readonly end: number;
}

function pick(lines: readonly string[], { from, to, start, end }: Slice): string {
  let [seen, startAt, startLine, endAt, endLine] = [0, 0, 0, 0, 0];
  for (const { line, at } of textLines(lines, from, to)) {
    seen += line.length;
    if (seen > start && startAt === 0) [startAt, startLine] = [line.length - (seen - start), at];
    if (seen > end) [endAt, endLine] = [line.length - (seen - end), at];
    if (endAt !== 0) break;
  }
  const opening = lines[startLine] ?? '';
  if (startLine === endLine) {
    const length = endAt - startAt + 1;
    // Perl: a negative length leaves that many off the end.
    return length >= 0 ? opening.slice(startAt, startAt + length) : opening.slice(startAt, length);
  }
  const between = lines.slice(startLine + 1, endLine).join('');
  return opening.slice(startAt) + between + (lines[endLine] ?? '').slice(0, endAt + 1);
}

const secondLevel = /\.(?:co|com|net|org|gov|edu|ac|ne|or)\.[a-z]{2}$/;

/** The registered domain, by a short rule for the old list of suffixes; a literal address as it is. */
export function canonicalHost(host: string): string {
  if (/^[\d.]+$/.test(host)) return host;
  const labels = host.split('.');
  return labels.slice(secondLevel.test(host) ? -3 : -2).join('.');
}

/** The host's hash and that of the length, cut to hundreds. */
export function e8(host: string, length: number): string {
  return hexBase64(sha1(host).slice(0, 12) + sha1(String(length - (length % 100))).slice(0, 4));
}

/** Of the first URL, and of all on the last line: the agents look no further. */
export function hostsOf(text: string): readonly string[] {
  const decoded = text
    .replace(/%([0-9A-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
    .replace(/&#(\d{2,3});/g, (_, code: string) => String.fromCharCode(Number(code)));
  const first = /href\s*=\s*"?https?:\/?\/?([^>"/?<]*)|https?:\/\/?([^>"/?<\r\n]*)/i.exec(decoded);
  if (first === null) return [];
  const rest = decoded.slice(first.index + first[0].length);
  const lastLine = rest.slice(rest.trimEnd().lastIndexOf('\n') + 1);
  const later = Array.from(lastLine.matchAll(/http:\/\/([^>"/?<\r\n]*)/g), (found) => found[1] ?? '');
  const clean = (host: string): string =>
    host
      .replace(/^\S*@/, '')
      .replace(/^\S*=/, '')
      .replace(/\s[\s\S]*$/, '')
      .toLowerCase()
      .replaceAll('=', '')
      .replace(/:\d*$/, '')
      .replace(/\.$/, '');
  const auto = Array.from(decoded.matchAll(/\s(www\.[^ /><"\r\n]+)/g), (found) => found[1] ?? '');
  const hosts = [first[1] ?? first[2] ?? '', ...later].map((host) => canonicalHost(clean(host)));
  return [...new Set([...hosts, ...auto])].filter((host) => host.length > 1 && host.includes('.'));
}

const htmlTag = /<(?:html|body|font|table|p|br|b|a|i|img|div|span|center|tr|td|h[1-6])\b/i;

function partTextOf(part: Part): string {
  return part.decoded
    .toString('latin1')
    .slice(0, 60 * 1024)
    .replace(/\n+$/, '');
}

/** Signatures of all parts; those of the two engines never equal each other. */
export function razorKeys(octets: Uint8Array): {
  readonly e4: readonly string[];
  readonly e8: readonly string[];
} {
  const texts = leaves(octets)
    .map(partTextOf)
    .filter((text) => text.trim() !== '');
  return {
    // Of a part without text, such as a picture in HTML, the signature is the same for everybody: it is no match.
    e4: texts
      .map((text) => (htmlTag.test(text) ? withoutTags(text) : text))
      .filter((text) => text.trim() !== '')
      .map(e4),
    e8: texts.flatMap((text) => hostsOf(text).map((host) => e8(host, text.length))),
  };
}
