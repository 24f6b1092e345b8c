/** The header of a message, parsed once, when somebody asks. */
import { fieldValue, type HeaderLine, headerLines, unfold } from '../mail/index.ts';
import { ownPrefix } from './edit.ts';

/** A field, with its name in lower case. */
export interface Field {
  readonly name: string;
  /** Everything after the colon, still folded, without the last line end; one character per octet. */
  readonly value: string;
}

/** The octets of a header, without the empty line, and the lines in them. */
export class Header {
  readonly octets: Buffer;
  /** How many lines say what only we may say. */
  readonly own: number;
  /** Why this is only its beginning: it is longer than may be kept, or at the moment there was no room for more. */
  readonly cut: 'too-long' | 'no-room' | undefined;
  #lines: readonly HeaderLine[] | undefined;

  constructor(octets: Buffer, facts: Partial<Pick<Header, 'own' | 'cut'>> = {}) {
    this.octets = octets;
    this.own = facts.own ?? 0;
    this.cut = facts.cut;
  }

  /** Fields and whatever else stands there, in order; names as they are written. */
  get lines(): readonly HeaderLine[] {
    this.#lines ??= [...headerLines(this.octets)];
    return this.#lines;
  }

  /** The fields with this name, given in lower case, the topmost first. */
  named(name: string): Field[] {
    const lines = this.lines.filter((line) => isNamed(line.name, name));
    return lines.map((line) => ({ name, value: fieldValue(this.octets, line) }));
  }

  /** The unfolded, trimmed value of the topmost field with this name. */
  first(name: string): string | undefined {
    const line = this.lines.find((each) => isNamed(each.name, name));
    return line === undefined ? undefined : unfold(fieldValue(this.octets, line));
  }
}

/** `name` is in lower case. */
export function isNamed(written: string, name: string): boolean {
  return written.length === name.length && written.toLowerCase() === name;
}

/** Whether a line says what only we may say. */
export function isOwn(line: Buffer): boolean {
  return line.toString('latin1', 0, ownPrefix.length).toLowerCase() === ownPrefix;
}
