import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Reply } from '../mail/index.ts';
import { formatReply, ReplyReader } from './index.ts';

type Taken = Reply | 'invalid' | 'too-long';

function takeAll(chunks: readonly Buffer[]): Taken[] {
  const reader = new ReplyReader();
  const taken: Taken[] = [];
  for (const chunk of chunks) {
    reader.push(chunk);
    for (let next = reader.take(); next !== undefined; next = reader.take()) {
      taken.push(next);
      if (typeof next === 'string') return taken;
    }
  }
  return taken;
}

const octets = (text: string) => Buffer.from(text, 'latin1');

/** The replies of the text, which must be the same as one chunk and one octet at a time. */
function read(text: string): Taken[] {
  const all = octets(text);
  const whole = takeAll([all]);
  assert.deepEqual(takeAll(Array.from(all, (_, at) => all.subarray(at, at + 1))), whole);
  return whole;
}

test('a reply has a code, perhaps a status, and text on one or more lines', () => {
  const table: readonly (readonly [string, Reply])[] = [
    ['220 mx.example ESMTP\r\n', { code: 220, lines: ['mx.example ESMTP'] }],
    ['250\r\n', { code: 250, lines: [''] }],
    ['250 \r\n', { code: 250, lines: [''] }],
    ['250-a\r\n250-b\r\n250 c\r\n', { code: 250, lines: ['a', 'b', 'c'] }],
    ['250-\r\n250\r\n', { code: 250, lines: ['', ''] }],
    ['550 5.7.1 no\r\n', { code: 550, detail: '7.1', lines: ['no'] }],
    ['550 5.7.1\r\n', { code: 550, detail: '7.1', lines: [''] }],
    ['550-5.7.1 no\r\n550 5.7.1 way\r\n', { code: 550, detail: '7.1', lines: ['no', 'way'] }],
    ['550-5.7.1 no\r\n550 way\r\n', { code: 550, detail: '7.1', lines: ['no', 'way'] }],
    ['550 4.7.1 class differs\r\n', { code: 550, lines: ['4.7.1 class differs'] }],
    ['250 10.0.0.1 hello\r\n', { code: 250, lines: ['10.0.0.1 hello'] }],
    ['250 2.0.0.1 hello\r\n', { code: 250, lines: ['2.0.0.1 hello'] }],
    ['334 \r\n', { code: 334, lines: [''] }],
  ];
  for (const [text, expected] of table) assert.deepEqual(read(text), [expected], text);
});

test('of a reply with several codes the last line counts when it refuses', () => {
  const table: readonly (readonly [string, Reply])[] = [
    ['250-a\r\n550 5.1.1 no\r\n', { code: 550, detail: '1.1', lines: ['a', 'no'] }],
    ['450-4.2.1 a\r\n550-5.1.1 b\r\n550 c\r\n', { code: 550, lines: ['a', 'b', 'c'] }],
    ['550-5.1.1 a\r\n450 4.2.1 b\r\n', { code: 450, detail: '2.1', lines: ['a', 'b'] }],
    ['250-a\r\n421\r\n', { code: 421, lines: ['a', ''] }],
  ];
  for (const [text, expected] of table) assert.deepEqual(read(text), [expected], text);
});

test('pipelined replies come one by one', () => {
  assert.deepEqual(read('250 a\r\n550 5.1.1 b\r\n354 c\r\n'), [
    { code: 250, lines: ['a'] },
    { code: 550, detail: '1.1', lines: ['b'] },
    { code: 354, lines: ['c'] },
  ]);
});

test('what is no reply is invalid, and nothing is read after it', () => {
  for (const text of [
    'hello\r\n',
    '\r\n',
    '25 x\r\n',
    '2500 x\r\n',
    '150 x\r\n',
    '650 x\r\n',
    '250\tx\r\n',
    '250-a\r\n251 b\r\n',
    '550-a\r\n250 b\r\n',
    '250-a\r\n550-b\r\n250 c\r\n',
  ]) {
    assert.deepEqual(read(`${text}250 ok\r\n`), ['invalid'], JSON.stringify(text));
  }
  const reader = new ReplyReader();
  reader.push(octets('x\r\n'));
  assert.equal(reader.take(), 'invalid');
  reader.push(octets('250 ok\r\n'));
  assert.equal(reader.take(), 'invalid');
});

test('a bare LF cannot smuggle a reply into the text that a server quotes', () => {
  assert.deepEqual(read('220 hello\r\n550 you said "\n250 ok\r\n'), [
    { code: 220, lines: ['hello'] },
    'invalid',
  ]);
});

test('a server that ends its greeting with LF is read to the end', () => {
  assert.deepEqual(read('220 hello\n250-a\n250 b\r\n'), [
    { code: 220, lines: ['hello'] },
    { code: 250, lines: ['a', 'b'] },
  ]);
});

test('text is made harmless', () => {
  assert.deepEqual(read('250 a\x1b[31m\tb\0\x80\r\n'), [{ code: 250, lines: ['a?[31m b??'] }]);
  assert.deepEqual(read('250 a\rb\r\n'), [{ code: 250, lines: ['a?b'] }]);
});

