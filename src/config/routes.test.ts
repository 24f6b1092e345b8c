import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadConfig } from './index.ts';

const files: Readonly<Record<string, string>> = {
  '/etc/one.secret': 'one\n',
  '/etc/two.secret': 'two',
  '/etc/bad.secret': 'two\nlines\n',
};

function load(route: object, more: object = {}) {
  const read = (path: string) => {
    const text = files[path];
    if (text === undefined) throw Object.assign(new Error(path), { code: 'ENOENT' });
    return text;
  };
  const text = JSON.stringify({ routes: [route], ...more });
  return loadConfig(text, { file: '/etc/posthouse.yaml', env: { hostname: 'box.example', read } });
}

function problems(route: object): readonly string[] {
  const loaded = load(route);
  return loaded.ok ? [] : loaded.problems.map(({ path, message }) => `${path}: ${message}`);
}

const via = ['smtps://a@one.test', 'smtps://b@two.test'];

test('a route with everything comes out as delivery takes it, its secrets read', () => {
  const pin = 'ab'.repeat(32);
  const loaded = load({
    identity: 'shop',
    via,
    balance: 'weighted',
    weights: [3, 1],
    fallback: 'smtp://c@three.test',
    password: { file: 'one.secret' },
    passwords: { 'TWO.test': { file: 'two.secret' } },
    anySender: true,
    fingerprint: `SHA256:${pin.toUpperCase().replace(/..(?!$)/g, '$&:')}`,
  });
  assert.ok(loaded.ok);
  assert.deepEqual(loaded.config.routes, [
    {
      to: ['*'],
      identity: ['shop'],
      via,
      balance: 'weighted',
      weights: [3, 1],
      fallback: ['smtp://c@three.test'],
      password: 'one',
      passwords: { 'two.test': 'two' },
      anySender: true,
      fingerprint: [`sha256:${pin}`],
      addresses: 'any',
    },
  ]);
});

const account = { tokenUrl: 'https://login.test/token', grant: 'refresh-token', clientId: 'relay' };

test('an account for tokens: the secret is read, the file of the refresh token is named', () => {
  const oauth = {
    ...account,
    clientSecret: { file: 'one.secret' },
    refreshToken: { file: 'two.secret' },
    expires: '2027-03-01',
  };
  const loaded = load({ via: 'smtp://a@one.test', oauth });
  assert.ok(loaded.ok);
  assert.deepEqual(loaded.config.routes[0]?.oauth, {
    ...account,
    mechanism: 'auto',
    clientSecret: 'one',
    refreshTokenFile: '/etc/two.secret',
    expiresAt: Date.UTC(2027, 2, 1),
  });
});

test('what is wrong with a route is said by its key', () => {
  const oauth = {
    ...account,
    refreshToken: { file: 'none' },
    expires: 'soon',
    clientSecret: { file: 'bad.secret' },
  };
  assert.deepEqual(problems({ via: 'smtp://a@one.test', oauth }), [
    'routes[0].oauth.refreshToken.file: cannot read /etc/none: there is no such file',
    'routes[0].oauth.expires: not a day: "soon"',
    'routes[0].oauth.clientSecret.file: /etc/bad.secret has several lines',
  ]);
  assert.match(problems({ via, passwords: { 'one.test': 'hunter2' } }).join(), /routes\[0\]\.passwords/);
  assert.match(problems({ via, fingerprint: 'sha1:00' }).join(), /not a SHA-256 fingerprint/);
  assert.match(problems({ via, balance: 'random' }).join(), /expected ordered, weighted/);
});

test('alarms have their defaults, and their bounds', () => {
  const loaded = load({ via: 'capture' }, { alarms: { stuck: '2h' } });
  assert.ok(loaded.ok);
  const minute = 60_000;
  assert.deepEqual(loaded.config.alarms, {
    routeFailingMs: 30 * minute,
    stuckMs: 120 * minute,
    heldMs: 1440 * minute,
    repeatMs: 1440 * minute,
    mail: true,
  });
  assert.equal(load({ via: 'capture' }, { alarms: { stuck: '1m' } }).ok, false);
});
