/** Tests that a message comes out as a simple reading of the whole message would have it, however it is cut. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Edit, FieldEdit } from './edit.ts';
import { factsOf } from './facts.ts';
import type { Header } from './header.ts';
import { type HeaderDecision, Incoming } from './incoming.ts';
import { maxWithheldOctets, maxWithheldTogether, Room } from './room.ts';
import { reference } from './testing.ts';

const trace = 'Received: from c by r;\r\n\tnow\r\n';

interface Passing {
  readonly piece?: number;
  readonly atHeader?: readonly FieldEdit[];
  /** Withheld for these. */
  readonly atEnd?: readonly Edit[];
  readonly room?: Room;
  readonly onHeader?: (header: Header) => HeaderDecision | Promise<HeaderDecision>;
}

/** Sends the content in pieces of this length. */
async function pass(
  content: Buffer,
  { piece = content.length, atHeader, atEnd, room, onHeader }: Passing = {},
) {
  const written: Buffer[] = [];
  const seen: Header[] = [];
  const incoming = new Incoming({
    sink: { write: (octets) => void written.push(Buffer.from(octets)) },
    trace,
    room: room ?? new Room(maxWithheldTogether),
    withholds: atEnd !== undefined,
    onHeader: (header) => {
      seen.push(header);
      return onHeader?.(header) ?? { kind: 'keep', edits: atHeader };
    },
  });
  for (let at = 0; at < content.length; at += Math.max(1, piece)) {
    await incoming.write(Buffer.from(content.subarray(at, at + Math.max(1, piece))));
  }
  await incoming.end();
  const beginning = incoming.beginning();
  const early = Buffer.concat(written).length;
  await incoming.finish(atEnd);
  const facts = incoming.facts({ size: content.length, ...factsOf(content) });
  incoming.close();
  const octets = Buffer.concat(written);
  return { text: octets.toString('latin1'), octets, facts, incoming, seen, beginning, early, written };
}

const lines = [
  ...[
    'To: a\r\n',
    'to : b\r\n',
    'Bcc: c\r\n',
    ' folded\r\n',
    '\tx\n',
    'X-Posthouse-Bulk: no\r\n',
    'x-posthouse-',
  ],
  ...[
    'Received: x\r\n',
    'received :\r\n',
    'no field\r\n',
    '\r\n',
    '\n',
    '\r',
    '.',
    'X',
    'To',
    ': ',
    'body \u00e9\r\n',
  ],
];
const content = fc.array(fc.constantFrom(...lines), { maxLength: 14 }).map((each) => each.join(''));
const name = fc.constantFrom('To', 'bcc', 'RECEIVED', 'X-New');
const value = fc.constantFrom(' 1', ' a\r\n\tb', ' a\nb', ' \u00e9', '');
const nth = fc.integer({ min: 1, max: 4 });
const fieldEdit: fc.Arbitrary<FieldEdit> = fc.oneof(
  fc.record({ kind: fc.constant('add' as const), name, value }),
  fc.record({ kind: fc.constant('insert' as const), at: fc.integer({ min: 0, max: 6 }), name, value }),
  fc.record({ kind: fc.constant('change' as const), name, nth, value }),
  fc.record({ kind: fc.constant('remove' as const), name, nth: fc.oneof(nth, fc.constant('all' as const)) }),
  fc.constant<FieldEdit>({ kind: 'remove-own' }),
);
const bodyEdit = fc
  .constantFrom('', 'new\r\n', '.n\u00e9w')
  .map((text): Edit => ({ kind: 'body', octets: Buffer.from(text) }));
const fieldEdits = fc.option(fc.array(fieldEdit, { maxLength: 5 }), { nil: undefined });
const edits = fc.option(fc.array(fc.oneof(fieldEdit, bodyEdit), { maxLength: 5 }), { nil: undefined });
const piece = fc.integer({ min: 1, max: 90 });

test('for any content, any edits and any cuts the message is what a simple reading makes of the whole', async () => {
  await fc.assert(
    fc.asyncProperty(content, piece, fieldEdits, edits, async (text, size, atHeader, atEnd) => {
      const octets = Buffer.from(text);
      const found = await pass(octets, {
        piece: size,
        ...(atHeader && { atHeader }),
        ...(atEnd && { atEnd }),
      });
      const all = [...(atHeader ?? []), ...(atEnd ?? [])];
      const isEdited = atHeader !== undefined || all.length > 0;
      const expected = reference(octets.toString('latin1'), trace, isEdited ? all : undefined);
      assert.equal(found.text, expected.text);
      assert.equal(found.facts.size, expected.text.length - trace.length);
      assert.equal(found.incoming.hops, expected.hops);
      assert.equal(found.seen.length, 1, 'the header is asked about once');
      assert.equal(found.seen[0]?.octets.toString('latin1'), expected.header);
      const after = expected.text.replace(trace, '');
      assert.ok(found.facts.hasEightBit || !/[\x80-\xff]/.test(after));
      assert.ok(found.facts.hasLeadingDot || !/(?:^|\n)\./.test(after.replace(/^\n/, '')));
      if (atEnd !== undefined) {
        assert.equal(found.early, 0, 'nothing goes on before its end');
        assert.deepEqual(found.beginning, octets);
      }
    }),
    { numRuns: 3000 },
  );
});

