import { Parser } from 'htmlparser2';
import { isSameColor, type Look, lookOf, merged, StyleSheet } from './style.ts';

/** What a reader sees of a page, and where it leads. */
export interface Page {
  /** Blocks end in a line feed. */
  readonly text: string;
  /** Targets of links, forms and pictures as they are written. */
  readonly links: readonly { readonly kind: 'link' | 'form' | 'image'; readonly target: string }[];
  readonly structure: readonly string[];
  /** Pictures that are in the page itself (RFC 2397), in base64. */
  readonly pictures: readonly string[];
}

export const pageBounds = { text: 500_000, links: 500, structure: 2000, depth: 300, pictures: 4 } as const;
const pictureInPage = /^\s*data:image\/[a-z0-9.+-]{1,40};base64,/i;

/** Elements whose content is no text of the page. */
const unread = new Set([
  'script',
  'style',
  'head',
  'title',
  'noscript',
  'template',
  'object',
  'svg',
  'math',
  'select',
  'textarea',
]);
const blocks = new Set(
  'p div br hr table tr td th li ul ol dl dt dd h1 h2 h3 h4 h5 h6 blockquote pre center form section article header footer address body html'.split(
    ' ',
  ),
);
const empty = new Set('area base br col embed hr img input link meta param source track wbr'.split(' '));
/** Layout only: everybody has them. */
const plain = new Set(['html', 'body', 'br', 'head', 'meta', 'title', 'style', 'script']);

interface Open {
  readonly tag: string;
  readonly isUnseen: boolean;
  readonly background: string;
  readonly color: string | undefined;
}

/** What goes to the parser at once. */
const pieceLength = 16_384;
/** Elements that are open in the parser: each one more costs it as much as there are. */
const maxOpen = 1000;

/** Reads a page as tolerantly as a mail program, and leaves out what it would not show. */
export function readPage(html: string): Page {
  const reader = new PageReader();
  let open = 0;
  const begin = () =>
    new Parser(
      {
        onopentag: (tag, attributes) => {
          open++;
          reader.open(tag, attributes);
        },
        ontext: (text) => reader.text(text),
        onclosetag: (tag) => {
          open--;
          reader.close(tag);
        },
      },
      { decodeEntities: true, lowerCaseTags: true, recognizeSelfClosing: false },
    );
  let parser = begin();
  for (let at = 0; at < html.length; ) {
    const cut = at + pieceLength >= html.length ? html.length : html.lastIndexOf('<', at + pieceLength);
    const end = cut > at ? cut : at + pieceLength;
    parser.write(html.slice(at, end));
    at = end;
    if (open <= maxOpen) continue;
    // A page of nothing but beginnings; what comes is read by a parser that has forgotten them.
    parser = begin();
    open = 0;
  }
  parser.end();
  return reader.page();
}

class PageReader {
  readonly #stack: Open[] = [];
  readonly #links: { kind: 'link' | 'form' | 'image'; target: string }[] = [];
  readonly #structure: string[] = [];
  readonly #pictures: string[] = [];
  readonly #sheet = new StyleSheet();
  readonly #pieces: string[] = [];
  #length = 0;
  #css = '';

  page(): Page {
    return {
      text: this.#pieces.join(''),
      links: this.#links,
      structure: this.#structure,
      pictures: this.#pictures,
    };
  }

  open(tag: string, attributes: Readonly<Record<string, string>>): void {
    const above = this.#stack.at(-1);
    if (blocks.has(tag) && above?.isUnseen !== true) this.#break();
    const look = this.#lookOf(tag, attributes);
    const background = backgroundOf(look, attributes) ?? above?.background ?? 'white';
    const color = look?.color ?? attributes.color ?? attributes.text ?? above?.color;
    const isUnseen =
      above?.isUnseen === true ||
      unread.has(tag) ||
      attributes.hidden !== undefined ||
      look?.isHidden === true ||
      // What is as above is seen as above.
      ((color !== above?.color || background !== above?.background) && isSameColor(color, background));
    if (!isUnseen) this.#note(tag, attributes);
    if (empty.has(tag) || this.#stack.length >= pageBounds.depth) return;
    this.#stack.push({ tag, isUnseen, background, color });
  }

  text(text: string): void {
    const above = this.#stack.at(-1);
    if (above?.tag === 'style') this.#css += text;
    if (above?.isUnseen === true || this.#length > pageBounds.text || text === '') return;
    this.#pieces.push(text);
    this.#length += text.length;
  }

  close(tag: string): void {
    const at = this.#stack.findLastIndex((open) => open.tag === tag);
    if (at < 0) return;
    const isUnseen = this.#stack[at]?.isUnseen === true;
    if (tag === 'style') {
      this.#sheet.read(this.#css);
      this.#css = '';
    }
    this.#stack.length = at;
    if (blocks.has(tag) && !isUnseen) this.#break();
  }

  #lookOf(tag: string, { style, id, class: classes }: Readonly<Record<string, string>>): Look | undefined {
    const own = style === undefined ? undefined : lookOf(style);
    return this.#sheet.isEmpty ? own : merged(this.#sheet.of(tag, id, classes), own);
  }

  #note(tag: string, attributes: Readonly<Record<string, string>>): void {
    if (!plain.has(tag) && this.#structure.length < pageBounds.structure)
      this.#structure.push(`${tag}${skeleton(attributes.class)}`);
    const target = {
      a: attributes.href,
      area: attributes.href,
      form: attributes.action,
      img: attributes.src,
    }[tag];
    if (target === undefined) return;
    const picture = tag === 'img' ? pictureInPage.exec(target.slice(0, 100))?.[0] : undefined;
    if (picture !== undefined) {
      if (this.#pictures.length < pageBounds.pictures) this.#pictures.push(target.slice(picture.length));
      return;
    }
    if (this.#links.length >= pageBounds.links) return;
    this.#links.push({
      kind: tag === 'form' ? 'form' : tag === 'img' ? 'image' : 'link',
      target: target.slice(0, 2000),
    });
  }

  #break(): void {
    const last = this.#pieces.at(-1);
    if (last !== undefined && !last.endsWith('\n')) this.#pieces.push('\n');
  }
}

function backgroundOf(
  look: Look | undefined,
  attributes: Readonly<Record<string, string>>,
): string | undefined {
  return look?.background ?? attributes.bgcolor;
}

/** The shape of a class, for its name may be new in each copy: letters and figures alike. */
function skeleton(classes: string | undefined): string {
  if (classes === undefined || classes === '') return '';
  return `.${classes.split(/\s+/).length}`;
}
