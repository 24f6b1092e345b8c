import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { BdatReader } from './index.ts';

const octets = (text: string) => Buffer.from(text, 'latin1');
type Limits = Partial<ConstructorParameters<typeof BdatReader>[0]>;

/** Sends each text as one BDAT chunk, cut into pieces of `piece` octets, the last one with LAST. */
function read(chunks: readonly string[], limits: Limits = {}, piece = Number.POSITIVE_INFINITY) {
  const reader = new BdatReader({ maxOctets: 10_000, ...limits });
  let content = '';
  chunks.forEach((chunk, index) => {
    reader.begin(chunk.length, index === chunks.length - 1);
    const all = octets(chunk);
    let at = 0;
    while (at < all.length) {
      const next = Math.min(all.length, at + piece);
      const end = reader.read(all.subarray(at, next), 0, (slice) => {
        content += slice.toString('latin1');
      });
      assert.equal(end, next === all.length ? next - at : -1);
      at = next;
    }
    assert.equal(reader.left, 0);
  });
  return { content, fault: reader.fault, facts: reader.facts };
}

test('a chunk is as long as announced, whatever is in it', () => {
  const reader = new BdatReader({ maxOctets: 100 });
  reader.begin(5, true);
  const emitted: string[] = [];
  assert.equal(
    reader.read(octets('.\r\n'), 0, (slice) => emitted.push(slice.toString())),
    -1,
  );
  assert.equal(
    reader.read(octets('xx.\r\nQUIT\r\n'), 2, (slice) => emitted.push(slice.toString())),
    4,
  );
  assert.deepEqual(emitted, ['.\r\n', '.\r']);
});

test('chunks are put together, and a chunk may be empty', () => {
  const result = read(['a\r\n', '', '.b\r', '\nc']);
  assert.equal(result.content, 'a\r\n.b\r\nc');
  assert.equal(result.fault, undefined);
  assert.deepEqual(result.facts, {
    size: 8,
    hasEightBit: false,
    hasLeadingDot: true,
    endsWithCrlf: false,
    isBinary: false,
  });
  assert.equal(read(['a\r', '\n', '']).fault, undefined);
  assert.equal(read(['a\r\n', '']).facts.endsWithCrlf, true);
  assert.equal(read(['']).facts.endsWithCrlf, true);
});

test('bare CR and LF are faults, also across chunks and at the end', () => {
  const table: readonly (readonly [readonly string[], string])[] = [
    [['a\nb'], 'bare-lf'],
    [['\n'], 'bare-lf'],
    [['a', '\nb'], 'bare-lf'],
    [['a\rb'], 'bare-cr'],
    [['a\r', 'b'], 'bare-cr'],
    [['a\r', '\r\n'], 'bare-cr'],
    [['a\r'], 'bare-cr'],
    [['a\r', ''], 'bare-cr'],
    [['a\0'], 'nul'],
    [['\r\n.\n', 'MAIL FROM:<a@b>\r\n'], 'bare-lf'],
    [['\r', '.\r\n'], 'bare-cr'],
  ];
  for (const [chunks, fault] of table) {
    for (const piece of [1, 2, 100]) {
      assert.equal(read(chunks, {}, piece).fault, fault, JSON.stringify(chunks));
      const binary = read(chunks, { isBinaryMime: true }, piece);
      assert.equal(binary.fault, undefined);
      assert.equal(binary.facts.isBinary, true, JSON.stringify(chunks));
      assert.equal(binary.content, chunks.join(''));
    }
  }
});

test('BINARYMIME content that is text is not binary', () => {
  assert.equal(read(['a\r\nb\r\n'], { isBinaryMime: true }).facts.isBinary, false);
  assert.equal(read([`${'x'.repeat(998)}\r\n`], { isBinaryMime: true }).facts.isBinary, false);
  assert.equal(read([`${'x'.repeat(999)}\r\n`], { isBinaryMime: true }).facts.isBinary, true);
  assert.equal(read(['x'.repeat(999)], { isBinaryMime: true }, 10).facts.isBinary, true);
  assert.equal(read([`a\n.b\r\n`], { isBinaryMime: true }).facts.hasLeadingDot, true);
});

test('a message over the limit is a fault as soon as it is announced, and is still read', () => {
  const reader = new BdatReader({ maxOctets: 4 });
  reader.begin(99_999_999_999_999, true);
  assert.equal(reader.fault, 'too-big');
  assert.equal(
    reader.read(octets('abcdef'), 0, () => assert.fail('emitted')),
    -1,
  );
  assert.equal(reader.left, 99_999_999_999_993);
  assert.equal(read(['abc', 'd'], { maxOctets: 4 }).fault, undefined);
  assert.equal(read(['abc', 'de'], { maxOctets: 4 }).fault, 'too-big');
});

test('a line limit is kept across chunks', () => {
  assert.equal(read(['aaaa', 'aa\r\n'], { maxLineOctets: 6 }).fault, undefined);
  assert.equal(read(['aaaa', 'aaa\r\n'], { maxLineOctets: 6 }).fault, 'line-too-long');
  assert.equal(read(['aaaa', 'aaa'], { maxLineOctets: 6 }).fault, 'line-too-long');
});

test('nothing is emitted after a fault', () => {
  assert.equal(read(['good\r\n', 'bad\n', 'more\r\n']).content, 'good\r\n');
});

test('the result does not depend on where chunks and pieces end', () => {
  const text = fc
    .array(fc.constantFrom('\r\n', '\r', '\n', '.', '\0', 'a', '\x80'), { maxLength: 20 })
    .map((pieces) => pieces.join(''));
  fc.assert(
    fc.property(
      fc.array(text, { maxLength: 4 }),
      fc.integer({ min: 1, max: 5 }),
      fc.boolean(),
      (parts, piece, isBinaryMime) => {
        const whole = read([parts.join('')], { isBinaryMime });
        const cut = read([...parts, ''], { isBinaryMime }, piece);
        assert.equal(cut.fault, whole.fault);
        if (whole.fault === undefined) assert.deepEqual(cut, whole);
      },
    ),
    { numRuns: 2000 },
  );
});