test('a message in one slice passes uncopied behind its trace, and a cut one in as few pieces', async () => {
  const slice = Buffer.from('Subject: a\r\nTo: b\r\n\r\nbody\r\n');
  const writes: Uint8Array[] = [];
  const sink = { write: (octets: Uint8Array) => void writes.push(octets) };
  const incoming = new Incoming({ sink, trace, room: new Room(0), withholds: false });
  assert.equal(incoming.write(slice), undefined);
  assert.equal(writes.length, 2);
  assert.equal(writes[1], slice);
  const more = Buffer.from('more\r\n');
  assert.equal(incoming.write(more), undefined);
  assert.equal(writes[2], more);
  assert.equal(incoming.end(), undefined);
});

test('our trace is a field of its own, whatever the content begins with', async () => {
  const table = [
    [' continued\r\nSubject: a\r\n\r\nbody', `\r\n continued\r\nSubject: a\r\n\r\nbody`],
    ['\tfrom evil.example by us;\r\n', '\r\n\tfrom evil.example by us;\r\n'],
    [' ', '\r\n '],
    ['', ''],
    ['\r\n body', '\r\n body'],
    ['Subject: a\r\n folded\r\n\r\n', 'Subject: a\r\n folded\r\n\r\n'],
  ] as const;
  for (const [sent, expected] of table)
    for (const size of [1, 2, 100]) {
      const { text, facts } = await pass(Buffer.from(sent), { piece: size });
      assert.equal(text, trace + expected);
      assert.equal(facts.size, expected.length);
    }
  const bulk: Edit = { kind: 'insert', at: 0, name: 'X-Posthouse-Bulk', value: ' no' };
  const below: Edit = { kind: 'insert', at: 2, name: 'Below', value: ' x' };
  const { text } = await pass(Buffer.from(' body'), { atEnd: [bulk, below] });
  assert.equal(text, `X-Posthouse-Bulk: no\r\n${trace}Below: x\r\n\r\n body`);
});

test('a header without end is gathered to its bound, then looked at and let go on whole', async () => {
  const octets = Buffer.from('X: y\r\n'.repeat(200_000));
  for (const size of [1000, 65_536, octets.length]) {
    const { seen, octets: out, facts } = await pass(octets, { piece: size });
    assert.equal(seen[0]?.cut, 'too-long');
    assert.equal(
      seen[0].octets.length,
      maxWithheldOctets - (maxWithheldOctets % 6) - (maxWithheldOctets % 6 === 0 ? 6 : 0),
    );
    assert.deepEqual(out, Buffer.concat([Buffer.from(trace), octets]));
    assert.equal(facts.size, octets.length);
  }
  const { text } = await pass(octets, {
    piece: 1000,
    atHeader: [{ kind: 'add', name: 'Last', value: ' 1' }],
  });
  assert.equal(text.replace('Last: 1\r\n', ''), trace + octets.toString());
  assert.match(text, /\nX: y\r\nLast: 1\r\nX: y\r\n/);
});

test('63,000 fields are edited, and fields that are all taken out are', async () => {
  const octets = Buffer.from(`${'b:\r\n'.repeat(63_000)}Bcc: x\r\n\r\nbody`);
  const some: FieldEdit[] = [
    { kind: 'remove', name: 'B', nth: 63_000 },
    { kind: 'change', name: 'Bcc', nth: 1, value: ' y' },
  ];
  const { text, seen } = await pass(octets, { piece: 5000, atHeader: some });
  assert.equal(seen[0]?.lines.length, 63_001);
  assert.equal(text, `${trace}${'b:\r\n'.repeat(62_999)}Bcc: y\r\n\r\nbody`);
  const none = await pass(octets, { atHeader: [{ kind: 'remove', name: 'b', nth: 'all' }] });
  assert.equal(none.text, `${trace}Bcc: x\r\n\r\nbody`);
  const own = await pass(Buffer.from(`${'X-Posthouse-A: 1\r\n'.repeat(10_000)}\r\n`), {
    atHeader: [{ kind: 'remove-own' }],
  });
  assert.equal(own.text, `${trace}\r\n`);
});

