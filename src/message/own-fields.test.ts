/** Tests that fields which only we write are left out, and that no first line extends a field of ours. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { factsOf } from './facts.ts';
import { Incoming } from './incoming.ts';

/** The text that passes, cut into pieces of this length, and its growth in octets. */
function passes(text: string, piece = text.length, dropsOurs = true) {
  const octets = Buffer.from(text, 'latin1');
  const passed: Buffer[] = [];
  const incoming = new Incoming({
    sink: { write: (written) => void passed.push(Buffer.from(written)) },
    trace: '',
    withholds: false,
    onHeader: ({ own }) => ({
      kind: 'keep',
      edits: dropsOurs && own > 0 ? [{ kind: 'remove-own' }] : undefined,
    }),
  });
  for (let at = 0; at < octets.length; at += Math.max(1, piece))
    assert.equal(incoming.write(Buffer.from(octets.subarray(at, at + Math.max(1, piece)))), undefined);
  assert.equal(incoming.end(), undefined);
  const { size } = incoming.facts({ size: octets.length, ...factsOf(octets) });
  return { text: Buffer.concat(passed).toString('latin1'), growth: size - octets.length };
}

const body = '\r\nX-Posthouse-Bulk: body\r\n more\r\n';

test('a field that only we write is left out when a stranger brings it, whole and in any spelling', () => {
  const table = [
    ['X-Posthouse-Bulk: mx.ours.test; no\r\nSubject: a\r\n', 'Subject: a\r\n'],
    ['Subject: a\r\nx-POSTHOUSE-bulk: no\r\n\tfolded\r\n  twice\r\nTo: b\r\n', 'Subject: a\r\nTo: b\r\n'],
    ['X-Posthouse-Anything:\r\nX-Posthouse-Other : 1\r\n', ''],
    ['X-Posthouse: not ours\r\n', 'X-Posthouse: not ours\r\n'],
    ['X-Postho: 1\r\nX-Posthouse\r\n', 'X-Postho: 1\r\nX-Posthouse\r\n'],
    ['Subject: a\r\n X-Posthouse-Bulk: folded\r\n', 'Subject: a\r\n X-Posthouse-Bulk: folded\r\n'],
    [`To: ${'x'.repeat(70_000)}\r\nX-Posthouse-Bulk: far\r\n`, `To: ${'x'.repeat(70_000)}\r\n`],
  ] as const;
  for (const [header, kept] of table) {
    const text = header + body;
    for (const piece of [text.length, 1, 2, 3, 5, 11, 12, 13]) {
      const found = passes(text, piece);
      assert.equal(found.text, kept + body);
      assert.equal(found.growth, kept.length - header.length);
    }
  }
});

test('it stays where it is trusted', () => {
  const text = `X-Posthouse-Bulk: edge.ours.test; bulk\r\nSubject: a\r\n${body}`;
  assert.deepEqual(passes(text, text.length, false), { text, growth: 0 });
});

test('a first line that begins with a blank is the body, and extends no field of ours', () => {
  for (const text of [
    ' continued\r\nSubject: a\r\n\r\nbody',
    '\tfrom evil.example by us;\r\n',
    ' ',
    ' X-Posthouse-Bulk: no\r\n',
  ])
    for (const dropsOurs of [true, false])
      for (const piece of [text.length, 1, 2])
        assert.deepEqual(passes(text, piece, dropsOurs), { text: `\r\n${text}`, growth: 2 }, text);
  for (const text of [
    '',
    '\r\n',
    '\r\n body\r\n',
    'Subject: a\r\n folded\r\n\r\n',
    'body without a header\r\n',
  ])
    assert.deepEqual(passes(text), { text, growth: 0 });
});

test('a message that ends within the beginning of a name loses nothing', () => {
  for (const text of ['X-Post', 'Subject: a\r\nx-posthouse', 'Subject: a\r\n\r', 'X'])
    for (const piece of [text.length, 1, 4]) assert.deepEqual(passes(text, piece), { text, growth: 0 });
});

test('however the octets are cut, the same passes, and the growth says by how much', () => {
  const line = fc.constantFrom(
    'X-Posthouse-Bulk: 1\r\n',
    'x-posthouse-',
    ' folded\r\n',
    'To: a\r\n',
    '\r\n',
    '\n',
    '\r',
    'X-Post',
  );
  fc.assert(
    fc.property(fc.array(line, { maxLength: 12 }), fc.integer({ min: 1, max: 40 }), (lines, piece) => {
      const text = lines.join('');
      const whole = passes(text);
      assert.deepEqual(passes(text, piece), whole);
      assert.equal(whole.text.length, text.length + whole.growth);
    }),
    { numRuns: 2000 },
  );
});
