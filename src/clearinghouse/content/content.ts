/** A leaf of a message, its transfer encoding taken off. */
export interface Leaf {
  /** Lower case, `text/html`; `application/octet-stream` where it cannot be told. */
  readonly type: string;
  /** Of Content-Disposition or Content-Type, decoded. */
  readonly name?: string;
  readonly isAttachment: boolean;
  /** Not copied where the encoding allows. */
  readonly octets: Uint8Array;
  readonly charset?: string;
  /** One of several forms of the same: what a reader does not see where it is no HTML. */
  readonly alternative?: number;
}

/**
 * What a reader of a message sees, in one form for all copies that look alike: no tags, nothing hidden, one spelling.
 * Everything is bounded; what exceeds a bound is left out and `isTruncated` says so.
 */
export interface Content {
  /**
   * Words, each once, as they are first seen: lower case, confusables and spacing undone; a URL is `url:example.org`
   * (registrable domain), scripts without spaces come as pairs of characters. Numbers, addresses of mail, the recipient's
   * own names and a line of greeting are left out.
   */
  readonly words: readonly string[];
  /** For each word its form with figures read as letters (`v1agra` → `viagra`); the same string where that changes nothing. */
  readonly folded: readonly string[];
  /** The text: for each of its places, the number of the word there. */
  readonly order: readonly number[];
  /** What a reader is to act on: `domain:example.org`, `path:example.org/a/#`, `tel:…`, `mail:…`, `wallet:…`, `iban:…`, `form:example.org`, `reply:…`. */
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
  /** Message-ID and To as they are written: what tells a letter from its copies. Absent where there is no Message-ID. */
  readonly letter?: string;
  /** Whether it has GTUBE or our own test string. */
  readonly isTest: boolean;
  readonly isTruncated: boolean;
}

/** The text word by word. */
export function wordsInOrder({ words, order }: Pick<Content, 'words' | 'order'>): string[] {
  return order.map((number) => words[number] ?? '');
}

/** What is known beside the octets. */
export interface ReadOptions {
  /** Of the envelope: their names are not part of what copies share. */
  readonly recipients?: readonly string[];
}
