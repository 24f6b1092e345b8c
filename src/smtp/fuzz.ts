/**
 * Fuzz targets of this folder: each takes any octets and throws if an invariant is broken. Most of them compare one
 * chunk with many: the first octet of the input decides how the rest is cut.
 */
import assert from 'node:assert/strict';
import type { ContentFacts } from '../mail/index.ts';
import {
  BdatReader,
  type Command,
  type CommandError,
  CommandInput,
  DataReader,
  decodeMailParameters,
  decodeRcptParameters,
  decodeUtf8Xtext,
  decodeXtext,
  type Extensions,
  encodeUtf8Xtext,
  encodeXtext,
  formatReply,
  LineEndError,
  parseCommand,
  parseExtensions,
  parseLeniently,
  ReplyReader,
} from './index.ts';
import { stuff } from './testing.ts';

export const fuzzTargets: readonly { readonly name: string; run(input: Uint8Array): void }[] = [
  { name: 'smtp/command', run: checkCommand },
  { name: 'smtp/xtext', run: checkXtext },
  { name: 'smtp/command-input', run: checkCommandInput },
  { name: 'smtp/data', run: checkData },
  { name: 'smtp/bdat', run: checkBdat },
  { name: 'smtp/dot-stuffing', run: checkStuffing },
  { name: 'smtp/reply', run: checkReply },
];

const everything: Extensions = {
  size: 1000,
  pipelining: true,
  eightBitMime: true,
  smtputf8: true,
  chunking: true,
  binaryMime: true,
  dsn: true,
  enhancedStatusCodes: true,
  startTls: true,
  auth: ['PLAIN'],
};

/** The input without its first octet, whole and cut into pieces of 1 to 16 octets. */
function cut(input: Uint8Array): { readonly whole: Buffer; readonly pieces: readonly Buffer[] } {
  const whole = Buffer.from(input.subarray(1));
  const size = ((input[0] ?? 0) % 16) + 1;
  const pieces: Buffer[] = [];
  for (let at = 0; at < whole.length; at += size) pieces.push(whole.subarray(at, at + size));
  return { whole, pieces };
}

function checkCommand(input: Uint8Array): void {
  const text = Buffer.from(input).toString('utf8');
  for (const start of [
    '',
    'MAIL FROM:<',
    'RCPT TO:<',
    'MAIL FROM:<a@b> ',
    'RCPT TO:<a@b> ',
    'BDAT ',
    'XCLIENT ',
    'EHLO ',
    'MAIL FROM:',
    'RCPT TO:\t',
  ]) {
    const strict = parseCommand(start + text);
    checkParsed(strict);
    checkLenient(start + text, strict);
  }
}

/** The lenient parser agrees with the strict one on lines that the latter accepts. */
function checkLenient(line: string, strict: Command | CommandError): void {
  const lenient = parseLeniently(line);
  if (lenient === undefined) return;
  assert.match(lenient.verb, /^(?:ehlo|helo|mail|rcpt)$/);
  checkParsed(lenient);
  if ('name' in lenient) assert.match(lenient.name, /^[!-~]{1,255}$/);
  if (strict.verb !== 'error') assert.deepEqual(lenient, strict);
}

function checkParsed(command: Command | CommandError): void {
  switch (command.verb) {
    case 'error':
      assert.ok(command.reply.code >= 501 && command.reply.code <= 555);
      return;
    case 'bdat':
      assert.ok(command.size === 'too-big' || (Number.isSafeInteger(command.size) && command.size >= 0));
      return;
    case 'mail': {
      const decoded = decodeMailParameters(command.parameters, everything);
      if (decoded.kind === 'decoded' && decoded.parameters.envid !== undefined)
        assert.match(decoded.parameters.envid, /^[ -~]+$/);
      return;
    }
    case 'rcpt': {
      const decoded = decodeRcptParameters(command.parameters, everything);
      if (decoded.kind === 'decoded' && decoded.parameters.originalRecipient !== undefined)
        assert.doesNotMatch(decoded.parameters.originalRecipient.address, /\p{Cc}/u);
      return;
    }
    default:
      return;
  }
}

function checkXtext(input: Uint8Array): void {
  const latin1 = Buffer.from(input).toString('latin1');
  assert.equal(decodeXtext(encodeXtext(latin1)), latin1);
  const decoded = decodeXtext(latin1);
  if (decoded !== undefined) assert.equal(decodeXtext(encodeXtext(decoded)), decoded);
  const utf8 = decodeUtf8Xtext(Buffer.from(input).toString('utf8'));
  if (utf8 !== undefined) assert.equal(decodeUtf8Xtext(encodeUtf8Xtext(utf8)), utf8);
}

function checkCommandInput(input: Uint8Array): void {
  const { whole, pieces } = cut(input);
  const lines = (chunks: readonly Buffer[]) => {
    const reader = new CommandInput({ maxLineOctets: 40 });
    const found: unknown[] = [];
    for (const chunk of chunks) {
      reader.push(chunk);
      for (let line = reader.takeLine(); line !== undefined; line = reader.takeLine()) {
        if (line.kind === 'line') assert.doesNotMatch(line.text, /[\r\n\0]/);
        found.push(line);
      }
      assert.ok(reader.buffered < 40);
    }
    return found;
  };
  assert.deepEqual(lines(pieces), lines([whole]));
}

