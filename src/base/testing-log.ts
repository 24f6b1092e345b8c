/** Hostile values, and readings of lines, that the tests of each format of the log share. */
import assert from 'node:assert/strict';
import { type LogFormat, openLog } from './log-writer.ts';

/** A log in memory. */
export function capture(format: LogFormat, isTTY = false) {
  const stream = { text: '', isTTY, write: (part: string) => (stream.text += part) };
  return { log: openLog({ format, stream }), stream };
}

/** Values with characters that must not reach a line raw. */
export const hostile = [
  ['a line end', 'x\r\nrelay=ok', ['\r', '\nrelay']],
  ['an ANSI escape', 'x\x1b[2Jx', ['\x1b']],
  ['a C1 control', 'x\x9b31mx', ['\x9b']],
  ['DEL', 'x\x7f', ['\x7f']],
  ['a bidi override', 'moc.\u202eelpmaxe', ['\u202e']],
  ['a line separator', 'x\u2028y\u2029z', ['\u2028', '\u2029']],
  ['an unpaired surrogate', 'x\ud800y', ['\ud800']],
  ['an invisible tag character', 'x\u{e0041}y', ['\u{e0041}']],
  ['a long value with a bidi override', `${'x'.repeat(200)}\u2066`, ['\u2066']],
] as const;

/** Logs a value in every field of a peer's text; asserts that the lines hold none of the characters. */
export function hostileLines(
  format: LogFormat,
  value: string,
  raw: readonly string[],
): { readonly text: string } {
  const { log, stream } = capture(format);
  log.info('refused', {
    helo: value,
    from: value,
    to: value,
    reply: `550 5.7.1 ${value}`,
    client: value,
  });
  log.warn('odd', { value });
  assert.equal(stream.text.split('\n').length, 3);
  for (const text of raw) assert.ok(!stream.text.includes(text));
  return stream;
}

/** Reads `key=value …` back, as a program would that knows the format. */
export function fieldsOf(text: string): [string, string][] {
  const pattern = / ([\w.-]+)=(?:("(?:[^"\\]|\\.)*")|([^\s"'`=\\]+))(?= |$)/gy;
  const found = [...` ${text}`.matchAll(pattern)];
  assert.equal(found.map(([all]) => all).join(''), ` ${text}`, 'nothing is left over');
  return found.map(([, key = '', quoted, word = '']) => [
    key,
    quoted === undefined ? word : JSON.parse(quoted),
  ]);
}

/** Values that could end their field or begin another one. */
export const breakouts = [
  ...[
    '\\',
    '\\" b=c',
    'x\\',
    'a\\\\" b="c',
    '"',
    "'",
    'a=b',
    ' ',
    '',
    '\\u001b',
    '\x1b',
    '\n b=c',
    '\u2028b=c',
  ],
  ...['\u0085', '\u00a0b=c', '\u3000b=c', '\u202e', '\u{e0001}', '\ud800', '`id`', '{"a":"b\\\\"}'],
];
