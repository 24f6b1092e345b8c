/** The lines of the control socket: their shapes, their bounds, and reading and writing them. */
import { z } from 'zod';
import { ControlError } from './control-error.ts';

/** Longest line of a client, in octets: 48 KiB of a message as base 64, with room to spare. */
export const maxRequestOctets = 128 * 1024;
/** Longest line of the server: a message with tens of thousands of recipients. */
export const maxAnswerOctets = 16 * 1024 * 1024;
/** Octets of a message in one `chunk` line. */
export const chunkOctets = 48 * 1024;

/** The one line that a client begins with; a command that takes a message is followed by `upload` lines. */
export const requestShape = z.strictObject({
  command: z.string().max(64),
  args: z.unknown().exactOptional(),
});
export type Request = z.infer<typeof requestShape>;

/** The message of a command that takes one: chunks in order, then one `end`. */
export const uploadShape = z.union([
  z.strictObject({ chunk: z.base64() }),
  z.strictObject({ end: z.literal(true) }),
]);

/** The server's answer: any number of items, then exactly one `result` or `error`. */
export const answerShape = z.union([
  z.strictObject({ item: z.unknown() }),
  z.strictObject({ result: z.unknown() }),
  z.strictObject({ error: z.object({ code: z.string(), message: z.string() }) }),
]);
export type Answer = z.infer<typeof answerShape>;

/**
 * Reads a socket as lines that end in LF. Throws `ControlError` `too-large` for a line over the bound and
 * `bad-request` for one that is not UTF-8. A last line without its end is not a line.
 */
export async function* readLines(
  octets: AsyncIterable<Uint8Array>,
  maxOctets: number,
): AsyncGenerator<string, void, void> {
  let parts: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of octets) {
    let begin = 0;
    for (let end = chunk.indexOf(0x0a); end >= 0; end = chunk.indexOf(0x0a, begin)) {
      parts.push(chunk.subarray(begin, end));
      if (length + end - begin > maxOctets) throw tooLarge(maxOctets);
      yield decodeLine(parts);
      parts = [];
      length = 0;
      begin = end + 1;
    }
    length += chunk.length - begin;
    if (length > maxOctets) throw tooLarge(maxOctets);
    if (begin < chunk.length) parts.push(chunk.subarray(begin));
  }
}

/** Parses a line into one of the shapes, or throws `bad-request` with the first thing that is wrong. */
export function parseLine<T>(shape: z.ZodType<T>, line: string): T {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (error) {
    throw new ControlError('bad-request', 'the line is not JSON', { cause: error });
  }
  return parseValue(shape, value);
}

/** The same for a value that was parsed already. */
export function parseValue<T>(shape: z.ZodType<T>, value: unknown): T {
  const parsed = shape.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new ControlError('bad-request', `${issue?.path.join('.') || 'request'}: ${issue?.message}`);
}

/** One line of the protocol. */
export function formatLine(value: unknown): string {
  return `${JSON.stringify(value)}\n`;
}

function decodeLine(parts: readonly Uint8Array[]): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(parts));
  } catch (error) {
    throw new ControlError('bad-request', 'the line is not UTF-8', { cause: error });
  }
}

function tooLarge(maxOctets: number): ControlError {
  return new ControlError('too-large', `a line is longer than ${maxOctets} octets`);
}
