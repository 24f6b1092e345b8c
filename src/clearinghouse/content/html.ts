/** Reads a page as a mail program shows it: its visible text, links and pictures. */
import { parsePage } from './nesting.ts';
import type { Element } from './selector.ts';
import { displayOf, goneSight, pageSight, type Sight, sightOf } from './sight.ts';
import { maxClasses, StyleSheet } from './style.ts';

/** The visible text of an HTML page, and its links. */
export interface Page {
  /** Blocks end in a line feed. */
  readonly text: string;
  /** Targets of links, forms and pictures as they are written. */
  readonly links: readonly { readonly kind: 'link' | 'form' | 'image'; readonly target: string }[];
  readonly structure: readonly string[];
  /** Pictures that are in the page itself (RFC 2397), in base64. */
  readonly pictures: readonly string[];
}

export const pageBounds = {
  text: 500_000,
  links: 500,
  structure: 2000,
  pictures: 4,
  /** Longer pages are not read a second time for a style sheet that follows the elements it applies to. */
  again: 300_000,
} as const;
const pictureInPage = /^\s*data:image\/[a-z0-9.+-]{1,40};base64,/i;

/** Elements whose content is not text of the page. */
const unread = new Set(
  'script style title template svg math select textarea iframe noembed noframes'.split(' '),
);
/** Elements of layout that every page has. */
const plain = new Set(['html', 'body', 'br', 'head', 'meta', 'title', 'style', 'script']);

/** Elements that may stand before the content of a page. */
const beforeBody = new Set('html head meta link base title style script'.split(' '));

type Attributes = Readonly<Record<string, string>>;

interface Open extends Element {
  sight: Sight;
  isBlock: boolean;
}

/** Reads a page as tolerantly as a mail program, and leaves out the text that a mail program would not show. */
export function readPage(html: string): Page {
  const reader = new PageReader(new StyleSheet());
  parsePage(html, reader);
  if (!reader.hasLateSheet || html.length > pageBounds.again) return reader.page();
  // A style sheet applies to the whole page, including the elements before it.
  const again = new PageReader(reader.sheet.again(), 'all sheets are known');
  parsePage(html, again);
  return again.page();
}

class PageReader {
  readonly sheet: StyleSheet;
  /** Whether a sheet came after something that it may mean. */
  hasLateSheet = false;
  readonly #readsSheets: boolean;
  readonly #stack: Open[] = [];
  readonly #links: { kind: 'link' | 'form' | 'image'; target: string }[] = [];
  readonly #structure: string[] = [];
  readonly #pictures: string[] = [];
  readonly #pieces: string[] = [];
  #sight = pageSight;
  #length = 0;
  #endsInBreak = true;
  #css: string | undefined;
  #hasContent = false;
  /** A link without letters of its own leads somewhere when there is something to see in it. */
  #unseenLink: string | undefined;

  constructor(sheet: StyleSheet, sheets?: 'all sheets are known') {
    this.sheet = sheet;
    this.#readsSheets = sheets === undefined;
  }

  page(): Page {
    return {
      text: this.#pieces.join(''),
      links: this.#links,
      structure: this.#structure,
      pictures: this.#pictures,
    };
  }

  open(tag: string, attributes: Attributes): void {
    const around = this.#sight;
    const element: Open = { tag, attributes, sight: around, isBlock: false };
    this.#stack.push(element);
    // A sheet counts wherever it stands.
    if (tag === 'style' && this.#readsSheets && isCss(attributes.type)) this.#css = '';
    if (around.isGone) return;
    if (unread.has(tag)) {
      element.sight = this.#sight = goneSight;
      return;
    }
    const look = this.sheet.lookOf(this.#stack);
    if (!this.#hasContent && !beforeBody.has(tag)) this.#hasContent = true;
    const display = displayOf(tag, attributes, look);
    element.sight = this.#sight = sightOf(around, tag, attributes, look, display);
    element.isBlock = display === 'block' || display === 'table';
    if (element.isBlock) this.#break();
    if (this.#sight.isShown) this.#note(tag, attributes);
  }

  text(text: string): void {
    if (this.#css !== undefined) this.#css += text;
    if (!this.#sight.isSeen || this.#length > pageBounds.text || text === '') return;
    if (this.#unseenLink !== undefined) this.#noteUnseenLink();
    this.#pieces.push(text);
    this.#length += text.length;
    this.#endsInBreak = text.endsWith('\n');
  }

  close(): void {
    const element = this.#stack.pop();
    if (element === undefined) return;
    if (this.#css !== undefined) {
      this.#readSheet(this.#css, element.attributes.media);
      this.#css = undefined;
    }
    if (element.tag === 'a') this.#unseenLink = undefined;
    if (element.isBlock) this.#break();
    this.#sight = this.#stack.at(-1)?.sight ?? pageSight;
  }

  #readSheet(css: string, media: string | undefined): void {
    const known = this.sheet.size;
    this.sheet.read(css, media);
    if (this.sheet.size > known && this.#hasContent) this.hasLateSheet = true;
  }

  #note(tag: string, attributes: Attributes): void {
    if (tag === 'input' && attributes.type?.trim().toLowerCase() === 'hidden') return;
    const { isSeen } = this.#sight;
    if (isSeen && this.#structure.length < pageBounds.structure && !plain.has(tag))
      this.#structure.push(`${tag}${skeleton(attributes.class)}`);
    if (tag === 'img') this.#notePicture(attributes.src);
    else if (tag === 'form') this.#noteLink('form', attributes.action);
    else if (tag === 'area' || (tag === 'a' && isSeen)) this.#noteLink('link', attributes.href);
    else if (tag === 'a') this.#unseenLink = attributes.href;
  }

  #notePicture(target: string | undefined): void {
    if (this.#unseenLink !== undefined) this.#noteUnseenLink();
    const inPage = target === undefined ? undefined : pictureInPage.exec(target.slice(0, 100))?.[0];
    if (target === undefined || inPage === undefined) this.#noteLink('image', target);
    else if (this.#pictures.length < pageBounds.pictures) this.#pictures.push(target.slice(inPage.length));
  }

  #noteUnseenLink(): void {
    this.#noteLink('link', this.#unseenLink);
    this.#unseenLink = undefined;
  }

  #noteLink(kind: 'link' | 'form' | 'image', target: string | undefined): void {
    if (target === undefined || this.#links.length >= pageBounds.links) return;
    this.#links.push({ kind, target: target.slice(0, 2000) });
  }

  #break(): void {
    if (this.#endsInBreak) return;
    this.#pieces.push('\n');
    this.#endsInBreak = true;
  }
}

function isCss(type: string | undefined): boolean {
  return type === undefined || type === '' || type.trim().toLowerCase() === 'text/css';
}

/** The shape of a class, for its name may be new in each copy: letters and figures alike. */
function skeleton(classes: string | undefined): string {
  if (classes === undefined || classes === '') return '';
  return `.${classes.split(/\s+/, maxClasses).length}`;
}
