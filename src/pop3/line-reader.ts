/** Reads lines of a POP3 client or server, as the other end reads them. */

/** The next item of a stream of lines. */
export type Line =
  /** Without its end. */
  | { readonly kind: 'line'; readonly text: string }
  /** Over the bound, or with octets that belong in no command; all of it is read and gone. */
  | { readonly kind: 'bad' }
  | { readonly kind: 'end' };

const end: Line = { kind: 'end' };
const bad: Line = { kind: 'bad' };

/**
 * Lines of a stream that is read on demand. LF ends a line, with or without CR: POP3 servers take both, so the proxy
 * must see the same lines as they do. Control characters make a line bad, a CR within it above all: one line here must
 * not be two there.
 */
export class LineReader {
  readonly #read: () => Promise<Buffer | undefined>;
  readonly #maxOctets: number;
  #rest: Buffer = Buffer.alloc(0);

  constructor(read: () => Promise<Buffer | undefined>, maxOctets: number) {
    this.#read = read;
    this.#maxOctets = maxOctets;
  }

  /** The octets read that belong to no line yet. */
  get pending(): number {
    return this.#rest.length;
  }

  /** Takes what is pending. */
  take(): Buffer {
    const rest = this.#rest;
    this.#rest = Buffer.alloc(0);
    return rest;
  }

  async next(): Promise<Line> {
    let isTooLong = false;
    for (;;) {
      const at = this.#rest.indexOf(0x0a);
      if (at >= 0) {
        const line = this.#rest.subarray(0, at);
        this.#rest = this.#rest.subarray(at + 1);
        return isTooLong || line.length > this.#maxOctets ? bad : readLine(line);
      }
      if (this.#rest.length > this.#maxOctets) {
        isTooLong = true;
        this.#rest = Buffer.alloc(0);
      }
      const more = await this.#read();
      if (more === undefined) return end;
      this.#rest = this.#rest.length === 0 ? more : Buffer.concat([this.#rest, more]);
    }
  }
}

function readLine(octets: Buffer): Line {
  const length = octets.at(-1) === 0x0d ? octets.length - 1 : octets.length;
  const line = octets.subarray(0, length);
  for (const octet of line) if ((octet < 0x20 && octet !== 0x09) || octet === 0x7f) return bad;
  return { kind: 'line', text: line.toString('latin1') };
}
