import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseAliases, parseRecipientList } from './files.ts';
import { formatPath, parsePath } from './problem.ts';

test('aliases have continuation lines, comments, quotes and several targets', () => {
  const { value, faults } = parseAliases(
    '# head\nSales: alice, bob@example.net # both\n  , carol\n\n"a.b": "x, y"@example.org\r\nroot:\n\tadmin\n',
  );
  assert.deepEqual(faults, []);
  assert.deepEqual(
    [...value],
    [
      ['sales', ['alice', 'bob@example.net', 'carol']],
      ['a.b', ['"x, y"@example.org']],
      ['root', ['admin']],
    ],
  );
});

test('a fault of a continued alias has the line where it begins', () => {
  assert.deepEqual(parseAliases('a: b\nc:\n  d,\n  |sh\n').faults, [
    { line: 2, message: 'programs, files and :include: are not possible: "|sh"' },
  ]);
  assert.deepEqual(
    parseAliases(' a: b\nc\nd:\ne@f: g\n').faults.map(({ line }) => line),
    [2, 3, 4],
  );
});

test('a recipient list has local parts and addresses in any letter case', () => {
  const { value, faults } = parseRecipientList('Alice\n  bob@Example.org # b\n#x\n\na b\n');
  assert.deepEqual([...value], ['alice', 'bob@example.org']);
  assert.deepEqual(
    faults.map(({ line }) => line),
    [5],
  );
});

test('a path is written and read back', () => {
  const path = ['listeners', 0, 'address'];
  assert.equal(formatPath(path), 'listeners[0].address');
  assert.deepEqual(parsePath('listeners[0].address'), path);
});

test('a command in quotes is refused as a command, and is no mailbox of that name', () => {
  for (const target of ['"|/usr/bin/procmail -t"', '"/var/mail/x"', '":include:/etc/list"']) {
    const { faults } = parseAliases(`one: anna, ${target}\n`);
    const message = `programs, files and :include: are not possible: "${target}"`;
    assert.deepEqual(faults, [{ line: 1, message }]);
  }
  assert.deepEqual(parseAliases('one: "a b"@example.org, "x|y"\n').faults, []);
});
