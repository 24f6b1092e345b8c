import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compileRules, type DeliveryRoute } from './index.ts';

const account = {
  tokenUrl: 'https://login.test/token',
  grant: 'client-credentials',
  clientId: 'relay',
  clientSecret: 'x',
  mechanism: 'auto',
} as const;
const user = 'smtps://a@one.test';

const cases: readonly (readonly [name: string, route: DeliveryRoute, expected: string])[] = [
  ['a fallback that is no host', { via: 'mx', fallback: 'capture' }, 'fallback'],
  ['a fallback behind a mailbox', { via: 'capture', fallback: 'smtp://a.test' }, 'fallback'],
  [
    'a password for one host of two',
    { via: [user, 'smtps://b@two.test'], passwords: { 'one.test': 'x' } },
    'password',
  ],
  ['a password for a stranger', { via: user, password: 'x', passwords: { 'two.test': 'x' } }, 'passwords'],
  ['a token for nobody', { via: 'smtp://one.test', oauth: account }, 'oauth'],
  ['a token and a password', { via: user, password: 'x', oauth: account }, 'oauth'],
  [
    'a token endpoint in clear',
    { via: user, oauth: { ...account, tokenUrl: 'http://login.test/' } },
    'oauth.tokenUrl',
  ],
  ['no endpoint at all', { via: user, oauth: { ...account, tokenUrl: 'login' } }, 'oauth.tokenUrl'],
  [
    'a grant without its token',
    { via: user, oauth: { ...account, grant: 'refresh-token' } },
    'oauth.refreshToken',
  ],
  ['weights without balance', { via: [user], password: 'x', weights: [1] }, 'weights'],
  ['balance without weights', { via: 'smtp://a.test', balance: 'weighted' }, 'balance'],
  [
    'a weight too few',
    { via: ['smtp://a.test', 'smtp://b.test'], balance: 'weighted', weights: [1] },
    'weights',
  ],
  [
    'a pin without TLS',
    { via: 'smtp://a.test', tls: 'none', fingerprint: `sha256:${'0'.repeat(64)}` },
    'fingerprint',
  ],
  ['a pin that is none', { via: 'smtp://a.test', fingerprint: 'sha256:00' }, 'fingerprint'],
  [
    'a fallback with a user in clear',
    { via: 'mx', fallback: 'smtp://a@one.test', password: 'x', tls: 'none' },
    'tls',
  ],
];
for (const [name, route, key] of cases) {
  test(`${name} is a problem of ${key}`, () => {
    const { problems } = compileRules({ routes: [route] });
    assert.deepEqual(
      problems.map(({ path }) => path),
      [`routes[0].${key}`],
    );
  });
}

test('an endpoint in clear on this machine is for tests', () => {
  const oauth = { ...account, tokenUrl: 'http://[::1]:8080/token' };
  assert.deepEqual(compileRules({ routes: [{ via: user, oauth }] }).problems, []);
});

test('a password in the URL of a token endpoint is an error, and is not shown', () => {
  const oauth = {
    tokenUrl: 'https://me:hunter2@login.example/',
    grant: 'refresh-token',
    clientId: 'x',
  } as const;
  const routes = [
    {
      to: '*',
      via: 'smtp://me@host.example',
      oauth: { ...oauth, mechanism: 'auto', refreshTokenFile: '/t' },
    },
  ] as const;
  const said = JSON.stringify(compileRules({ domains: [], routes }).problems);
  assert.match(said, /no place in an address: use clientId and clientSecret/);
  assert.doesNotMatch(said, /hunter2/);
});

test('delivery itself takes no password in a destination, and does not show it', () => {
  for (const via of [
    'smtp://user:hunter2@h.example',
    'lmtp://user:hunter2@h.example',
    'odd://user:hunter2@h.example',
  ]) {
    const [problem] = compileRules({ domains: [], routes: [{ to: '*', via }] }).problems;
    assert.ok(problem !== undefined, via);
    assert.doesNotMatch(problem.message, /hunter2/);
  }
  const percent = compileRules({
    domains: [],
    routes: [{ to: '*', via: 'smtp://do%3Amain@h.example', password: 'x' }],
  });
  assert.deepEqual(percent.problems, []);
});
