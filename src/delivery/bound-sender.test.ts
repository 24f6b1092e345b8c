import assert from 'node:assert/strict';
import { test } from 'node:test';
import { manualClock, memoryLog } from '../base/index.ts';
import { createResolver } from '../dns/index.ts';
import { createDelivery, type DeliveryRoute } from './index.ts';
import { Router } from './router.ts';
import { routeWarnings } from './rules.ts';
import { attemptFor, recipientOf } from './testing.ts';

const shop = { from: '*@shop.test', via: 'smtps://shop@smart.test', password: 'x' };
const rest = { via: 'smtp://plain.test' };

function envelope(origin: { readonly ground?: string; readonly identity?: string }, from = 'a@shop.test') {
  const made = attemptFor('', ['b@dest.test']).envelope;
  const reversePath = recipientOf(from).address;
  return { ...made, reversePath, origin: { ...made.origin, ...origin } };
}

function laneFor(routes: readonly DeliveryRoute[], ...of: Parameters<typeof envelope>): string {
  return new Router({ hostname: 'relay.test', routes }).assign(envelope(...of))[0]?.lane ?? '';
}

test('a route with credentials that goes by sender is only for grounds that bind the sender', () => {
  for (const ground of ['authenticated', 'certificate', 'pop-before-smtp', 'local', 'notification'])
    assert.match(laneFor([shop, rest], { ground }), /^smtps:smart\.test:465#/, ground);
  for (const ground of ['network', 'open', 'recipient', 'trap', '', 'something-new'])
    assert.equal(laneFor([shop, rest], { ground }), 'smtp:plain.test:25', ground);
});

test('anySender waives it; routes without credentials, or for everybody, are not concerned', () => {
  const ground = 'network';
  assert.match(laneFor([{ ...shop, anySender: true }, rest], { ground }), /^smtps:smart/);
  assert.match(laneFor([{ from: '*@shop.test', via: 'smtp://smart.test' }, rest], { ground }), /^smtp:smart/);
  assert.match(laneFor([{ via: shop.via, password: 'x' }, rest], { ground }), /^smtps:smart/);
});

test('a fallback with a login is credentials too', () => {
  const route = { from: '*@shop.test', via: 'smtp://smart.test', fallback: shop.via, password: 'x' };
  assert.equal(laneFor([route, rest], { ground: 'network' }), 'smtp:plain.test:25');
});

test('routes go by identity: letter case is none, a star is any characters, and nobody is nobody', () => {
  const routes = [
    { identity: ['Alice', '*@shop.test'], via: 'smtp://one.test' },
    { identity: 'b.b', via: 'smtp://two.test' },
    rest,
  ];
  const by = (identity?: string) =>
    laneFor(routes, { ground: 'authenticated', ...(identity === undefined ? {} : { identity }) });
  for (const name of ['alice', 'ALICE', 'x@shop.test']) assert.match(by(name), /^smtp:one\.test/, name);
  assert.match(by('b.b'), /^smtp:two\.test/);
  for (const name of [undefined, 'bxb', 'alice2', 'x@shop.test.evil', 'malice', 'a\nalice'])
    assert.equal(by(name), 'smtp:plain.test:25', name);
});

test('the identity and the recipient have to match together', () => {
  const routes = [{ to: 'other.test', identity: '*', via: 'smtp://one.test' }, rest];
  assert.equal(laneFor(routes, { ground: 'authenticated', identity: 'alice' }), 'smtp:plain.test:25');
});

test('it is said once a minute and lane that mail passed a route over, without its secret', async (t) => {
  const log = memoryLog();
  const clock = manualClock();
  const resolver = createResolver({ servers: ['127.0.0.1:1'] });
  const delivery = createDelivery({ hostname: 'relay.test', routes: [shop, rest] }, { resolver, clock, log });
  t.after(async () => {
    await delivery[Symbol.asyncDispose]();
    await resolver[Symbol.asyncDispose]();
  });
  const told = () => log.lines.filter(({ event }) => event === 'route-passed-over');
  for (let i = 0; i < 5; i++) delivery.assignLanes(envelope({ ground: 'network' }));
  assert.equal(told().length, 1);
  assert.equal(told()[0]?.fields.ground, 'network');
  clock.advance(60_000);
  delivery.assignLanes(envelope({ ground: 'network' }));
  assert.equal(told().length, 2);
  assert.ok(!JSON.stringify(log.lines).includes('"x"'));
});

test('check is told of every such route', () => {
  const warnings = routeWarnings([rest, shop, { ...shop, anySender: true }, { ...shop, from: [] }]);
  assert.deepEqual(
    warnings.map(({ path }) => path),
    ['routes[1].from', 'routes[2].from', 'routes[3].from'],
  );
  assert.match(warnings[1]?.message ?? '', /claiming the sender/);
});
