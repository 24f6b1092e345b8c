import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Background, manualClock, memoryLog } from '../base/index.ts';
import { OauthToken, TokenError } from './oauth-token.ts';
import type { OauthOptions } from './options.ts';

const never = new AbortController().signal;
const hour = 3_600_000;

type Answer = { readonly status?: number; readonly body: unknown } | Error | 'silence';

/** A token source over an endpoint that gives these answers, the last of them again and again. */
function source(answers: readonly Answer[], changes: Partial<OauthOptions> = {}) {
  const clock = manualClock();
  const log = memoryLog();
  const asked: URLSearchParams[] = [];
  const fetch = async (_url: unknown, init?: RequestInit): Promise<Response> => {
    const answer = answers[Math.min(asked.length, answers.length - 1)] ?? new Error('no answer');
    asked.push(new URLSearchParams(String(init?.body)));
    if (answer instanceof Error) throw answer;
    if (answer === 'silence') {
      return new Promise((_, reject) => {
        init?.signal?.addEventListener('abort', () => reject(init.signal?.reason));
      });
    }
    const body = typeof answer.body === 'string' ? answer.body : JSON.stringify(answer.body);
    return new Response(body, { status: answer.status ?? 200 });
  };
  const options: OauthOptions = {
    tokenUrl: 'https://login.test/token',
    grant: 'client-credentials',
    clientId: 'relay',
    clientSecret: 'hush',
    mechanism: 'auto',
    ...changes,
  };
  const background = new Background(log);
  const life = new AbortController();
  const token = new OauthToken(options, { clock, log, background, fetch, signal: life.signal });
  return { clock, log, asked, token, life, settle: () => background.drain() };
}

const good = (name: string, more: object = {}): Answer => ({
  body: { access_token: name, token_type: 'Bearer', expires_in: 3600, ...more },
});
const down = new Error('fetch failed', { cause: new Error('connect ECONNREFUSED') });
const revoked = { status: 400, body: { error: 'invalid_grant', error_description: 'expired hush token' } };

async function secretFile(t: TestContext, text: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'posthouse-token-'));
  t.after(() => rm(folder, { recursive: true }));
  const file = join(folder, 'refresh');
  await writeFile(file, text, { mode: 0o644 });
  return file;
}

test('one request serves everybody who waits, and asks as the grant wants', async () => {
  const s = source([good('t1')], { scope: 'mail' });
  const tokens = await Promise.all([1, 2, 3].map(() => s.token.current(never)));
  assert.deepEqual(tokens, ['t1', 't1', 't1']);
  assert.deepEqual(s.asked.map(String), [
    'client_id=relay&client_secret=hush&scope=mail&grant_type=client_credentials',
  ]);
});

test('a token is renewed ahead of its end, and the old one is used meanwhile', async () => {
  const s = source([good('t1'), good('t2')]);
  await s.token.current(never);
  s.clock.advance(45 * 60_000 - 1);
  assert.equal(await s.token.current(never), 't1');
  assert.equal(s.asked.length, 1);
  s.clock.advance(1);
  assert.equal(await s.token.current(never), 't1');
  await s.settle();
  assert.equal(await s.token.current(never), 't2');
  assert.equal(s.asked.length, 2);
});

test('while the endpoint is down the valid token serves, requests thin out, and the alarm comes before the end', async () => {
  const s = source([good('t1'), down]);
  await s.token.current(never);
  s.clock.advance(45 * 60_000);
  s.token.tend();
  await s.settle();
  const trouble = s.token.trouble();
  assert.equal(trouble?.kind, 'token');
  assert.match(trouble.because, /ECONNREFUSED; mail goes on until 2026-01-01T01:00:00/);
  for (let at = 0; at < 14 * 60_000; at += 1000) {
    s.clock.advance(1000);
    assert.equal(await s.token.current(never), 't1');
    await s.settle();
  }
  assert.ok(s.asked.length < 12, String(s.asked.length));
  s.clock.advance(2 * 60_000);
  await assert.rejects(s.token.current(never), TokenError);
  assert.equal(s.token.trouble()?.kind, 'token-expired');
  assert.equal(s.token.trouble()?.since, trouble.since);
});

test('a new token ends the trouble', async () => {
  const s = source([down, good('t1')]);
  await assert.rejects(s.token.current(never), /no access token for relay at login\.test/);
  assert.equal(s.token.trouble()?.kind, 'token-expired');
  await assert.rejects(s.token.current(never), TokenError);
  assert.equal(s.asked.length, 1, 'not before the pause is over');
  s.clock.advance(5_000);
  assert.equal(await s.token.current(never), 't1');
  assert.equal(s.token.trouble(), undefined);
});

test('a refresh token that is refused is said in the words of the endpoint, without secrets', async (t) => {
  const file = await secretFile(t, 'r1\n');
  const s = source([revoked], { grant: 'refresh-token', refreshTokenFile: file });
  await assert.rejects(s.token.current(never), /400: invalid_grant: expired \*\*\* token/);
  assert.equal(s.token.trouble()?.kind, 'token-expired');
  assert.ok(!JSON.stringify(s.log.lines).includes('hush'));
});

