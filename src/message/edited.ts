/** Applies edits to a message: the one place where its lines are changed. */
import { type Edit, type FieldEdit, formatField } from './edit.ts';
import { type Header, isNamed, isOwn } from './header.ts';

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
  /** What its body was replaced by. */
  readonly body: Buffer | undefined;
}

/** A message before edits. */
export interface Unedited {
  readonly trace: Buffer;
  readonly header: Header;
  readonly rest: Buffer;
}

interface Line {
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
  readonly #trace: Line;
  #lines: Line[];
  #addsEightBit = false;

  constructor({ trace, header }: Unedited) {
    this.#trace = { name: 'received', octets: trace };
    const lines = header.lines.map(({ name, start, end }) => ({
      name,
      octets: header.octets.subarray(start, end),
    }));
    this.#lines = [this.#trace, ...lines];
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
        this.#remove(edit.name, edit.nth);
        break;
      case 'remove-own':
        this.#lines = this.#lines.filter(({ octets }) => !isOwn(octets));
        break;
    }
  }

  #remove(name: string, nth: number | 'all'): void {
    const wanted = name.toLowerCase();
    if (nth === 'all')
      this.#lines = this.#lines.filter((line) => line === this.#trace || !isNamed(line.name, wanted));
    else {
      const at = this.#find(name, nth);
      if (at >= 0) this.#lines.splice(at, 1);
    }
  }

  /** The index of the nth field of that name that is not our own trace; -1 when there are fewer. */
  #find(name: string, nth: number): number {
    const wanted = name.toLowerCase();
    let count = 0;
    return this.#lines.findIndex(
      (line) => line !== this.#trace && isNamed(line.name, wanted) && ++count === nth,
    );
  }

  #field({ name, value }: { readonly name: string; readonly value: string }): Line {
    const octets = formatField(name, value);
    this.#addsEightBit ||= octets.some((octet) => octet > 127);
    return { name, octets };
  }

  written(): Pick<Written, 'top' | 'header' | 'addsEightBit'> {
    const at = this.#lines.indexOf(this.#trace) + 1;
    const all = this.#lines.map(({ octets }) => octets);
    // Only the last line of the message may lack its end.
    const below = all.slice(at).flatMap((line) => (line.at(-1) === lf ? line : [line, emptyLine]));
    return {
      top: Buffer.concat(all.slice(0, at)),
      header: Buffer.concat(below),
      addsEightBit: this.#addsEightBit,
    };
  }
}
