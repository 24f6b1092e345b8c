import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { laneName } from '../mail/index.ts';
import { mixed, Onward } from './onward.ts';
import { bench, deadPort, fates, sinkFor, to } from './testing-bench.ts';

const many = [1, 2, 3, 4, 5, 6, 7].map((n) => `127.0.0.${n}`);

test('the next attempt goes on where this one stopped, so that the seventh address is reached', async (t) => {
  const sink = await sinkFor(t, { host: '127.0.0.7', port: await deadPort('127.0.0.7') });
  const exchangers = many.map((address, i) => [10 * (i + 1), `mx${i + 1}.test`, address] as const);
  const names = Object.fromEntries(exchangers.map(([, name, address]) => [name, { A: [address] }]));
  const MX = exchangers.map(([preference, name]) => [preference, name] as const);
  const zone = { 'dest.test': { MX }, ...names };
  const b = await bench(t, { mxPort: sink.port }, zone);
  assert.deepEqual(fates(await b.send(to)), ['pending 451 4.1']);
  // Long enough for no host to be avoided any more.
  b.clock.advance(3_600_000);
  assert.deepEqual(fates(await b.send(to)), ['delivered 250 0.0']);
});

test('the same holds for one host of a route with many addresses, and for a list of hosts', async (t) => {
  const sink = await sinkFor(t, { host: '127.0.0.7', port: await deadPort('127.0.0.7') });
  const zone = { 'smart.test': { A: many } };
  const one = { via: `smtp://smart.test:${sink.port}` };
  const list = { via: many.map((address) => `smtp://${address}:${sink.port}`) };
  for (const route of [one, list]) {
    const b = await bench(t, { routes: [route], limits: { addresses: 3 } }, zone);
    for (const fate of ['pending 451 4.1', 'pending 451 4.1', 'delivered 250 0.0']) {
      assert.deepEqual(fates(await b.send(to)), [fate]);
      b.clock.advance(3_600_000);
    }
  }
});

test('when every address had its turn the best is tried again first, and after a session too', () => {
  const onward = new Onward();
  const values = ['a', 'b', 'c', 'd', 'e'].map((key) => ({ key }));
  const order = () =>
    onward
      .order(laneName('lane'), values)
      .map(({ key }) => key)
      .join('');
  assert.equal(order(), 'abcde');
  for (const key of ['a', 'b']) onward.failed(laneName('lane'), key);
  assert.equal(order(), 'cdeab');
  for (const key of ['c', 'd']) onward.failed(laneName('lane'), key);
  assert.equal(order(), 'eabcd');
  for (const key of ['e', 'a']) onward.failed(laneName('lane'), key);
  assert.equal(order(), 'abcde');
  onward.failed(laneName('lane'), 'a');
  onward.reached(laneName('lane'));
  assert.equal(order(), 'abcde');
  assert.deepEqual(onward.order(laneName('other'), values), values);
});

test('addresses of a family that leads nowhere do not use up an attempt', () => {
  const six = ['2a00::1', '2a00::2', '2a00::3', '2a00::4', '2a00::5'];
  const itself = (address: string) => address;
  assert.deepEqual(mixed([...six, '192.0.2.1', '192.0.2.2', '192.0.2.3'], 5, itself), [
    ...six.slice(0, 3),
    '192.0.2.1',
    '192.0.2.2',
  ]);
  assert.deepEqual(mixed([...six, '192.0.2.1'], 5, itself), [...six.slice(0, 4), '192.0.2.1']);
  assert.deepEqual(mixed(six, 3, itself), six.slice(0, 3));
  const address = fc.constantFrom(...six, '192.0.2.1', '192.0.2.2', '192.0.2.3', '192.0.2.4');
  fc.assert(
    fc.property(fc.uniqueArray(address), fc.integer({ min: 1, max: 9 }), (all, max) => {
      const some = mixed(all, max, itself);
      assert.equal(some.length, Math.min(max, all.length));
      assert.deepEqual(
        some,
        all.filter((each) => some.includes(each)),
      );
      const hasBoth = (list: readonly string[]) => new Set(list.map((each) => each.includes(':'))).size === 2;
      if (max > 1 && hasBoth(all)) assert.ok(hasBoth(some));
    }),
  );
});
