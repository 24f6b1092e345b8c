import assert from 'node:assert/strict';
import { test } from 'node:test';
import { legacyKeys } from './keys.ts';
import { emptyPyzor } from './pyzor.ts';
import { razor8 } from './razor-e8.ts';
import { drand48, hexBase64, sha1 } from './razor-text.ts';

const message = (text: string) => Buffer.from(text.replaceAll('\n', '\r\n'));

test('the parts of the signatures are those of razor-agents', () => {
  assert.equal(hexBase64(sha1('abc')), 'WZnHxi4GGGXVx0ro4aA0Y5OwsZsA');
  const next = drand48(7542);
  assert.deepEqual([next(), next()], [0.7618399919747425, 0.7711833062089397]);
  assert.deepEqual(razor8('see http://example.com/x now'), [{ host: 'example.com', value: 'A1X0JdhQ1qEA' }]);
});

test('an empty body has no key', () => {
  for (const text of ['', 'Subject: x\n\n', 'Subject: x\n\n \n\n'])
    assert.deepEqual(
      legacyKeys(message(text)).filter(({ scheme, value }) => scheme !== 'razor4' || value === emptyPyzor),
      [],
    );
});

test('the encoding of the body changes no key but those of others', () => {
  const text = 'Content-Type: text/plain\n\nHello dear friend, this is for you.\nSee it today, said anna.\n';
  const encoded = `Content-Type: text/plain\nContent-Transfer-Encoding: base64\n\n${Buffer.from(text.slice(text.indexOf('\n\n') + 2)).toString('base64')}\n`;
  assert.deepEqual(
    legacyKeys(message(encoded)).map(({ scheme, value }) => `${scheme} ${value}`),
    legacyKeys(message(text)).map(({ scheme, value }) => `${scheme} ${value}`),
  );
});

test('an entity named like something that every object has is no entity', () => {
  const keysOf = (entity: string) =>
    legacyKeys(
      message(
        `Content-Type: text/html\n\n<html><body>Buy the ${entity} here, all of you, today!</body></html>\n`,
      ),
    );
  const unknown = keysOf('&tostrong;').map(({ scheme }) => scheme);
  assert.deepEqual(
    keysOf('&toString;').map(({ scheme }) => scheme),
    unknown,
  );
  assert.notDeepEqual(keysOf('&toString;'), keysOf('function toString() { [native code] }'));
});
