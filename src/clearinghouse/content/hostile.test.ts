import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { threadMs } from '../../base/testing.ts';
import { bodyDigest, legacyKeys } from '../keys/keys.ts';
import { readContent } from './read.ts';

const octets = 400_000;
/**
 * Far more than any of these takes, and far less than time that grows with the square of the length: that is minutes.
 */
const maxMs = 3000;

const page = 'Content-Type: text/html\r\n\r\n';
const again = (text: string) => text.repeat(Math.ceil(octets / text.length));

/** Texts that make a naive reader search again and again for an end that never comes. */
const hostile: Readonly<Record<string, string>> = {
  ...Object.fromEntries(
    [
      '<',
      '<!--',
      '<!-- ',
      '&',
      '&#',
      '&#x',
      '<div>',
      '</div>',
      '<a href="',
      '<a "',
      "<a '",
      '<a b=',
      '<![CDATA[',
    ].map((text) => [`a page of ${text}`, page + again(text)]),
  ),
  ...Object.fromEntries(
    [
      '<script>',
      '<style>',
      '<script></style>',
      '</script ',
      '<br><',
      '<br><"',
      '<p style="',
      "<p style='a:b;",
    ].map((text) => [`a page of ${text}`, page + again(text)]),
  ),
  ...Object.fromEntries(
    ['{', 'a{', '/*', 'a ', 'a', '@media', '@media{', '@media{a{}', '}', '.a,', '#'].map((text) => [
      `a sheet of ${text}`,
      `${page}<style>${again(text)}</style>x`,
    ]),
  ),
  ...Object.fromEntries(
    ['/*', ' ', ' : ', 'font:', 'a;', '(', 'color:'].map((text) => [
      `a style of ${text}`,
      `${page}<p style="${again(text)}x">x`,
    ]),
  ),
  ...Object.fromEntries(
    [
      'a',
      '@',
      'a@',
      '@a',
      'a@b.',
      '!',
      '$!',
      "a'",
      'i-',
      'i.i ',
      '\r',
      '\n',
      ' ',
      '\t',
      '> ',
      '1-(',
      'AA00',
      'www.',
    ].map((text) => [`a text of ${JSON.stringify(text)}`, `\r\n${again(text)}x`]),
  ),
  ...Object.fromEntries(
    ['http://', 'http://a.', 'x=', ' www.', '%41', ' '].map((text) => [
      `a link and ${text}`,
      `${page}<a href="http://${again(text)}">x http://x`,
    ]),
  ),
  ...Object.fromEntries(
    ['a', '@', 'a@', 'a@b ', '<', '=?', '=?u?q?a', ' ', 'a\r\n '].flatMap((text) =>
      [
        'To',
        'From',
        'Reply-To',
        'List-Id',
        'Content-Type',
        'Content-Type: multipart/mixed; boundary',
      ].flatMap((name) =>
        ['x', '<', '>'].map((end) => [
          `${name} of ${text} that ends in ${end}`,
          `${name}: ${again(text)}${end}\r\n\r\nx`,
        ]),
      ),
    ),
  ),
  'many boundaries': `${again('Content-Type: multipart')} boundary=\r\n\r\nx`,
  'a boundary of brackets':
    'Content-Type: multipart/mixed; boundary="((([["\r\n\r\n\n--((([[\n\nhello there\n',
  ...Object.fromEntries(
    ['\u0301\u0316', '\ufdfa', '\ufdfa ', '\u1f82', '\u1100\u1161', 'a\u0430', '\u6f22'].map((text) => [
      `a text of ${[...text].map((one) => one.codePointAt(0)?.toString(16)).join(' ')}`,
      `Content-Type: text/plain; charset=utf-8\r\n\r\na${text.repeat(octets / 2)}x`,
    ]),
  ),
  ...Object.fromEntries(
    ['@', 'a@b.c', 'www.', '://', '\u00e9', '\u0130', '> ', "a'", 'v i a g ', 'a b c d@', ''].map((line) => [
      `lines of ${line}`,
      `Content-Type: text/plain; charset=utf-8\r\n\r\n${again(`${line}\n`)}`,
    ]),
  ),
  'new words with an address each': `x: y\n\n${Array.from({ length: 40_000 }, (_, n) => `w${n.toString(36)},@`).join('\n')}`,
  'a long line of new words with an address at its end': `x: y\n\n${Array.from({ length: 60_000 }, (_, n) => n.toString(36)).join('-')}@`,
  'addresses behind all words that are read': `x: y\n\n${'w '.repeat(20_001)}${' x@y'.repeat(70_000)}`,
  'a heap of marks in a page': `${page}a${again('&#769;&#790;')}x`,
  'a boundary that nearly comes again and again': `Content-Type: multipart/mixed; boundary=${'a'.repeat(9800)}\r\n\r\n${again(`--${'a'.repeat(200)}b`)}${again('a')}`,
  'hosts of Razor': `Content-Type: multipart/mixed; boundary=b\r\n\r\n${Array.from(
    { length: 16 },
    (_, part) =>
      `--b\r\n\r\nhttp://x ${Array.from({ length: 3000 }, (_, n) => `www.${part}.${n}<http://a${part}.${n}`).join(' ')}\r\n`,
  ).join('')}`,
  'a long boundary': `Content-Type: multipart/mixed; boundary=${again('b')}\r\n\r\n--b`,
  'nested messages': again('Content-Type: message/rfc822\r\n\r\n'),
  'many parts': `Content-Type: multipart/mixed; boundary=b\r\n\r\n${again('--b\r\n\r\n')}`,
};

for (const [name, message] of Object.entries(hostile)) {
  test(`${name}: read in time that grows with its length`, () => {
    const begun = threadMs();
    const { leaves, words } = readContent(Buffer.from(message), { recipients: ['anna@x.example'] });
    legacyKeys(Buffer.from(message), leaves);
    bodyDigest(leaves);
    assert.ok(words.length <= 20_000);
    const ms = threadMs() - begun;
    assert.ok(ms < maxMs, `${Math.round(ms)} ms`);
  });
}

test('nothing that is remembered of a page keeps the page itself in memory', () => {
  const filler = 'word '.repeat(100_000);
  const page = (n: number) =>
    Buffer.from(
      `From: a@a-long-name-${n}.example.org\nContent-Type: text/html\n\n<html><style>.c{color:red;padding:${n}px ${n}px}</style>` +
        `<p class=c style="color:#123456;padding:${n}px ${n}px">x <a href="http://a-long-name-${n}.example.net/">y</a>${filler}`,
    );
  const held = () => {
    setFlagsFromString('--expose-gc');
    runInNewContext('gc')();
    return process.memoryUsage().heapUsed;
  };
  readContent(page(-1));
  const before = held();
  for (let n = 0; n < 60; n++) readContent(page(n));
  assert.ok(held() - before < 10e6, `${held() - before} octets of 60 pages of 500 KB are held`);
});
