/** Parses HTML and limits how many elements are open at once. */
import { Parser } from 'htmlparser2';

/** Elements that are open at once; browsers stop at 512. */
export const maxOpen = 256;

/** What cannot hold elements is opened always, for what is in it must not count as text. */
const flat = new Set(['script', 'style', 'title', 'textarea', 'iframe', 'noembed', 'noframes', 'xmp']);

/** Who is told of the elements of a page: each one that is opened is closed, the last one first. */
export interface Listener {
  open(tag: string, attributes: Readonly<Record<string, string>>): void;
  text(text: string): void;
  close(): void;
}

/** Parses a page as it is found in mail; at most {@link maxOpen} elements are open at once. */
export function parsePage(html: string, listener: Listener): void {
  const parser = new BoundedParser(
    {
      onopentag: (tag, attributes) => {
        parser.open++;
        listener.open(tag, attributes);
      },
      ontext: (text) => listener.text(text),
      onclosetag: () => {
        parser.closed();
        listener.close();
      },
    },
    { decodeEntities: true, lowerCaseTags: true, recognizeSelfClosing: false },
  );
  parser.end(html);
}

/**
 * An element costs the parser as much as there are open ones. Where too many are, one more holds nothing: it is told as
 * opened and closed at once, what follows belongs to what is around it, and its end tag is left out.
 */
class BoundedParser extends Parser {
  open = 0;
  #asked: 'new' | 'holds' | 'holds nothing' | 'end' = 'new';
  /** Elements that were told as closed, and whose end tags are still to come. */
  readonly #early = new Map<string, number>();

  closed(): void {
    this.open--;
    // What was in the closed one is closed with it.
    if (this.open < maxOpen && this.#early.size > 0) this.#early.clear();
  }

  override onopentagname(start: number, end: number): void {
    this.#asked = 'new';
    super.onopentagname(start, end);
  }

  override onclosetag(start: number, end: number): void {
    this.#asked = 'end';
    super.onclosetag(start, end);
  }

  /** Asked twice of what is opened, at its name and at its end, and once of what is closed. */
  override isVoidElement(name: string): boolean {
    if (super.isVoidElement(name)) return true;
    switch (this.#asked) {
      case 'holds':
        return false;
      case 'holds nothing':
        return true;
      case 'end':
        return this.#early.size > 0 && this.#hasEnded(name);
      case 'new':
        return !this.#begins(name);
    }
  }

  #begins(name: string): boolean {
    const holds = this.open < maxOpen || name === '' || flat.has(name);
    this.#asked = holds ? 'holds' : 'holds nothing';
    if (!holds) this.#early.set(name, (this.#early.get(name) ?? 0) + 1);
    return holds;
  }

  #hasEnded(name: string): boolean {
    const count = this.#early.get(name) ?? 0;
    if (count > 0) this.#early.set(name, count - 1);
    return count > 0;
  }
}
