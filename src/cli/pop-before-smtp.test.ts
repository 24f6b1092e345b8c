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

test('pop-before-smtp list shows each address with its window, names and time left', async (t) => {
  const crowded = { ...window, address: '192.0.2.8', names: ['a', 'b', 'c'], needsAuth: true };
  const { data } = await fakeRelay(t, {
    async *windowsList() {
      yield window;
      yield crowded;
    },
  });
  const { code, out } = await run(['pop-before-smtp', 'list', '--data', data]);
  assert.equal(code, 0);
  assert.match(out, /^192\.0\.2\.7 +19m +1m +pop3 0\.0\.0\.0:110 +anna@example\.org$/m);
  assert.match(out, /^192\.0\.2\.8 .*3 users: each has to log in/m);
  const json = await run(['pop-before-smtp', 'list', '--json', '--data', data]);
  assert.deepEqual(JSON.parse(json.out.split('\n')[0] ?? ''), window);
});

test('pop-before-smtp revoke takes an address or a name, and says when there is none', async (t) => {
  const asked: unknown[] = [];
  const { data } = await fakeRelay(t, {
    windowsRevoke: async (which) => {
      asked.push(which);
      return { windows: 'name' in which && which.name === 'nobody' ? 0 : 1 };
    },
  });
  for (const which of ['192.0.2.7', '2001:db8::/64', 'anna@example.org'])
    assert.equal((await run(['pop-before-smtp', 'revoke', which, '--data', data])).out, '1 window revoked\n');
  const none = await run(['pop-before-smtp', 'revoke', 'nobody', '--data', data]);
  assert.deepEqual([none.code, none.err], [66, 'posthouse: no window of "nobody"\n']);
  assert.deepEqual(asked, [
    { address: '192.0.2.7' },
    { address: '2001:db8::/64' },
    { name: 'anna@example.org' },
    { name: 'nobody' },
  ]);
});

test('the former name "windows" calls the same commands, and no help shows it', async (t) => {
  const { data } = await fakeRelay(t, {
    async *windowsList() {
      yield window;
    },
    windowsRevoke: async () => ({ windows: 1 }),
  });
  const at = ['--data', data];
  const calls = [
    ['list', ...at],
    ['list', '--json', ...at],
    ['revoke', '192.0.2.7', ...at],
    ['list', '--help'],
    ['--help'],
    [],
  ];
  for (const rest of calls)
    assert.deepEqual(await run(['windows', ...rest]), await run(['pop-before-smtp', ...rest]));
  assert.deepEqual(await run(['help', 'windows', 'list']), await run(['help', 'pop-before-smtp', 'list']));
  assert.doesNotMatch((await run(['--help'])).out, /^ *windows/m);
  assert.equal((await run(['windows', 'frobnicate'])).code, 64);
});
