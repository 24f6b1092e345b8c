import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseAddressList } from './index.ts';

/** The addresses and what stands beside them, or why there is no list. */
function short(text: string): string {
  const list = parseAddressList(text);
  if (list.kind !== 'list') return list.kind;
  return `${list.mailboxes.map(({ text: each }) => each).join(' ')} | ${list.aside.trim()}`.trim();
}

test('an address list is read by the letter of RFC 5322, with what is lenient and harmless', () => {
  const table = [
    ['a@b.example', 'a@b.example |'],
    ['Anna <a@b.example>, (Bob) b@b.example (c)', 'a@b.example b@b.example | Anna  , (Bob)   (c)'],
    ['"x, y" <a@b.example>', 'a@b.example | "x, y"'],
    ['team: a@b.example, c@b.example;', 'a@b.example c@b.example | team:  ,  ;'],
    ['a@b.example <a@b.example>', 'a@b.example | a@b.example'],
    ['"a b"@b.example', '"a b"@b.example |'],
    ['a@[IPv6:::1], b@b.example', 'a@[IPv6:::1] b@b.example | ,'],
    ['<a@[IPv6:::1]>', 'a@[IPv6:::1] |'],
    [', a@b.example,,', 'a@b.example | ,  ,,'],
    ['', 'no-address'],
    ['nobody', 'no-address'],
    ['<>', 'no-address'],
    ['undisclosed:;', 'no-address'],
    ['a@b.example, nobody', 'no-address'],
    ['"a@b.example"', 'no-address'],
    ['a@b.example c@b.example', 'unclear'],
    ['"x" @b.example', 'unclear'],
    ['<a@b.example', 'unclear'],
    ['<a@<b.example>', 'unclear'],
    ['a@b.example)', 'unclear'],
    ['a\\@b.example', 'unclear'],
    ['x: y: a@b.example;', 'unclear'],
    ['a@b.example;', 'unclear'],
    ['x: a@b.example', 'unclear'],
    ['<@c.example:a@b.example>', 'unclear'],
  ] as const;
  for (const [text, expected] of table) assert.equal(short(text), expected, text);
});

test('no text makes the reader of address lists throw, and what it finds stands in the text', () => {
  const piece = fc.constantFrom(
    'a@b.example',
    '<',
    '>',
    '"',
    '(',
    ')',
    ',',
    ':',
    ';',
    ' ',
    '\\',
    'x',
    '@',
    '[',
    ']',
  );
  fc.assert(
    fc.property(
      fc.array(fc.oneof(piece, fc.string({ unit: 'binary', maxLength: 3 })), { maxLength: 20 }),
      (parts) => {
        const text = parts.join('');
        const list = parseAddressList(text);
        if (list.kind !== 'list') return;
        // A domain may be written with other labels than it is known by.
        for (const { text: each } of list.mailboxes)
          assert.ok(text.includes(each) || text.includes(each.slice(0, each.lastIndexOf('@') + 1)));
      },
    ),
    { numRuns: 3000 },
  );
});
