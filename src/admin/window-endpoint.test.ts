import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { manualClock, memoryLog } from '../base/index.ts';
import { openWindowEndpoint, type ReportedLogin, type WhichReported } from './window-endpoint.ts';

const token = 'a-token-of-some-length';
const bearer = { authorization: `Bearer ${token}` };

async function bench(t: TestContext) {
  const opened: ReportedLogin[] = [];
  const revoked: WhichReported[] = [];
  const log = memoryLog();
  const clock = manualClock();
  const endpoint = await openWindowEndpoint({
    host: '127.0.0.1',
    port: 0,
    token,
    windows: {
      async open(login) {
        opened.push(login);
        if (login.name === 'breaks') throw new Error('a secret of the inside');
        return login.address === '127.0.0.1'
          ? { outcome: 'refused', because: 'it is this machine' }
          : { outcome: 'opened', address: login.address, expiresAt: 5 };
      },
      list: () => [],
      async revoke(which) {
        revoked.push(which);
        return 'name' in which && which.name === 'nobody' ? 0 : 2;
      },
    },
    clock,
    log,
  });
  t.after(() => endpoint[Symbol.asyncDispose]());
  const ask = async (method: string, path: string, body?: unknown, headers: object = bearer) => {
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    const response = await fetch(`http://${endpoint.address}${path}`, {
      method,
      headers: { ...headers, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
      ...(text === undefined ? {} : { body: text }),
    });
    return { status: response.status, text: await response.text() };
  };
  return { ask, opened, revoked, clock, log };
}

/** An event as Dovecot 2.3 sends it (`event_exporter`, JSON over HTTP). */
function dovecotEvent(fields: object, event = 'auth_request_finished') {
  return { event, hostname: 'mail', categories: ['auth'], fields };
}

const login = { user: 'anna', remote_ip: '192.0.2.7', service: 'imap', success: 'yes' };

test('a report opens a window, with the words of a person or of Dovecot', async (t) => {
  const { ask, opened } = await bench(t);
  const answer = await ask('POST', '/windows', { address: '192.0.2.7', user: 'anna', for: 60 });
  assert.equal(answer.status, 200);
  assert.deepEqual(JSON.parse(answer.text), { outcome: 'opened', address: '192.0.2.7', expiresAt: 5 });
  assert.equal((await ask('POST', '/windows', dovecotEvent(login))).status, 200);
  const basic = { authorization: `Basic ${Buffer.from(`dovecot:${token}`).toString('base64')}` };
  assert.equal((await ask('POST', '/windows', dovecotEvent(login), basic)).status, 200);
  assert.deepEqual(opened, [
    { address: '192.0.2.7', name: 'anna', source: 'http', forMs: 60_000 },
    { address: '192.0.2.7', name: 'anna', source: 'dovecot imap' },
    { address: '192.0.2.7', name: 'anna', source: 'dovecot imap' },
  ]);
});

test('an event that is no login to a mailbox opens nothing', async (t) => {
  const { ask, opened } = await bench(t);
  const { success: _, ...undecided } = login;
  for (const event of [
    dovecotEvent({ ...login, success: 'no' }),
    dovecotEvent({ ...login, error: 'authentication failed' }),
    dovecotEvent({ ...login, service: 'smtp' }),
    dovecotEvent({ ...login, remote_ip: undefined }),
    dovecotEvent(undecided),
    dovecotEvent(login, 'auth_client_request_finished'),
  ])
    assert.equal((await ask('POST', '/windows', event)).status, 204, JSON.stringify(event));
  assert.deepEqual(opened, []);
});

test('whoever does not know the token gets nowhere', async (t) => {
  const { ask, opened, revoked, log } = await bench(t);
  for (const authorization of [
    undefined,
    '',
    token,
    'Bearer',
    'Bearer ',
    `Bearer ${token} `.repeat(2),
    `Bearer ${token}x`,
    `Digest ${token}`,
    `Basic ${token}`,
    `Basic ${Buffer.from(':').toString('base64')}`,
  ]) {
    const headers = authorization === undefined ? {} : { authorization };
    for (const [method, path] of [
      ['POST', '/windows'],
      ['GET', '/windows'],
      ['DELETE', '/windows/192.0.2.7'],
      ['GET', '/elsewhere'],
    ] as const) {
      const body = method === 'POST' ? { address: '192.0.2.7', user: 'anna' } : undefined;
      const { status } = await ask(method, path, body, headers);
      assert.equal(status, 401, `${method} ${path} ${authorization}`);
    }
  }
  assert.deepEqual([opened, revoked], [[], []]);
  assert.ok(log.lines.every(({ event }) => event === 'window-report-denied'));
});

test('guesses of the token do not flood the log', async (t) => {
  const { ask, clock, log } = await bench(t);
  for (let n = 0; n < 20; n++)
    await ask('GET', '/windows', undefined, { authorization: `Bearer guess-${n}` });
  clock.advance(60_000);
  await ask('GET', '/windows', undefined, {});
  assert.deepEqual(
    log.lines.map(({ fields }) => fields.denied),
    [1, 20],
  );
});

test('what is no report has a clear answer, and a fault says nothing of the inside', async (t) => {
  const { ask, log } = await bench(t);
  for (const body of [
    {},
    [],
    7,
    { address: '192.0.2.7' },
    { address: '192.0.2.7', user: 'a', more: 1 },
    '{"a',
  ])
    assert.equal((await ask('POST', '/windows', body)).status, 400, JSON.stringify(body));
  assert.equal(
    (await ask('POST', '/windows', { address: '192.0.2.7', user: 'x'.repeat(20_000) })).status,
    413,
  );
  const local = await ask('POST', '/windows', { address: '127.0.0.1', user: 'anna' });
  assert.deepEqual(
    [local.status, JSON.parse(local.text)],
    [422, { outcome: 'refused', because: 'it is this machine' }],
  );
  const broken = await ask('POST', '/windows', { address: '192.0.2.7', user: 'breaks' });
  assert.deepEqual([broken.status, broken.text], [500, '{"error":"it cannot be done now"}']);
  assert.match(JSON.stringify(log.lines), /a secret of the inside/);
});

test('windows are revoked by address and by name', async (t) => {
  const { ask, revoked } = await bench(t);
  for (const which of ['192.0.2.7', '2001:db8::1', 'anna@example.org'])
    assert.equal((await ask('DELETE', `/windows/${encodeURIComponent(which)}`)).status, 200);
  assert.equal((await ask('DELETE', '/windows/nobody')).status, 404);
  assert.deepEqual(revoked.slice(0, 3), [
    { address: '192.0.2.7' },
    { address: '2001:db8::1' },
    { name: 'anna@example.org' },
  ]);
});
