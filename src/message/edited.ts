/** Applies edits to a message: the one place where its lines are changed. */
import { type HeaderLine, isNamed } from '../mail/index.ts';
import { type Edit, type FieldEdit, formatField, isOwn } from './edit.ts';
import type { Header } from './header.ts';

/** A message in the parts in which it is written. */
export interface Written {
  /** Up to our own trace field and with it. */
  readonly top: Buffer;
  readonly header: Buffer;
  /** Begins with the empty line that ends the header, unless the message ends within the header. */
  readonly rest: Buffer;
  /** Something that was added has octets above 127. */
  readonly addsEightBit: boolean;
  /** The message ended within its header, and has an empty line now. */
  readonly addsEnd: boolean;
  /** The octets that replace its body. */
  readonly body: Buffer | undefined;
}

/** A message before edits. */
export interface Unedited {
  readonly trace: Buffer;
  readonly header: Header;
  readonly rest: Buffer;
}

/** A line of the header as it came, or one that was added. */
type Line = HeaderLine | Added;

interface Added {
  readonly name: string;
  readonly octets: Buffer;
}

const emptyLine = Buffer.from('\r\n');
const lf = 10;

/**
 * The message with these edits made. It has a whole header then: a last line without its end gets one, and so does a
 * header whose message ends without an empty line.
 */
export function edited(message: Unedited, edits: readonly Edit[]): Written {
  const lines = new Lines(message);
  let body: Buffer | undefined;
  for (const edit of edits) {
    if (edit.kind === 'body') body = Buffer.from(edit.octets);
    else lines.apply(edit);
  }
  const addsEnd = message.rest.length === 0;
  const rest = addsEnd ? emptyLine : message.rest;
  return {
    ...lines.written(),
    rest: body === undefined ? rest : Buffer.concat([emptyLine, body]),
    addsEnd,
    body,
  };
}

class Lines {
  readonly #header: Buffer;
  readonly #trace: Added;
  #lines: Line[];
  #addsEightBit = false;

  constructor({ trace, header }: Unedited) {
    this.#header = header.octets;
    this.#trace = { name: '', octets: trace };
    this.#lines = [this.#trace, ...header.lines];
  }

  apply(edit: FieldEdit): void {
    switch (edit.kind) {
      case 'add':
        this.#lines.push(this.#field(edit));
        break;
      case 'insert':
        this.#lines.splice(Math.max(0, edit.at), 0, this.#field(edit));
        break;
      case 'change': {
        const at = this.#find(edit.name, edit.nth);
        if (at < 0) this.#lines.push(this.#field(edit));
        else this.#lines[at] = this.#field(edit);
        break;
      }
      case 'remove':
        this.#remove(edit.name.toLowerCase(), edit.nth);
        break;
      case 'remove-own':
        this.#lines = this.#lines.filter((line) =>
          'octets' in line ? !isOwn(line.octets, 0) : !isOwn(this.#header, line.start),
        );
        break;
    }
  }

  #remove(name: string, nth: number | 'all'): void {
    if (nth === 'all') this.#lines = this.#lines.filter((line) => !this.#isNamed(line, name));
    else {
      const at = this.#find(name, nth);
      if (at >= 0) this.#lines.splice(at, 1);
    }
  }

  /** The index of the nth field of that name that is not our own trace; -1 when there are fewer. */
  #find(name: string, nth: number): number {
    const wanted = name.toLowerCase();
    let count = 0;
    return this.#lines.findIndex((line) => this.#isNamed(line, wanted) && ++count === nth);
  }

  #isNamed(line: Line, name: string): boolean {
    return 'octets' in line ? line.name === name : isNamed(this.#header, line, name);
  }

  #field({ name, value }: { readonly name: string; readonly value: string }): Added {
    const octets = formatField(name, value);
    this.#addsEightBit ||= octets.some((octet) => octet > 127);
    return { name: name.toLowerCase(), octets };
  }

  written(): Pick<Written, 'top' | 'header' | 'addsEightBit'> {
    const at = this.#lines.indexOf(this.#trace) + 1;
    return {
      top: this.#joined(this.#lines.slice(0, at)),
      header: this.#joined(this.#lines.slice(at)),
      addsEightBit: this.#addsEightBit,
    };
  }

  /** Lines that still stand behind each other are one piece: a header may have very many. */
  #joined(lines: readonly Line[]): Buffer {
    const pieces: Buffer[] = [];
    for (let at = 0; at < lines.length; at++) {
      const line = lines[at];
      if (line === undefined) break;
      if ('octets' in line) {
        pieces.push(line.octets);
        continue;
      }
      let { end } = line;
      for (let next = lines[at + 1]; next !== undefined && !('octets' in next) && next.start === end; ) {
        end = next.end;
        next = lines[++at + 1];
      }
      pieces.push(this.#header.subarray(line.start, end));
      // Only the last line of the message may lack its end.
      if (this.#header[end - 1] !== lf) pieces.push(emptyLine);
    }
    return Buffer.concat(pieces);
  }
}
