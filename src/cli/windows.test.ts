import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fakeRelay, run } from './testing.ts';

const window = {
  address: '192.0.2.7',
  names: ['anna@example.org'],
  source: 'pop3 0.0.0.0:110',
  openedAt: Date.now() - 300_000,
  lastAt: Date.now() - 60_000,
  expiresAt: Date.now() + 1_140_500,
  needsAuth: false,
};

test('windows list shows who may relay from where, and for how long', async (t) => {
  const crowded = { ...window, address: '192.0.2.8', names: ['a', 'b', 'c'], needsAuth: true };
  const { data } = await fakeRelay(t, {
    async *windowsList() {
      yield window;
      yield crowded;
    },
  });
  const { code, out } = await run(['windows', 'list', '--data', data]);
  assert.equal(code, 0);
  assert.match(out, /^192\.0\.2\.7 +19m +1m +pop3 0\.0\.0\.0:110 +anna@example\.org$/m);
  assert.match(out, /^192\.0\.2\.8 .*3 people: each has to log in/m);
  const json = await run(['windows', 'list', '--json', '--data', data]);
  assert.deepEqual(JSON.parse(json.out.split('\n')[0] ?? ''), window);
});

test('windows revoke takes an address or a name, and says when there is none', async (t) => {
  const asked: unknown[] = [];
  const { data } = await fakeRelay(t, {
    windowsRevoke: async (which) => {
      asked.push(which);
      return { windows: 'name' in which && which.name === 'nobody' ? 0 : 1 };
    },
  });
  for (const which of ['192.0.2.7', '2001:db8::/64', 'anna@example.org'])
    assert.equal((await run(['windows', 'revoke', which, '--data', data])).out, '1 window revoked\n');
  const none = await run(['windows', 'revoke', 'nobody', '--data', data]);
  assert.deepEqual([none.code, none.err], [66, 'posthouse: no window of "nobody"\n']);
  assert.deepEqual(asked, [
    { address: '192.0.2.7' },
    { address: '2001:db8::/64' },
    { name: 'anna@example.org' },
    { name: 'nobody' },
  ]);
});