interface ReadData {
  readonly end: number;
  readonly fault: string | undefined;
  readonly facts: ContentFacts;
  readonly content: Buffer;
}

function readData(chunks: readonly Buffer[]): ReadData {
  const reader = new DataReader({ maxOctets: 200, maxLineOctets: 60 });
  const parts: Buffer[] = [];
  let before = 0;
  let end = -1;
  for (const chunk of chunks) {
    const at = reader.read(chunk, 0, (slice) => parts.push(slice));
    if (at >= 0) {
      end = before + at;
      break;
    }
    before += chunk.length;
  }
  return { end, fault: reader.fault, facts: reader.facts, content: Buffer.concat(parts) };
}

function checkData(input: Uint8Array): void {
  const { whole, pieces } = cut(input);
  const one = readData([whole]);
  const many = readData(pieces);
  const expected = Buffer.concat([Buffer.from('\r\n'), whole]).indexOf('\r\n.\r\n');
  assert.equal(one.end, expected < 0 ? -1 : expected + 3, 'only CRLF.CRLF ends the data');
  assert.equal(many.end, one.end);
  assert.equal(many.fault, one.fault);
  if (one.fault !== undefined) return;
  assert.deepEqual(many, one);
  if (one.end < 0) return;
  assert.equal(one.facts.size, one.content.length);
  assert.doesNotMatch(one.content.toString('latin1'), /\r(?!\n)|(?<!\r)\n|\0/);
  assert.equal(one.facts.hasLeadingDot, /(?:^|\r\n)\./.test(one.content.toString('latin1')));
  assert.equal(
    one.facts.hasEightBit,
    one.content.some((octet) => octet > 127),
  );
  checkRoundTrip(one.content, one.facts);
}

/** A message that was read is written so that it is read again as the same one. */
function checkRoundTrip(content: Buffer, facts: ContentFacts): void {
  const wire = Buffer.concat([...stuff([content], facts)]);
  assert.deepEqual(Buffer.concat([...stuff([content])]), wire);
  const again = readData([wire]);
  assert.equal(again.end, wire.length);
  assert.equal(again.fault, undefined);
  assert.deepEqual(again.content, content);
}

function checkBdat(input: Uint8Array): void {
  const { whole, pieces } = cut(input);
  for (const isBinaryMime of [false, true]) {
    const read = (chunks: readonly Buffer[]) => {
      const reader = new BdatReader({ maxOctets: 10_000, isBinaryMime });
      const parts: Buffer[] = [];
      for (const chunk of chunks) {
        reader.begin(chunk.length, false);
        assert.equal(
          reader.read(chunk, 0, (slice) => parts.push(slice)),
          chunk.length,
        );
      }
      reader.begin(0, true);
      return { fault: reader.fault, facts: reader.facts, content: Buffer.concat(parts) };
    };
    const one = read([whole]);
    const many = read(pieces);
    assert.equal(many.fault, one.fault);
    if (one.fault === undefined) assert.deepEqual(many, one);
    if (isBinaryMime) assert.deepEqual(one.content, whole);
    // Content that is not called binary can go on by DATA.
    if (one.fault === undefined && !one.facts.isBinary && one.facts.endsWithCrlf)
      checkDataSafe(one.content, one.facts);
  }
}

function checkDataSafe(content: Buffer, facts: ContentFacts): void {
  const wire = Buffer.concat([...stuff([content], facts)]);
  assert.equal(Buffer.concat([Buffer.from('\r\n'), wire]).indexOf('\r\n.\r\n'), wire.length - 3);
}

function checkStuffing(input: Uint8Array): void {
  const { whole, pieces } = cut(input);
  const write = (chunks: readonly Buffer[]) => {
    try {
      return { wire: Buffer.concat([...stuff(chunks)]).toString('latin1') };
    } catch (error) {
      assert.ok(error instanceof LineEndError);
      return { code: error.code };
    }
  };
  const { wire } = write([whole]);
  assert.deepEqual(write(pieces), write([whole]));
  const isClean = !/\r(?!\n)|(?<!\r)\n/.test(whole.toString('latin1'));
  assert.equal(wire !== undefined, isClean, 'all and only bare CR and LF are refused');
  if (wire !== undefined) assert.equal(`\r\n${wire}`.indexOf('\r\n.\r\n'), wire.length - 3);
}

function checkReply(input: Uint8Array): void {
  const { whole, pieces } = cut(input);
  const read = (chunks: readonly Buffer[]) => {
    const reader = new ReplyReader();
    const found: unknown[] = [];
    for (const chunk of chunks) {
      reader.push(chunk);
      for (let reply = reader.take(); reply !== undefined; reply = reader.take()) {
        found.push(reply);
        if (typeof reply === 'string') return found;
        for (const line of reply.lines) assert.match(line, /^[\p{L}\p{M}\p{N}\p{P}\p{S} ]*$/u);
        assert.match(formatReply(reply), /^(?:\d{3}[ -][ -~]*\r\n)+$/);
        parseExtensions(reply);
      }
    }
    return found;
  };
  assert.deepEqual(read(pieces), read([whole]));
}
