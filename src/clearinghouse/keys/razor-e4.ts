/** Razor's engine 4: the "ephemeral" signature. */
import { drand48, hexBase64, sha1 } from './razor-text.ts';

const separator = '\n';
const minOctets = 128;

/** The numbers drawn from the seed of all reporters: places in percent. `ep4` is `7542-10`. */
const draws = (() => {
  const next = drand48(7542);
  const lines = Array.from({ length: 6 }, (_, at) => next() * (100 / 6) + at * (100 / 6));
  const first = Array.from({ length: 2 }, (_, at) => next() * 50 + at * 50);
  const second = Array.from({ length: 2 }, (_, at) => next() * 50 + at * 50);
  return { lines, first, second };
})();

/**
 * Razor's engine 4, the "ephemeral" signature: a hash over two slices of the text, whose places depend on a seed. A
 * short text is hashed as a whole. `text` has one character per octet.
 */
export function razor4(text: string): string {
  const lines = text.split(separator);
  while (lines.at(-1) === '') lines.pop();
  const at = (index: number) => Math.trunc(((draws.lines[index] ?? 0) * lines.length) / 100);
  const first = slice(lines, { from: at(1), to: at(2), places: draws.first });
  const second = slice(lines, { from: at(3), to: at(4), places: draws.second });
  const chosen = first + second;
  const isLong = chosen.length > minOctets;
  const hashed = isLong ? (isBlank(first) && isBlank(second) ? '' : chosen) : text;
  return hexBase64(sha1(hashed));
}

function isBlank(text: string): boolean {
  return !/\S/.test(text);
}

/** Lines that Perl calls false have no length. */
function lengthOf(line: string | undefined): number {
  return line === undefined || line === '' || line === '0' ? 0 : line.length;
}

/** The text between two places of a range of lines, in percent of their length, without line ends. */
function slice(
  lines: readonly string[],
  { from, to, places }: { readonly from: number; readonly to: number; readonly places: readonly number[] },
): string {
  let total = 0;
  for (let at = from; at <= to; at++) total += lengthOf(lines[at]);
  const [begin = 0, end = 0] = places.map((place) => Math.trunc((place * total) / 100));
  let [sum, beginAt, beginLine, endAt, endLine] = [0, 0, 0, 0, 0];
  for (let at = from; at <= to; at++) {
    const length = lengthOf(lines[at]);
    if (length === 0) continue;
    sum += length;
    if (sum > begin && beginAt === 0) [beginAt, beginLine] = [length - (sum - begin), at];
    if (sum > end) [endAt, endLine] = [length - (sum - end), at];
    if (endAt !== 0) break;
  }
  if (beginLine === endLine) return substring(lines[beginLine] ?? '', beginAt, endAt - beginAt + 1);
  const middle = lines.slice(beginLine + 1, endLine).join('');
  return `${(lines[beginLine] ?? '').slice(beginAt)}${middle}${(lines[endLine] ?? '').slice(0, endAt)}`;
}

/** A negative length leaves so many off at the end, as in Perl. */
function substring(text: string, from: number, length: number): string {
  return length < 0 ? text.slice(from, length) : text.slice(from, from + length);
}
