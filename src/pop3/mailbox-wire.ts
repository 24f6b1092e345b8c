/** Writes a stored message as POP3 sends it. */
import type { FileHandle } from 'node:fs/promises';
import { DotStuffer } from '../smtp/index.ts';

const cr = 13;
const lf = 10;
const pieceOctets = 64 * 1024;

/**
 * Ends every line with CRLF, whatever its end on disk. A bare CR becomes a line end as well, so that no client can see
 * another end of the message than we do. A written CRLF is never divided between two pieces.
 */
export class CanonicalLines {
  #previous = lf;

  /** Whether the output ends in a line end, or is empty. */
  get isAtLineStart(): boolean {
    return this.#previous === lf || this.#previous === cr;
  }

  /** The canonical octets of the next piece, in a buffer of their own. */
  write(piece: Buffer): Buffer {
    const canonical = Buffer.allocUnsafe(piece.length * 2);
    let to = 0;
    let previous = this.#previous;
    for (const octet of piece) {
      const isSecondHalf = octet === lf && previous === cr;
      previous = octet;
      if (isSecondHalf) continue;
      if (octet === lf || octet === cr) {
        canonical[to++] = cr;
        canonical[to++] = lf;
      } else canonical[to++] = octet;
    }
    this.#previous = previous;
    return canonical.subarray(0, to);
  }
}

/** Cuts canonical octets off behind the header and so many lines of the body (RFC 1939 §7, TOP). */
export class TopCut {
  #linesLeft: number;
  #isHeader = true;
  #lineOctets = 0;

  constructor(lines: number) {
    this.#linesLeft = lines;
  }

  /** The part of the piece that belongs to it; `isDone` if no more does. */
  take(piece: Buffer): { readonly octets: Buffer; readonly isDone: boolean } {
    let at = 0;
    for (let end = piece.indexOf(lf); end >= 0; end = piece.indexOf(lf, at)) {
      const isEmpty = this.#lineOctets + end - at === 1;
      this.#lineOctets = 0;
      at = end + 1;
      if (!this.#isHeader) this.#linesLeft--;
      else if (isEmpty) this.#isHeader = false;
      if (!this.#isHeader && this.#linesLeft <= 0) return { octets: piece.subarray(0, at), isDone: true };
    }
    this.#lineOctets += piece.length - at;
    return { octets: piece, isDone: false };
  }
}

/**
 * A message as it goes over the wire behind `+OK`: CRLF, dots doubled, with the dot that ends it. Closes the file.
 * `bodyLines` for TOP. Throws when the file cannot be read on: then the dot must never be sent.
 */
export async function* wireContent(file: FileHandle, bodyLines?: number): AsyncGenerator<Buffer> {
  try {
    const lines = new CanonicalLines();
    const stuffer = new DotStuffer();
    const cut = bodyLines === undefined ? undefined : new TopCut(bodyLines);
    for await (const piece of piecesOf(file)) {
      const canonical = lines.write(piece);
      const { octets, isDone } = cut?.take(canonical) ?? { octets: canonical, isDone: false };
      if (octets.length > 0) yield stuffer.write(octets);
      if (isDone) break;
    }
    yield stuffer.end();
  } finally {
    await file.close();
  }
}

/** Octets of the message with its lines ended by CRLF, dots not doubled (RFC 1939 §11). Closes the file. */
export async function wireSize(file: FileHandle): Promise<number> {
  try {
    const lines = new CanonicalLines();
    let size = 0;
    for await (const piece of piecesOf(file)) size += lines.write(piece).length;
    return lines.isAtLineStart ? size : size + 2;
  } finally {
    await file.close();
  }
}

/** The octets of a file. A piece is good until the next one is asked for. */
async function* piecesOf(file: FileHandle): AsyncGenerator<Buffer> {
  const buffer = Buffer.allocUnsafe(pieceOctets);
  for (;;) {
    const { bytesRead } = await file.read(buffer, 0, buffer.length, null);
    if (bytesRead === 0) return;
    yield buffer.subarray(0, bytesRead);
  }
}
