/** Reads the lines of a local text, whatever ends them, and writes them with CRLF. */
import { CliError, exitCode } from './exit-code.ts';

const cr = 13;
const lf = 10;
const space = 32;
/** RFC 5321 §4.5.3.1.6, without the CRLF. */
const maxLineOctets = 998;
/** A longer "line" was not meant as mail. */
const maxInputLineOctets = 1024 * 1024;

/**
 * The lines of a text in any of the ways programs end them: LF, CRLF, and the CR CR LF of careless ones. A
 * CR elsewhere becomes a space. Lines come without their end; a last line without an end counts as one. Throws
 * `CliError` `dataErr` for a NUL, which no mail may have (RFC 5321 §4.5.2), and for a line without an end.
 */
export async function* inputLines(octets: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer, void, void> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of octets) {
    if (chunk.includes(0)) throw new CliError(exitCode.dataErr, 'the message has a NUL in it');
    let begin = 0;
    for (let end = chunk.indexOf(lf); end >= 0; end = chunk.indexOf(lf, begin)) {
      const line = chunk.subarray(begin, end);
      yield withoutCr(rest.length === 0 ? Buffer.from(line) : Buffer.concat([rest, line]));
      rest = Buffer.alloc(0);
      begin = end + 1;
    }
    rest = Buffer.concat([rest, chunk.subarray(begin)]);
    if (rest.length > maxInputLineOctets) {
      throw new CliError(
        exitCode.dataErr,
        `a line of the message is longer than ${maxInputLineOctets} octets`,
      );
    }
  }
  if (rest.length > 0) yield withoutCr(rest);
}

function withoutCr(line: Buffer): Buffer {
  let end = line.length;
  while (end > 0 && line[end - 1] === cr) end--;
  const text = line.subarray(0, end);
  for (let at = text.indexOf(cr); at >= 0; at = text.indexOf(cr, at + 1)) text[at] = space;
  return text;
}

/**
 * A line with its CRLF. One that is longer than SMTP allows is broken, each part after the first beginning
 * with a space, and never within a UTF-8 character.
 */
export function* foldLongLine(line: Buffer): Generator<Buffer> {
  let at = 0;
  while (line.length - at > maxLineOctets - (at > 0 ? 1 : 0)) {
    let end = at + maxLineOctets - (at > 0 ? 1 : 0);
    for (let back = 0; back < 3 && isContinuation(line[end]); back++) end--;
    yield Buffer.concat([at > 0 ? Buffer.from(' ') : Buffer.alloc(0), line.subarray(at, end), crlf]);
    at = end;
  }
  yield Buffer.concat([at > 0 ? Buffer.from(' ') : Buffer.alloc(0), line.subarray(at), crlf]);
}

const crlf = Buffer.from('\r\n');

function isContinuation(octet: number | undefined): boolean {
  return octet !== undefined && (octet & 0xc0) === 0x80;
}
