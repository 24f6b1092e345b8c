import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { authLineOctets, CommandInput, commandLineOctets } from './index.ts';

const octets = (text: string) => Buffer.from(text, 'latin1');

/** All lines of the chunks: the text, or the kind in brackets when it is no line. */
function lines(chunks: readonly Buffer[], input = new CommandInput()): string[] {
  const found: string[] = [];
  for (const chunk of chunks) {
    input.push(chunk);
    for (let line = input.takeLine(); line !== undefined; line = input.takeLine()) {
      found.push(line.kind === 'line' ? line.text : `(${line.kind})`);
    }
  }
  return found;
}

/** Checks the lines of the text as one chunk, in all pairs of chunks, and one octet at a time. */
function check(text: string, expected: readonly string[], maxLineOctets?: number): void {
  const all = octets(text);
  const input = () => new CommandInput(maxLineOctets === undefined ? {} : { maxLineOctets });
  assert.deepEqual(lines([all], input()), expected, JSON.stringify(text));
  for (let at = 1; at < all.length; at++) {
    assert.deepEqual(lines([all.subarray(0, at), all.subarray(at)], input()), expected, JSON.stringify(text));
  }
  const single = Array.from(all, (_, at) => all.subarray(at, at + 1));
  assert.deepEqual(lines(single, input()), expected, JSON.stringify(text));
}

test('a line ends at CRLF', () => {
  check('EHLO a\r\nNOOP\r\n', ['EHLO a', 'NOOP']);
  check('\r\n', ['']);
  check('NOOP', []);
  check('NOOP\r', []);
  check('a\tb\x01\r\n', ['a\tb\x01']);
});

test('a line with a bare LF is answered once, and what is behind the LF is no command', () => {
  check('NOOP\n', ['(bare-line-end)']);
  check('\n', ['(bare-line-end)']);
  check('NOOP\nMAIL FROM:<a@b>\r\nQUIT\r\n', ['(bare-line-end)', 'QUIT']);
  check('NOOP\n\r\nQUIT\r\n', ['(bare-line-end)', 'QUIT']);
});

test('a peer that ends every line with LF gets an answer for each', () => {
  check('EHLO a\nMAIL FROM:<a@b>\nQUIT\n', ['(bare-line-end)', '(bare-line-end)', '(bare-line-end)']);
});

test('a line with a bare CR is answered once', () => {
  check('NOOP\rMAIL FROM:<a@b>\r\nQUIT\r\n', ['(bare-line-end)', 'QUIT']);
  check('NOOP\r\r\nQUIT\r\n', ['(bare-line-end)', 'QUIT']);
  check('NOOP\rQUIT\n', ['(bare-line-end)']);
});

test('other characters do not end a line', () => {
  check('a\x0bb\x0cc\r\n', ['a\x0bb\x0cc']);
  check('a\xc2\x85b\xe2\x80\xa8c\r\n', ['a\u0085b\u2028c']);
});

test('UTF-8 is decoded; a NUL and what is no UTF-8 is flagged', () => {
  check('MAIL FROM:<\xc3\xbc@d>\r\n', ['MAIL FROM:<ü@d>']);
  check('NOOP \xff\r\nNOOP\r\n', ['(invalid)', 'NOOP']);
  check('NOOP \xc3\r\nNOOP\r\n', ['(invalid)', 'NOOP']);
  check('NO\0OP\r\nNOOP\r\n', ['(invalid)', 'NOOP']);
  check('\xed\xa0\x80\r\n', ['(invalid)']);
});

test('a line over the limit is consumed and refused once', () => {
  const fits = `${'a'.repeat(8)}\r\n`;
  check(`${fits}NOOP\r\n`, ['aaaaaaaa', 'NOOP'], 10);
  check(`a${fits}NOOP\r\n`, ['(too-long)', 'NOOP'], 10);
  check(`${'a'.repeat(50)}\r\nNOOP\r\n`, ['(too-long)', 'NOOP'], 10);
  check(`${'a'.repeat(50)}\nNOOP\r\nQUIT\r\n`, ['(too-long)', 'QUIT'], 10);
  check(`a\n${'a'.repeat(50)}\r\nQUIT\r\n`, ['(bare-line-end)', 'QUIT'], 10);
  check(`${'\r'.repeat(50)}\r\nQUIT\r\n`, ['(too-long)', 'QUIT'], 10);
});

test('the limits are those of the protocol with room for extensions', () => {
  assert.ok(commandLineOctets >= 512 + 500 + 1000);
  assert.equal(authLineOctets, 12288 + 2);
  const input = new CommandInput();
  assert.equal(input.maxLineOctets, commandLineOctets);
  input.maxLineOctets = authLineOctets;
  assert.deepEqual(lines([octets(`${'a'.repeat(12288)}\r\n`)], input), ['a'.repeat(12288)]);
  input.maxLineOctets = commandLineOctets;
  assert.deepEqual(lines([octets(`${'a'.repeat(12288)}\r\n`)], input), ['(too-long)']);
});

test('a line that never ends is not kept', () => {
  const input = new CommandInput();
  for (let i = 0; i < 1000; i++) {
    input.push(Buffer.alloc(1000, 'a'));
    assert.equal(input.takeLine(), undefined);
    assert.ok(input.buffered < commandLineOctets);
  }
  assert.deepEqual(lines([octets('\r\nNOOP\r\n')], input), ['(too-long)', 'NOOP']);
});

test('the rest behind a line is given over whole, once', () => {
  const input = new CommandInput();
  input.push(octets('DATA\r\nbody\r\n'));
  assert.deepEqual(input.takeLine(), { kind: 'line', text: 'DATA' });
  assert.equal(input.buffered, 6);
  assert.equal(input.takeRest()?.toString(), 'body\r\n');
  assert.equal(input.buffered, 0);
  assert.equal(input.takeRest(), undefined);
  input.push(octets('QU'));
  assert.equal(input.takeLine(), undefined);
  input.push(octets('IT\r\n'));
  assert.deepEqual(input.takeLine(), { kind: 'line', text: 'QUIT' });
});

test('the lines do not depend on where the chunks end, and every CRLF line gets one answer', () => {
  const piece = fc.constantFrom('\r\n', '\r', '\n', 'a', '\0', '\xff', 'NOOP', 'x'.repeat(12));
  const places = fc.array(fc.integer({ min: 0, max: 60 }), { maxLength: 6 });
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 20 }), places, (pieces, cuts) => {
      const all = octets(pieces.join(''));
      const chunks: Buffer[] = [];
      let from = 0;
      for (const at of [...new Set(cuts)].sort((a, b) => a - b).filter((cut) => cut < all.length)) {
        chunks.push(all.subarray(from, at));
        from = at;
      }
      chunks.push(all.subarray(from));
      const input = () => new CommandInput({ maxLineOctets: 16 });
      assert.deepEqual(lines(chunks, input()), lines([all], input()));
      // Every line that is passed on ended with CRLF and holds none.
      for (const text of lines([all], input())) assert.ok(!/[\r\n\0]/.test(text));
    }),
    { numRuns: 2000 },
  );
});
