import assert from 'node:assert/strict';
import { test } from 'node:test';
import { laneName } from '../mail/index.ts';
import type { DeliveryOptions } from './options.ts';
import { Router } from './router.ts';
import { compileRules } from './rules.ts';
import { attemptFor, recipientOf } from './testing.ts';
import { parseVia } from './transports/index.ts';
import type { MaildirPlace } from './transports/maildir.ts';

const base = { hostname: 'relay.test', capture: { folder: '/nowhere' } };

function laneOf(
  options: Partial<DeliveryOptions>,
  to: string,
  from: string | null = 'someone@else.test',
): string {
  const { envelope } = attemptFor('', [to]);
  const reversePath = from === null ? null : recipientOf(from).address;
  const [assigned, ...others] = new Router({ ...base, ...options }).assign({ ...envelope, reversePath });
  assert.equal(others.length, 0);
  assert.equal(assigned?.recipients, 'all');
  return assigned?.lane ?? '';
}

test('without a route mail goes by the MX of its domain', () => {
  assert.equal(laneOf({}, 'a@Example.ORG'), 'mx:example.org');
  assert.equal(laneOf({}, 'a@[192.0.2.1]'), 'mx:[192.0.2.1]');
});

test('our domains come before routes and go where they are delivered', () => {
  const options = {
    domains: [
      { name: 'maildir.test', deliver: 'maildir:/var/mail/{local}' },
      { name: 'lmtp.test', deliver: 'lmtp://127.0.0.1:24' },
      { name: 'socket.test', deliver: 'lmtp:/run/lmtp' },
      { name: 'smtp.test', deliver: 'smtp://10.0.0.1:2525' },
      { name: 'capture.test', deliver: 'capture' },
      { name: 'plain.test' },
    ],
    routes: [{ to: '*', via: 'smtp://smart.test' }],
  };
  assert.equal(laneOf(options, 'a@maildir.test'), 'maildir:maildir.test');
  assert.equal(laneOf(options, 'a@lmtp.test'), 'lmtp:127.0.0.1:24');
  assert.equal(laneOf(options, 'a@socket.test'), 'lmtp:/run/lmtp');
  assert.equal(laneOf(options, 'a@smtp.test'), 'smtp:10.0.0.1:2525');
  assert.equal(laneOf(options, 'a@capture.test'), 'capture');
  assert.equal(laneOf(options, 'a@plain.test'), 'smtp:smart.test:25');
});

test('each domain gives its Maildirs to its own owner, and a route to nobody', () => {
  const router = new Router({
    ...base,
    domains: [
      { name: 'one.test', deliver: 'maildir:/var/mail/{domain}/{local}', owner: { uid: 8, gid: 12 } },
      { name: 'two.test', deliver: 'maildir:/var/mail/{domain}/{local}', owner: { uid: 9, gid: 13 } },
      { name: 'plain.test', deliver: 'maildir:/var/mail/{domain}/{local}' },
    ],
    routes: [{ to: '*', via: 'maildir:/var/mail/all' }],
  });
  const ownerAt = (domain: string) => {
    const transport = router.transportFor(recipientOf(`a@${domain}`).address);
    assert.ok(transport.lane.startsWith('maildir:'));
    assert.equal(router.resolveLane(transport.lane), transport);
    return (transport as typeof transport & MaildirPlace).owner;
  };
  assert.deepEqual(ownerAt('one.test'), { uid: 8, gid: 12 });
  assert.deepEqual(ownerAt('two.test'), { uid: 9, gid: 13 });
  assert.equal(ownerAt('plain.test'), undefined);
  assert.equal(ownerAt('other.test'), undefined);
});

test('a backup domain goes by MX past a catch-all route, but not past one that names it', () => {
  const domains = [{ name: 'backup.test', backup: true }];
  const all = { to: '*', via: 'smtp://smart.test' };
  assert.equal(laneOf({ domains, routes: [all] }, 'a@backup.test'), 'mx:backup.test');
  const named = { to: 'backup.test', via: 'smtp://10.0.0.9' };
  assert.equal(laneOf({ domains, routes: [all, named] }, 'a@backup.test'), 'smtp:10.0.0.9:25');
});