test('UTF-8 of a server stays readable, and what would hide in it does not stay', () => {
  const said = (text: string) => takeAll([Buffer.from(`550 5.1.1 ${text}\r\n`)]);
  const line = (text: string) => [{ code: 550, detail: '1.1', lines: [text] }];
  for (const text of ['gelöscht', 'нет такого ящика', '该用户不存在', 'é', '👍'])
    assert.deepEqual(said(text), line(text));
  assert.deepEqual(said('a\u202eb\u200bc\u2028d\u0085e\u00a0f\u{e0041}\ufeff'), line('a?b?c?d?e f??'));
  // Text that is partly UTF-8 is not guessed at.
  const half = Buffer.concat([Buffer.from('550 5.1.1 ü'), Buffer.from([0xfc]), Buffer.from('\r\n')]);
  assert.deepEqual(takeAll([half]), line('???'));
  // The same wherever the chunks end.
  const whole = Buffer.from('550 5.1.1 gelöscht\r\n');
  assert.deepEqual(takeAll([...whole].map((octet) => Buffer.from([octet]))), line('gelöscht'));
});

test('a hostile server cannot fill the memory', () => {
  assert.deepEqual(takeAll([octets(`250 ${'x'.repeat(4090)}\r\n`)]).length, 1);
  assert.deepEqual(read(`250 ${'x'.repeat(5000)}\r\n`), ['too-long']);
  assert.deepEqual(takeAll([octets('2'.repeat(5000))]), ['too-long']);
  assert.deepEqual(takeAll([octets('250-x\r\n'.repeat(600))]), ['too-long']);
  assert.deepEqual(takeAll([octets(`250-${'x'.repeat(3000)}\r\n`.repeat(30))]), ['too-long']);
});

test('octets behind the reply taken are seen', () => {
  const reader = new ReplyReader();
  reader.push(octets('220 go\r\n'));
  assert.equal(reader.hasMore, true);
  reader.take();
  assert.equal(reader.hasMore, false);
  reader.push(octets('250-inj'));
  reader.take();
  assert.equal(reader.hasMore, true);
});

test('a reply is written with its code and status on each line', () => {
  const table: readonly (readonly [Reply, string])[] = [
    [{ code: 250, lines: ['ok'] }, '250 ok\r\n'],
    [{ code: 250, detail: '1.0', lines: ['ok'] }, '250 2.1.0 ok\r\n'],
    [{ code: 250, lines: ['a', 'b'] }, '250-a\r\n250 b\r\n'],
    [{ code: 550, detail: '7.1', lines: ['a', 'b'] }, '550-5.7.1 a\r\n550 5.7.1 b\r\n'],
    [{ code: 354, detail: '0.0', lines: ['go'] }, '354 go\r\n'],
    [{ code: 334, lines: [''] }, '334 \r\n'],
    [{ code: 250, lines: [] }, '250 \r\n'],
    [{ code: 550, lines: ['a\r\n250 ok\0ü\x1b'] }, '550 a??250 ok???\r\n'],
  ];
  for (const [value, text] of table) assert.equal(formatReply(value), text);
});

test('long text goes on more lines of at most 512 octets', () => {
  const words = Array.from({ length: 300 }, (_, index) => `word${index}`).join(' ');
  const text = formatReply({ code: 550, detail: '7.1', lines: [words] });
  const lines = text.split('\r\n');
  assert.equal(lines.pop(), '');
  assert.ok(lines.length > 3);
  for (const line of lines) assert.ok(line.length + 2 <= 512);
  assert.equal(lines.map((line) => line.slice(10)).join(' '), words);
  const solid = formatReply({ code: 250, lines: ['x'.repeat(2000)] });
  assert.equal(solid.replace(/250[ -]|\r\n/g, '').length, 2000);
  for (const line of solid.split('\r\n')) assert.ok(line.length <= 510);
});

test('a challenge is never cut', () => {
  assert.equal(formatReply({ code: 334, lines: ['A'.repeat(2000)] }), `334 ${'A'.repeat(2000)}\r\n`);
});

test('what the server writes is what the client reads', () => {
  const line = fc
    .string({ unit: 'grapheme-ascii', maxLength: 100 })
    .filter((text) => !/^\d\.\d+\.\d+(?: |$)/.test(text));
  const value = fc.record({
    code: fc.integer({ min: 200, max: 599 }),
    detail: fc.option(fc.constantFrom('0.0', '7.1', '1.10', '7.509')),
    lines: fc.array(line, { minLength: 1, maxLength: 5 }),
  });
  fc.assert(
    fc.property(
      fc.array(value, { minLength: 1, maxLength: 3 }),
      fc.integer({ min: 1, max: 50 }),
      (values, piece) => {
        const replies: Reply[] = values.map(({ code, detail, lines }) =>
          detail === null || (code >= 300 && code < 400) ? { code, lines } : { code, detail, lines },
        );
        const wire = octets(replies.map(formatReply).join(''));
        const chunks: Buffer[] = [];
        for (let at = 0; at < wire.length; at += piece) chunks.push(wire.subarray(at, at + piece));
        assert.deepEqual(takeAll(chunks), replies);
      },
    ),
  );
});

test('random octets never make the reader throw, and every text is printable', () => {
  const piece = fc.constantFrom('250', '-', ' ', '\r\n', '\n', '\r', '5.7.1', 'x', '\0', '\xff', '550 ');
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => {
      for (const taken of read(pieces.join(''))) {
        if (typeof taken === 'string') continue;
        for (const line of taken.lines) assert.match(line, /^[ -~]*$/);
      }
    }),
    { numRuns: 1000 },
  );
});

test('of a long refusal 4 KB are kept, and of a long offer all of it', () => {
  const lines = (code: number) => `${`${code}-${'x'.repeat(500)}\r\n`.repeat(100)}${code} end\r\n`;
  const [refusal, offer] = read(lines(550) + lines(250));
  assert.ok(typeof refusal === 'object' && typeof offer === 'object');
  assert.equal(refusal.code, 550);
  assert.equal(refusal.lines.length, 8);
  assert.equal(offer.lines.length, 101);
});
