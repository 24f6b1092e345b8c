/** Finds the lines and fields of a header section in octets. */

/** One field of a header section, as it stands in the octets. */
export interface HeaderField {
  /** The name as written. */
  readonly name: string;
  /** Everything after the colon, still folded, without the last line end; one character per octet. */
  readonly value: string;
  /** Where the field begins, and where the line after it begins. */
  readonly start: number;
  readonly end: number;
}

const cr = 13;
const lf = 10;
const colon = 58;

/**
 * Where the header section ends: the index of the empty line, or the length when there is none. The body
 * begins after that line. Lines end at LF; a CR before it belongs to the line end.
 */
export function headerEnd(octets: Uint8Array): number {
  let at = 0;
  while (at < octets.length) {
    if (isEmptyLine(octets, at)) return at;
    const next = octets.indexOf(lf, at);
    if (next < 0) return octets.length;
    at = next + 1;
  }
  return octets.length;
}

/** One line of a header section with the lines that continue it. */
export interface HeaderLine {
  readonly start: number;
  /** Behind the name; `start` when the line is no field: no colon, no name, a continuation of nothing. */
  readonly nameEnd: number;
  /** Where the line after it begins. */
  readonly end: number;
}

/** The line that begins at `start`; `undefined` at the empty line and at the end. */
export function headerLine(octets: Buffer, start: number): HeaderLine | undefined {
  if (start >= octets.length || isEmptyLine(octets, start)) return undefined;
  const end = fieldEnd(octets, start);
  return { start, nameEnd: endOfName(octets, start, end), end };
}

/** Whether the line is a field with this name, which is in lower case. */
export function isNamed(octets: Buffer, { start, nameEnd }: HeaderLine, name: string): boolean {
  if (nameEnd - start !== name.length) return false;
  for (let at = 0; at < name.length; at++) {
    const octet = octets[start + at] ?? 0;
    if ((octet >= 65 && octet <= 90 ? octet | 0x20 : octet) !== name.charCodeAt(at)) return false;
  }
  return name !== '';
}

/** The value of a field: everything after the colon, still folded, without the last line end. */
export function fieldValue(octets: Buffer, { start, nameEnd, end }: HeaderLine): string {
  const valueStart = octets.indexOf(colon, nameEnd) + 1;
  return octets.toString('latin1', valueStart, Math.max(valueStart, withoutLineEnd(octets, start, end)));
}

/**
 * The fields of a header section in order. Reads up to the empty line or the end, in time linear to what it
 * reads. Lines that are no field are passed over; `isWanted` leaves out others before their values are read.
 */
export function* headerFields(
  source: Uint8Array,
  isWanted: (name: string) => boolean = () => true,
): Generator<HeaderField> {
  const octets = Buffer.isBuffer(source)
    ? source
    : Buffer.from(source.buffer, source.byteOffset, source.byteLength);
  for (let line = headerLine(octets, 0); line !== undefined; line = headerLine(octets, line.end)) {
    const { start, nameEnd, end } = line;
    if (nameEnd === start) continue;
    const name = octets.toString('latin1', start, nameEnd);
    if (isWanted(name)) yield { name, value: fieldValue(octets, line), start, end };
  }
}

/** The unfolded value of the first field of that name (in any case of letters), trimmed. */
export function findField(octets: Uint8Array, name: string): string | undefined {
  const wanted = name.toLowerCase();
  const isWanted = (found: string) => found.length === wanted.length && found.toLowerCase() === wanted;
  for (const { value } of headerFields(octets, isWanted)) return unfold(value);
  return undefined;
}

/** Takes the line ends out of a folded value and trims it (RFC 5322 §2.2.3). */
export function unfold(value: string): string {
  return value.replace(/\r?\n(?=[ \t])/g, '').trim();
}

/** Whether the line that begins there is the end of a header. */
export function isEmptyLine(octets: Uint8Array, at: number): boolean {
  return octets[at] === lf || (octets[at] === cr && octets[at + 1] === lf);
}

/** The index after the field that begins at `start`, with its continuation lines. */
function fieldEnd(octets: Uint8Array, start: number): number {
  let at = start;
  for (;;) {
    const next = octets.indexOf(lf, at);
    if (next < 0) return octets.length;
    at = next + 1;
    if (octets[at] !== 32 && octets[at] !== 9) return at;
  }
}

/** The index after a field name (RFC 5322 §3.6.8), or `start` when the line has none. */
function endOfName(octets: Uint8Array, start: number, end: number): number {
  let at = start;
  while (at < end && isNameOctet(octets[at])) at++;
  let after = at;
  // Blanks before the colon are the obsolete form (RFC 5322 §4.5.8).
  while (octets[after] === 32 || octets[after] === 9) after++;
  return after < end && octets[after] === colon ? at : start;
}

function isNameOctet(octet: number | undefined): boolean {
  return octet !== undefined && octet > 32 && octet < 127 && octet !== colon;
}

function withoutLineEnd(octets: Uint8Array, start: number, end: number): number {
  if (octets[end - 1] !== lf) return end;
  return end - 2 >= start && octets[end - 2] === cr ? end - 2 : end - 1;
}