test('the first route whose patterns match is taken', () => {
  const routes = [
    { to: 'boss@internal.test', via: 'smtp://1.1.1.1' },
    { to: ['*.internal.test', 'other.test'], via: 'smtp://2.2.2.2' },
    { to: 'internal.test', from: '*@shop.test', via: 'smtp://3.3.3.3' },
    { to: '*', from: ['me@mine.test', '<>'], via: 'smtp://4.4.4.4' },
  ];
  assert.match(laneOf({ routes }, 'BOSS@internal.test'), /^smtp:1\.1\.1\.1:25$/);
  assert.match(laneOf({ routes }, 'a@deep.internal.test'), /^smtp:2\.2\.2\.2:25$/);
  assert.match(laneOf({ routes }, 'a@other.test'), /^smtp:2\.2\.2\.2:25$/);
  assert.match(laneOf({ routes }, 'a@internal.test', 'x@shop.test'), /^smtp:3\.3\.3\.3:25#[0-9a-f]{8}$/);
  assert.match(laneOf({ routes }, 'a@internal.test', 'Me@mine.test'), /^smtp:4\.4\.4\.4:25#/);
  assert.match(laneOf({ routes }, 'a@internal.test', null), /^smtp:4\.4\.4\.4:25#/);
  assert.equal(laneOf({ routes }, 'a@internal.test'), 'mx:internal.test');
});

test('recipients of one message are grouped by lane', () => {
  const router = new Router({ ...base, routes: [{ to: 'a.test', via: 'smtp://1.1.1.1' }] });
  const { envelope } = attemptFor('', ['1@a.test', '2@b.test', '3@a.test']);
  assert.deepEqual(router.assign(envelope), [
    { lane: 'smtp:1.1.1.1:25', recipients: [0, 2] },
    { lane: 'mx:b.test', recipients: [1] },
  ]);
  const one = attemptFor('', ['1@a.test', '3@a.test']).envelope;
  assert.deepEqual(router.assign(one), [{ lane: 'smtp:1.1.1.1:25', recipients: 'all' }]);
});

test('lanes that differ in credentials, TLS, source or sender have different names, without secrets', () => {
  const via = 'smtp://smart.test:587';
  const routes = [
    { to: 'a.test', via },
    { to: 'b.test', via: 'smtp://me@smart.test:587', password: 'hunter2' },
    { to: 'c.test', via: 'smtp://you@smart.test:587', password: 'hunter2' },
    { to: 'd.test', via: 'smtp://you@smart.test:587', password: 'other' },
    { to: 'e.test', via, tls: 'required' as const },
    { to: 'f.test', via, source: '192.0.2.1' },
    { to: 'g.test', via, from: '*@x.test' },
  ];
  const lanes = 'abcdefg'.split('').map((name) => laneOf({ routes }, `u@${name}.test`, 'u@x.test'));
  assert.equal(new Set(lanes).size, lanes.length);
  assert.ok(lanes.every((lane) => lane.startsWith('smtp:smart.test:587') && !lane.includes('hunter2')));
});

test('saying the default makes no other lane, and a source address decides the family', () => {
  const route = { to: ['*'], via: ['smtp://smart.test'], addresses: 'any' } as const;
  assert.equal(laneOf({ routes: [route] }, 'a@dest.test'), 'smtp:smart.test:25');
  const router = new Router({ ...base, routes: [{ ...route, source: '2001:db8::1' }] });
  const lane = router.assign(attemptFor('', ['a@dest.test']).envelope)[0]?.lane ?? '';
  const transport = router.resolveLane(laneName(lane));
  assert.equal(transport?.remote?.policy.addresses, 'ipv6');
});

test('a lane resolves to its transport as long as a route leads there', () => {
  const routes = [
    { to: 'a.test', via: ['smtps://me@one.test', 'smtp://two.test'], password: 'x' },
    { to: 'b.test', via: 'mx:other.test' },
    { to: 'd.test', via: 'mx', source: '192.0.2.1' },
  ];
  const domains = [{ name: 'c.test', deliver: 'maildir:/m/{local}' }];
  const router = new Router({ ...base, routes, domains });
  for (const to of ['u@a.test', 'u@b.test', 'u@c.test', 'u@d.test', 'u@free.test', 'u@[192.0.2.1]']) {
    const lane = router.assign(attemptFor('', [to]).envelope)[0]?.lane ?? '';
    assert.equal(router.resolveLane(laneName(lane))?.lane, lane, to);
  }
  assert.equal(router.resolveLane(laneName('smtp:gone.test:25')), undefined);
  assert.equal(router.resolveLane(laneName('mx:a.test')), undefined, 'a route leads elsewhere now');
  assert.equal(router.resolveLane(laneName('maildir:a.test')), undefined);
  assert.equal(router.resolveLane(laneName('nonsense')), undefined);
});

test('the memo of domains is bounded', () => {
  const router = new Router(base);
  for (let i = 0; i < 10_010; i++) router.resolveLane(laneName(`mx:d${i}.test`));
  assert.equal(router.resolveLane(laneName('mx:d0.test'))?.lane, 'mx:d0.test');
});

test('every way to write a destination is read', () => {
  const smtp = { isImplicitTls: false };
  const server = (text: string) => {
    const via = parseVia(text);
    return typeof via === 'string' ? via : via.server;
  };
  assert.deepEqual(server('smtp://Host.test'), { ...smtp, host: 'host.test', port: 25 });
  assert.deepEqual(server('smtp://[host.test]:26'), { ...smtp, host: 'host.test', port: 26 });
  assert.deepEqual(server('smtp://[2001:db8::1]:26'), { ...smtp, host: '2001:db8::1', port: 26 });
  assert.deepEqual(server('smtp://u%40d@h.test'), { ...smtp, host: 'h.test', port: 587, user: 'u@d' });
  assert.deepEqual(server('smtps://u@d@h.test'), {
    isImplicitTls: true,
    host: 'h.test',
    port: 465,
    user: 'u@d',
  });
  const router = new Router({ ...base, routes: [{ via: 'lmtp:///run/x' }] });
  const { lane, remote } = router.transportFor(recipientOf('a@x.test').address);
  assert.deepEqual([lane, remote?.nextHop], ['lmtp:/run/x', { kind: 'socket', path: '/run/x' }]);
});

test('every mistake in the routes is a problem with its place', () => {
  const problems = (route: object, folder: object = { capture: { folder: '/x' } }) =>
    compileRules({ ...folder, routes: [{ via: 'smtp://h.test', ...route }] }).problems.map(
      ({ path }) => path,
    );
  assert.deepEqual(problems({}), []);
  for (const via of [
    '',
    'http://x',
    'smtp:x',
    'smtp://',
    'smtp://h:0',
    'smtp://h:99999',
    'smtp://h/p',
    'smtp://@h',
  ]) {
    assert.deepEqual(problems({ via }), ['routes[0].via'], via);
  }
  for (const via of ['maildir:relative', 'maildir:/{user}', 'lmtp:relative', 'mx:-bad-', 'smtp://%00@h']) {
    assert.deepEqual(problems({ via }), ['routes[0].via'], via);
  }
  assert.deepEqual(problems({ via: [] }), ['routes[0].via']);
  assert.deepEqual(problems({ via: ['smtp://h', 'capture'] }), ['routes[0].via']);
  assert.deepEqual(problems({ to: 'a b' }), ['routes[0].to']);
  assert.deepEqual(problems({ to: '<>' }), ['routes[0].to']);
  assert.deepEqual(problems({ from: ['ok.test', '@'] }), ['routes[0].from']);
  assert.deepEqual(problems({ source: 'eth0' }), ['routes[0].source']);
  assert.deepEqual(problems({ source: '::1', addresses: 'ipv4' }), ['routes[0].addresses']);
  assert.deepEqual(problems({ verify: true, tls: 'opportunistic' }), ['routes[0].verify']);
  assert.deepEqual(problems({ via: 'capture' }, {}), ['capture']);
});

test('credentials without TLS are refused', () => {
  const via = 'smtp://me@h.test';
  const problems = (route: object) =>
    compileRules({ routes: [{ via, ...route }] }).problems.map(({ path }) => path);
  assert.deepEqual(problems({ password: 'x', tls: 'none' }), ['routes[0].tls']);
  assert.deepEqual(problems({ password: 'x', tls: 'opportunistic' }), ['routes[0].tls']);
  assert.deepEqual(problems({ password: 'x' }), []);
  assert.deepEqual(problems({}), ['routes[0].password']);
  assert.deepEqual(problems({ via: 'smtp://h.test', password: 'x' }), ['routes[0].password']);
  assert.throws(() => new Router({ ...base, routes: [{ via }] }), /routes\[0\]\.password/);
  const domains = [{ name: 'a.test', deliver: 'smtps://me@h.test' }];
  assert.deepEqual(
    compileRules({ domains }).problems.map(({ path }) => path),
    ['domains[0].deliver'],
  );
});
