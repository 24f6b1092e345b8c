/** Fuzz targets of this folder: a message of odd lines in odd pieces, with and without edits. */
import assert from 'node:assert/strict';
import { headerFields } from '../mail/index.ts';
import type { FieldEdit } from './edit.ts';
import { factsOf } from './facts.ts';
import { Incoming } from './incoming.ts';
import { reference } from './testing.ts';

export const fuzzTargets: readonly { readonly name: string; run(input: Uint8Array): void }[] = [
  { name: 'message/incoming', run: checkIncoming },
];

const words = [
  ...['X-Posthouse-', 'x-posthouse-bulk: no', 'Subject: a', 'Received: x', ' ', '\t', '\r\n', '\n', '\r'],
  ...['X-', 'y', ':', '.', '\0'],
];
const trace = 'Received: by r;\r\n\tnow\r\n';
const choices: readonly (readonly FieldEdit[] | undefined)[] = [
  undefined,
  [{ kind: 'remove-own' }],
  [{ kind: 'remove', name: 'subject', nth: 'all' }, { kind: 'remove-own' }],
  [
    { kind: 'insert', at: 0, name: 'A', value: ' top' },
    { kind: 'insert', at: 2, name: 'B', value: ' below' },
    { kind: 'change', name: 'Received', nth: 1, value: ' ours' },
    { kind: 'add', name: 'C', value: ' end' },
  ],
];

/** The first octet decides how the message is cut, the second the edits; the others are words. */
function checkIncoming(input: Uint8Array): void {
  const size = ((input[0] ?? 0) % 20) + 1;
  const edits = choices[(input[1] ?? 0) % choices.length];
  const text = [...input.subarray(2)].map((octet) => words[octet % words.length]).join('');
  const octets = Buffer.from(text, 'latin1');
  const written: Buffer[] = [];
  const incoming = new Incoming({
    sink: { write: (each) => void written.push(Buffer.from(each)) },
    trace,
    withholds: (input[0] ?? 0) > 127,
    onHeader: () => ({ kind: 'keep', edits }),
  });
  for (let at = 0; at < octets.length; at += size)
    void incoming.write(Buffer.from(octets.subarray(at, at + size)));
  void incoming.end();
  void incoming.finish();
  const found = Buffer.concat(written);
  const expected = reference(text, trace, edits);
  assert.equal(found.toString('latin1'), expected.text);
  assert.equal(incoming.hops, expected.hops);
  const { size: content } = incoming.facts({ size: octets.length, ...factsOf(octets) });
  assert.equal(content, found.length - trace.length);
  if (edits?.some(({ kind }) => kind === 'remove-own'))
    for (const { name } of headerFields(found)) assert.doesNotMatch(name, /^x-posthouse-/i);
}
