import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fakeRelay, run } from './testing.ts';

const session = {
  id: 't1abc-1f',
  protocol: 'smtp',
  listener: 'submission',
  address: '192.0.2.7',
  port: 4711,
  user: 'anna@example.org',
  mechanism: 'PLAIN',
  since: Date.now() - 300_000,
  transactions: 4,
  accepted: 3,
} as const;

test('session list shows who is connected from where, since when, and what was sent', async (t) => {
  const { data } = await fakeRelay(t, {
    async *sessionsList() {
      yield session;
      yield { ...session, id: 'pop3-2', protocol: 'pop3', since: Date.now() };
    },
  });
  const { code, out } = await run(['session', 'list', '--data', data]);
  assert.equal(code, 0);
  assert.match(out, /^t1abc-1f +192\.0\.2\.7 +5m +3 +submission +anna@example\.org$/m);
  const json = await run(['session', 'list', '--json', '--data', data]);
  assert.deepEqual(JSON.parse(json.out.split('\n')[0] ?? ''), session);
});

test('session close says how many, and when there is none', async (t) => {
  const asked: string[] = [];
  const { data } = await fakeRelay(t, {
    sessionsClose: async ({ which }) => {
      asked.push(which);
      return { sessions: which === 'nobody' ? 0 : which === 'user:anna' ? 2 : 1 };
    },
  });
  assert.equal((await run(['session', 'close', 't1abc-1f', '--data', data])).out, '1 session closed\n');
  assert.equal((await run(['session', 'close', 'user:anna', '--data', data])).out, '2 sessions closed\n');
  assert.equal(
    (await run(['session', 'close', '192.0.2.7', '--json', '--data', data])).out,
    '{"sessions":1}\n',
  );
  const none = await run(['session', 'close', 'nobody', '--data', data]);
  assert.deepEqual([none.code, none.err], [66, 'posthouse: no session of "nobody"\n']);
  assert.deepEqual(asked, ['t1abc-1f', 'user:anna', '192.0.2.7', 'nobody']);
});
