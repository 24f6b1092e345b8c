import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LegacyKey } from './ask.ts';
import { testStrings } from './content/read.ts';
import { legacyKeys } from './keys/keys.ts';
import { TestKeys, testKeysIn } from './test-keys.ts';

const [gtube = ''] = testStrings;
const message = (body: string, type = 'text/plain') =>
  Buffer.from(`Subject: x\r\nContent-Type: ${type}\r\n\r\n${body}`);
const newsletter = Array.from({ length: 40 }, (_, n) => `line ${n} of what we tell our readers`);

test('a test string alone is known by its key, whatever ends its line', () => {
  const known = new TestKeys();
  for (const text of testStrings)
    for (const end of ['', '\n', '\r\n', '\r\n\r\n']) {
      const keys = legacyKeys(message(`${text}${end}`));
      assert.ok(keys.length > 0 && known.isTest(keys), JSON.stringify(text + end));
    }
  assert.ok(!known.isTest(legacyKeys(message('hello, are we to meet tomorrow?'))));
  assert.ok(!known.isTest([]));
});

test('the sample of SpamAssassin is known, by what the client of Pyzor asks and by Razor', () => {
  const pyzor = { scheme: 'pyzor', value: 'd152948f7f029b35691afa499c145797558b2fff' } as const;
  const razor = { scheme: 'razor4', value: 'maD-J2LHO2hbHzZrbOXcsZ6ndsoA' } as const;
  const other = { scheme: 'razor8', value: razor.value } as const;
  assert.deepEqual(
    [pyzor, razor, other].map((key) => new TestKeys().isTest([key])),
    [true, true, false],
  );
});

test('what was seen whole is known by its key afterwards, and so much of it', () => {
  const known = new TestKeys();
  const octets = message(`are you a filter?\r\n${gtube}\r\n`);
  assert.ok(!known.isTest(legacyKeys(octets)));
  known.add(testKeysIn(octets));
  assert.ok(known.isTest(legacyKeys(octets)));
  const other = (n: number): LegacyKey => ({ scheme: 'razor4', value: `key ${n}` });
  known.add(Array.from({ length: 1000 }, (_, n) => other(n)));
  assert.ok(!known.isTest(legacyKeys(octets)));
  assert.deepEqual(
    [743, 744, 999].map((n) => known.isTest([other(n)])),
    [false, true, true],
  );
});

test('a test string that is put into mail of somebody else makes no hit of that mail', () => {
  const known = new TestKeys();
  const keys = legacyKeys(message(newsletter.join('\r\n')));
  for (let at = 0; at <= newsletter.length; at++) {
    known.add(testKeysIn(message(newsletter.toSpliced(at, 0, gtube).join('\r\n'))));
    known.add(testKeysIn(message(newsletter.toSpliced(at, 1, gtube).join('\r\n'))));
  }
  const parts = [newsletter.join('\r\n'), gtube].map(
    (body) => `--b\r\nContent-Type: text/plain\r\n\r\n${body}\r\n`,
  );
  known.add(testKeysIn(message(`${parts.join('')}--b--\r\n`, 'multipart/mixed; boundary=b')));
  known.add(testKeysIn(message(`http://shop.example/ ${gtube}\r\n`)));
  assert.ok(!known.isTest(keys));
  assert.ok(!known.isTest(legacyKeys(message('http://shop.example/ hello'))));
  assert.deepEqual(testKeysIn(message(newsletter.join('\r\n'))), []);
});