test('an endpoint that says the secrets again in another form does not bring them into the log', async (t) => {
  const file = await secretFile(t, 'refresh-me+please\n');
  const told = 'client_secret=hush refresh_token=refresh-me%2Bplease cmVmcmVzaC1tZStwbGVhc2U=';
  const answer = { status: 400, body: { error: 'invalid_grant', error_description: told } };
  const s = source([answer], { grant: 'refresh-token', refreshTokenFile: file });
  await assert.rejects(s.token.current(never), /400: invalid_grant: client_secret=\*\*\* /);
  assert.doesNotMatch(JSON.stringify(s.log.lines), /hush|refresh-me|cmVmcmVz/);
});

test('a new refresh token is written back for the relay alone, and used from then on', async (t) => {
  const file = await secretFile(t, 'r1\n');
  const answers = [good('t1', { refresh_token: 'r2' }), good('t2')];
  const s = source(answers, { grant: 'refresh-token', refreshTokenFile: file });
  await s.token.current(never);
  assert.equal(await readFile(file, 'utf8'), 'r2\n');
  assert.equal((await stat(file)).mode & 0o777, 0o600);
  s.clock.advance(hour);
  await s.token.current(never);
  assert.deepEqual(
    s.asked.map((form) => form.get('refresh_token')),
    ['r1', 'r2'],
  );
});

test('a refresh token that cannot be written is used all the same, and is an alarm', async (t) => {
  const file = await secretFile(t, 'r1');
  const answers = [good('t1', { refresh_token: 'r2' }), good('t2')];
  const s = source(answers, { grant: 'refresh-token', refreshTokenFile: join(file, 'not-a-folder') });
  await assert.rejects(s.token.current(never), /cannot read/);
  const other = source(answers, { grant: 'refresh-token', refreshTokenFile: file });
  // A folder stands where the new file is to be.
  await mkdir(`${file}.new/full`, { recursive: true });
  await other.token.current(never);
  assert.equal(other.token.trouble()?.kind, 'token');
  assert.match(other.token.trouble()?.because ?? '', /cannot be written/);
  other.clock.advance(hour);
  await other.token.current(never);
  assert.equal(other.asked[1]?.get('refresh_token'), 'r2');
});

test('a token that somebody put into the file by hand is taken at the next try', async (t) => {
  const file = await secretFile(t, 'r1');
  const s = source([revoked, good('t1')], { grant: 'refresh-token', refreshTokenFile: file });
  await assert.rejects(s.token.current(never), TokenError);
  await writeFile(file, 'r9\n');
  s.token.hurry();
  assert.equal(await s.token.current(never), 't1');
  assert.equal(s.asked[1]?.get('refresh_token'), 'r9');
});

test('a refused token is replaced once it is not quite new', async () => {
  const s = source([good('t1'), good('t2')]);
  await s.token.current(never);
  assert.equal(s.token.refused('t1'), false);
  assert.equal(s.token.trouble()?.kind, 'token-expired');
  s.token.accepted();
  assert.equal(s.token.trouble(), undefined);
  s.clock.advance(60_000);
  assert.equal(s.token.refused('t1'), true);
  assert.equal(await s.token.current(never), 't2');
});

test('what the endpoint may say wrong, or not at all, is never a token', async () => {
  const answers: readonly Answer[] = [
    { body: '<html>' },
    { body: null },
    { body: { access_token: '' } },
    { body: { access_token: 'a b\r\nAUTH' } },
    { body: { access_token: 7 } },
    { status: 500, body: { access_token: 't' } },
    { body: 'x'.repeat(100_000) },
  ];
  for (const answer of answers) {
    const s = source([answer]);
    await assert.rejects(s.token.current(never), TokenError, JSON.stringify(answer).slice(0, 50));
  }
  const s = source(['silence']);
  const waiting = s.token.current(never);
  s.clock.advance(15_000);
  await assert.rejects(waiting, /no answer within 15 s/);
});

test('who is in a hurry does not wait for the endpoint', async () => {
  const s = source(['silence']);
  await assert.rejects(s.token.current(AbortSignal.abort()), /interrupted/);
  // Nor does the end of the relay.
  s.life.abort();
  await s.settle();
});

test('a known end of the secret is an alarm two weeks before', async () => {
  const day = 86_400_000;
  const s = source([good('t1')], { expiresAt: Date.UTC(2026, 0, 1) + 15 * day });
  await s.token.current(never);
  assert.equal(s.token.trouble(), undefined);
  s.clock.advance(day);
  assert.match(s.token.trouble()?.because ?? '', /ends at 2026-01-16/);
  const told = source([good('t1', { refresh_token_expires_in: 10 * 86_400 })]);
  await told.token.current(never);
  assert.equal(told.token.trouble()?.kind, 'token');
});
