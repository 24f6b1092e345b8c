import assert from 'node:assert/strict';
import { test } from 'node:test';
import { testStrings } from './content/read.ts';
import { legacyKeys } from './keys/keys.ts';
import { TestKeys } from './test-keys.ts';

const message = (body: string, type = 'text/plain') =>
  Buffer.from(`Subject: x\r\nContent-Type: ${type}\r\n\r\n${body}`);

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