test('one field of megabytes passes, with edits before it', async () => {
  const octets = Buffer.from(`To: ${'x'.repeat(3_000_000)}\r\nX-Posthouse-Bulk: far\r\n\r\nbody`);
  const { text, seen, incoming } = await pass(octets, {
    piece: 70_000,
    atHeader: [{ kind: 'add', name: 'A', value: ' 1' }],
  });
  assert.equal(text, `${trace}A: 1\r\n${octets}`);
  assert.equal(seen[0]?.octets.length, 0);
  assert.equal(incoming.hasOwnBeyond, true);
  const near = await pass(Buffer.from(`X-Posthouse-Bulk: 1\r\n${octets.toString().replace('X-P', 'Y-P')}`), {
    piece: 70_000,
  });
  assert.equal(near.incoming.hasOwnBeyond, false);
});

test('octet by octet a header of 200 KB takes one pass', async () => {
  const octets = Buffer.from(`${'Subject: some words\r\n'.repeat(10_000)}\r\nbody\r\n`);
  const { octets: out, seen } = await pass(octets, { piece: 1 });
  assert.deepEqual(out, Buffer.concat([Buffer.from(trace), octets]));
  assert.equal(seen[0]?.octets.length, octets.length - 8);
});

test('what is longer than may be withheld goes on without the edits of its end, and its beginning is kept', async () => {
  const header = 'Bcc: a\r\nTo: b\r\n\r\n';
  const octets = Buffer.from(header + 'x'.repeat(2 * maxWithheldOctets));
  const { text, beginning, early } = await pass(octets, {
    piece: 10_000,
    atHeader: [{ kind: 'remove', name: 'Bcc', nth: 'all' }],
    atEnd: [{ kind: 'add', name: 'Late', value: ' 1' }],
  });
  assert.equal(text, trace + octets.toString().replace('Bcc: a\r\n', ''));
  assert.equal(early, text.length);
  assert.ok(beginning.length > maxWithheldOctets && beginning.length < maxWithheldOctets + 10_001);
  assert.deepEqual(beginning, octets.subarray(0, beginning.length));
});

test('the room is shared, given back however a message ends, and a header finds none where it is used up', async () => {
  const room = new Room(1000);
  const sink = { write: () => undefined };
  const begin = () => new Incoming({ sink, trace, room, withholds: true });
  const [first, second] = [begin(), begin()];
  await first.write(Buffer.from(`To: a\r\n\r\n${'x'.repeat(600)}`));
  await second.write(Buffer.from(`To: a\r\n\r\n${'x'.repeat(600)}`));
  assert.deepEqual([first.isWithheld, second.isWithheld], [true, false]);
  assert.equal(second.beginning().length, 609);
  const cut = await pass(Buffer.from(`To: a\r\nCc: ${'x'.repeat(500)}\r\n\r\n`), { piece: 100, room });
  assert.equal(cut.seen[0]?.cut, 'no-room');
  assert.match(cut.text, /\tnow\r\nTo: a\r\nCc: x{500}\r\n\r\n$/);
  first.close();
  second.close();
  assert.ok(room.take(1000));
});

test('a header that was gathered counts until its message is over', async () => {
  const room = new Room(1000);
  const sink = { write: () => undefined };
  const incoming = new Incoming({ sink, trace, room, withholds: false });
  for (const text of [`To: ${'x'.repeat(500)}`, '\r\n\r\n', 'body\r\n'])
    await incoming.write(Buffer.from(text));
  assert.ok(!room.take(500) && room.take(400));
  incoming.close();
  assert.ok(room.take(600));
});

test('what is decided of a header later is waited for, and what is dropped writes nothing', async () => {
  const octets = Buffer.from('Bcc: a\r\n\r\nbody');
  const later = await pass(octets, {
    onHeader: async () => ({ kind: 'keep', edits: [{ kind: 'remove', name: 'bcc', nth: 1 }] }),
  });
  assert.equal(later.text, `${trace}\r\nbody`);
  const dropped = await pass(octets, { piece: 3, onHeader: () => Promise.resolve({ kind: 'drop' }) });
  assert.equal(dropped.text, '');
  const decision = Promise.withResolvers<HeaderDecision>();
  const writes: Uint8Array[] = [];
  const incoming = new Incoming({
    sink: { write: (each) => void writes.push(each) },
    trace,
    room: new Room(1000),
    withholds: false,
    onHeader: () => decision.promise,
  });
  const written = incoming.write(octets);
  incoming.close();
  decision.resolve({ kind: 'keep' });
  await written;
  assert.deepEqual(writes, [], 'it was thrown away meanwhile');
});

test('a name that no field has is no edit, and no value ends its field', async () => {
  for (const wrong of ['', 'a b', 'a:b', 'a\r\nb', 'ä'])
    await assert.rejects(
      pass(Buffer.from('\r\n'), { atHeader: [{ kind: 'add', name: wrong, value: ' x' }] }),
      RangeError,
    );
  const { text } = await pass(Buffer.from('\r\n'), {
    atHeader: [{ kind: 'add', name: 'A', value: ' x\r\n\r\nB: y\n\n' }],
  });
  assert.equal(text, `${trace}A: x\r\n\t\r\n\tB: y\r\n\t\r\n\t\r\n\r\n`);
});
