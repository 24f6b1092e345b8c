/** Parses HTML and limits how many elements are open at once. */
import { Parser } from 'htmlparser2';

/** Elements that are open at once; browsers stop at 512. */
const maxOpen = 256;

/** Elements without child elements are always opened, so that their content does not count as text. */
const flat = new Set(['script', 'style', 'title', 'textarea', 'iframe', 'noembed', 'noframes', 'xmp']);

/** Receives the elements of a page: each one that is opened is closed, the last one first. */
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
 * Bounds the number of open elements, since each element costs the parser time in proportion to it. Beyond the bound
 * an element is reported as opened and closed at once; its content belongs to the element around it, and its end tag
 * is left out.
 */
class BoundedParser extends Parser {
  open = 0;
  #asked: 'new' | 'holds' | 'holds nothing' | 'end' = 'new';
  /** Elements that were reported as closed early, and whose end tags are still to come. */
  readonly #early = new Map<string, number>();

  closed(): void {
    this.open--;
    // The content of the closed element is closed with it.
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

  /** The parser asks twice for an opened element, at its name and at its end, and once for a closed one. */
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
