import assert from 'node:assert/strict';
import { test } from 'node:test';
import { blockOf } from '../base/index.ts';
import { parseSubject, subjectOf } from './index.ts';
import { KnownRecipients } from './known-recipients.ts';

test('an IPv6 client is its /64, whatever the rest of its address', () => {
  const table = [
    ['192.0.2.1', '192.0.2.1'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:db8:1:2::1', '2001:db8:1:2::/64'],
    ['2001:db8::1', '2001:db8::/64'],
    ['2001:db8::2:3:4:5', '2001:db8::/64'],
    ['2001:db8:0:1::', '2001:db8:0:1::/64'],
    ['::1', '::/64'],
    ['fe80::1:2:3:4', 'fe80::/64'],
  ] as const;
  for (const [address, block] of table) assert.equal(blockOf(address), block, address);
});

test('an operator names a subject with or without its kind', () => {
  const table = [
    ['alice', 'identity:alice'],
    ['alice@example.org', 'identity:alice@example.org'],
    ['identity:192.0.2.1', 'identity:192.0.2.1'],
    ['192.0.2.1', 'address:192.0.2.1'],
    ['address:2001:DB8::5', 'address:2001:db8::/64'],
    ['2001:db8::/64', 'address:2001:db8::/64'],
    ['network:10.0.0.1', 'network:10.0.0.1'],
    ['network:not-an-address', undefined],
    ['address:', undefined],
    ['', undefined],
    ['a\nb', undefined],
  ] as const;
  for (const [text, key] of table) assert.equal(parseSubject(text), key, text);
});

test('what an operator reads in a list is what the guard counts', () => {
  for (const client of ['192.0.2.1', '2001:db8::1']) {
    for (const ground of ['open', 'network']) {
      const subject = subjectOf({ ground, client });
      assert.ok(subject !== undefined);
      assert.equal(parseSubject(subject), subject);
    }
  }
});

test('a ground that names nobody is counted by the address', () => {
  assert.equal(subjectOf({ ground: 'pop-before-smtp', client: '192.0.2.1' }), 'address:192.0.2.1');
  assert.equal(subjectOf({ ground: 'pop-before-smtp', identity: 'a', client: '192.0.2.1' }), 'identity:a');
});

test('another spelling of a login is the same subject', () => {
  const of = (identity: string) => subjectOf({ ground: 'pop-before-smtp', identity, client: '192.0.2.1' });
  const name = 'zoë@example.org';
  for (const typed of [name, 'ZOË@Example.ORG', name.normalize('NFD')]) {
    assert.equal(of(typed), `identity:${name}`);
    assert.equal(parseSubject(typed), `identity:${name}`);
  }
});

test('recipients are remembered per subject, in bounded memory, and forgotten by age', () => {
  const known = new KnownRecipients({ capacity: 100, forgetMs: 1000 });
  const [alice, bob] = [known.subjectHash('alice'), known.subjectHash('bob')];
  known.add(alice, 'r@x.example', 0);
  assert.equal(known.has(alice, 'r@x.example', 0), true);
  assert.equal(known.has(bob, 'r@x.example', 0), false);
  for (let n = 0; n < 150; n++) known.add(bob, `n${n}@x.example`, 0);
  assert.equal(known.has(alice, 'r@x.example', 0), true, 'still in the older generation, and young again');
  for (let n = 0; n < 90; n++) known.add(bob, `m${n}@x.example`, 0);
  assert.equal(known.has(alice, 'r@x.example', 0), true);
  for (let n = 0; n < 300; n++) known.add(bob, `o${n}@x.example`, 0);
  assert.equal(known.has(alice, 'r@x.example', 0), false);
  known.add(alice, 'r@x.example', 0);
  known.add(bob, 'late@x.example', 1001);
  known.add(bob, 'later@x.example', 2002);
  known.add(bob, 'latest@x.example', 3003);
  assert.equal(known.has(alice, 'r@x.example', 3003), false);
});
