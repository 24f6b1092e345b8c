/** The form in which contents of messages are compared. */

/** A leaf of a message, its transfer encoding taken off. */
export interface Leaf {
  /** The media type in lower case, such as `text/html`; `application/octet-stream` if it is unknown. */
  readonly type: string;
  /** Of Content-Disposition or Content-Type, decoded. */
  readonly name?: string;
  readonly isAttachment: boolean;
  /** Not copied where the encoding allows. */
  readonly octets: Uint8Array;
  readonly charset?: string;
  /** The group of alternative forms of the same content; a reader of HTML does not see the others. */
  readonly alternative?: number;
}

/**
 * The content of a message as its reader sees it, in one form for all copies that look alike: no tags, nothing hidden,
 * one spelling. Every list is bounded; content beyond a bound is left out, and `isTruncated` is set.
 */
export interface Content {
  /**
   * Words, each once, as they are first seen: lower case, confusables and spacing undone; a URL is `url:example.org`
   * (registrable domain), scripts without spaces come as pairs of characters. Numbers, addresses of mail, the recipient's
   * own names and a line of greeting are left out.
   */
  readonly words: readonly string[];
  /** Each word with its figures read as letters (`v1agra` → `viagra`); the same string if that changes nothing. */
  readonly folded: readonly string[];
  /** The text as numbers of words, one for each place. */
  readonly order: readonly number[];
  /**
   * Contacts that the message offers: `domain:example.org`, `path:example.org/a/#`, `tel:…`, `mail:…`, `wallet:…`,
   * `iban:…`, `form:example.org`, `reply:…`.
   */
  readonly actions: readonly string[];
  /** Tags with the shape of their classes, in order: `td.a9`. */
  readonly structure: readonly string[];
  readonly leaves: readonly Leaf[];
  /** Octets of the pictures that its pages have in themselves. */
  readonly pictures: readonly Uint8Array[];
  /** Registrable domain of From, in lower case. */
  readonly senderDomain?: string;
  /** `List-Id` (RFC 2919), in lower case. */
  readonly listId?: string;
  /** Message-ID and To as written, which tell this message from its copies. Absent without a Message-ID. */
  readonly messageKey?: string;
  /** Whether it has GTUBE or our own test string. */
  readonly isTest: boolean;
  readonly isTruncated: boolean;
}

/** The text word by word. */
export function wordsInOrder({ words, order }: Pick<Content, 'words' | 'order'>): string[] {
  return order.map((number) => words[number] ?? '');
}

/** Facts about a message from outside its octets. */
export interface ReadOptions {
  /** The recipients of the envelope; their names are not part of the text that copies share. */
  readonly recipients?: readonly string[];
}
