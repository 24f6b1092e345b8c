import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { threadMs } from '../base/testing.ts';
import { findField, headerEnd, headerFields, unfold } from './index.ts';

const octets = (text: string) => Buffer.from(text, 'latin1');
const names = (text: string) => [...headerFields(octets(text))].map((field) => field.name);

test('the header section ends at the first empty line', () => {
  const table: readonly (readonly [string, number])[] = [
    ['A: b\r\n\r\nbody\r\n', 6],
    ['A: b\r\n', 6],
    ['A: b', 4],
    ['\r\nA: b\r\n', 0],
    ['', 0],
    ['A: b\n\nbody', 5],
    ['A: b\r\n \r\nB: c\r\n\r\n', 15],
  ];
  for (const [text, end] of table) assert.equal(headerEnd(octets(text)), end, JSON.stringify(text));
});

test('fields come with their raw value and their place', () => {
  const text = 'Subject: a\r\n b\r\nX-Y :c\r\nEmpty:\r\n\r\nNot: this\r\n';
  const fields = [...headerFields(octets(text))];
  assert.deepEqual(fields, [
    { name: 'Subject', value: ' a\r\n b', start: 0, end: 16 },
    { name: 'X-Y', value: 'c', start: 16, end: 24 },
    { name: 'Empty', value: '', start: 24, end: 32 },
  ]);
  for (const field of fields) assert.ok(text.slice(field.start, field.end).startsWith(field.name));
});

test('lines that are no field are passed over', () => {
  assert.deepEqual(names('From me Mon\r\nA: b\r\n'), ['A']);
  assert.deepEqual(names(' continued\r\nA: b\r\n'), ['A']);
  assert.deepEqual(names(': no name\r\nA: b\r\n'), ['A']);
  assert.deepEqual(names('A b: c\r\nD: e\r\n'), ['D']);
  assert.deepEqual(names('\u00fc: c\r\nD: e'), ['D']);
  assert.deepEqual(names('A: b\nC: d\n'), ['A', 'C']);
  assert.deepEqual(names('no colon'), []);
});

test('Received fields are found as they are written, and only in the header section', () => {
  const countReceived = (text: string) => names(text).filter((name) => /^received$/i.test(name)).length;
  const header =
    'Received: a\r\nX: y\r\n received: folded\r\nRECEIVED : b\r\nReceived-SPF: pass\r\nreceive: d\r\n';
  assert.equal(countReceived(`${header}\r\nReceived: body\r\n`), 2);
  assert.equal(countReceived('Received:'), 1);
  assert.equal(countReceived('Received'), 0);
  assert.equal(countReceived(''), 0);
});

test('a field is found by its name and unfolded', () => {
  const header = octets(
    'X: 1\r\nSubject: one\r\n\ttwo\r\n  three \r\nsubject: second\r\n\r\nMessage-ID: <x>\r\n',
  );
  assert.equal(findField(header, 'SUBJECT'), 'one\ttwo  three');
  assert.equal(findField(header, 'message-id'), undefined);
  assert.equal(unfold(' a\r\n b\n\tc'), 'a b\tc');
});

test('the scanner covers random octets without gaps', () => {
  const piece = fc.constantFrom(
    'Received:',
    'received',
    ':',
    ' ',
    '\t',
    '\r\n',
    '\n',
    '\r',
    'X',
    'a: b',
    '\0',
    '\u00ff',
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => {
      const header = octets(pieces.join(''));
      let last = 0;
      for (const field of headerFields(header)) {
        assert.ok(field.start >= last && field.end > field.start && field.end <= headerEnd(header));
        last = field.end;
      }
    }),
  );
});

test('a header section of a megabyte is scanned in time linear to its length', () => {
  const many = octets('X:\r\n'.repeat(100_000));
  const folded = octets(`X: y\r\n${' z\r\n'.repeat(100_000)}`);
  const oneLine = octets('x'.repeat(500_000));
  const before = threadMs();
  for (const header of [many, folded, oneLine]) {
    for (const _ of headerFields(header));
    headerEnd(header);
  }
  // Quadratic work would take minutes.
  assert.ok(threadMs() - before < 5_000);
});
