/** The header of a message, parsed once, on demand. */
import { fieldValue, type HeaderLine, headerLine, isNamed, unfold } from '../mail/index.ts';

/** The octets of a header, without the empty line, and the lines in them. */
export class Header {
  readonly octets: Buffer;
  /** The number of lines that only we may write. */
  readonly own: number;
  /** Why this is only its beginning: it is longer than may be kept, or at the moment there was no room for more. */
  readonly cut: 'too-long' | 'no-room' | undefined;
  #lines: readonly HeaderLine[] | undefined;

  constructor(octets: Buffer, facts: Partial<Pick<Header, 'own' | 'cut'>> = {}) {
    this.octets = octets;
    this.own = facts.own ?? 0;
    this.cut = facts.cut;
  }

  /** Fields and all other lines, in order: joined they are the header. */
  get lines(): readonly HeaderLine[] {
    this.#lines ??= linesOf(this.octets);
    return this.#lines;
  }

  /** The fields with this name, given in lower case, the topmost first. */
  named(name: string): { readonly value: string }[] {
    const lines = this.lines.filter((line) => isNamed(this.octets, line, name));
    return lines.map((line) => ({ value: fieldValue(this.octets, line) }));
  }

  /** The unfolded, trimmed value of the topmost field with this name, given in lower case. */
  first(name: string): string | undefined {
    // Every message is asked for its Message-ID, most for nothing else: that is no reason to list its lines.
    for (let line = headerLine(this.octets, 0); line !== undefined; line = headerLine(this.octets, line.end))
      if (isNamed(this.octets, line, name)) return unfold(fieldValue(this.octets, line));
    return undefined;
  }
}

function linesOf(octets: Buffer): HeaderLine[] {
  const lines: HeaderLine[] = [];
  for (let line = headerLine(octets, 0); line !== undefined; line = headerLine(octets, line.end))
    lines.push(line);
  return lines;
}
