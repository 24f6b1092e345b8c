import assert from 'node:assert/strict';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { type Address, matchesPath, parseMailbox } from '../mail/index.ts';
import { createTokenJudge, type OAuthOptions } from './index.ts';
import { identityOfToken, parseOAuthBearer, parseXoauth2 } from './oauth.ts';
import { authenticator, client, wordsOf } from './testing.ts';
import { Throttle } from './throttle.ts';
import { parseUsers } from './users-file.ts';

const issuer = 'https://login.example';

/** A web server with prepared answers; its address. */
async function web(
  t: TestContext,
  answer: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<string> {
  const server = createServer(answer);
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  t.after(() => server.closeAllConnections());
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  return `http://127.0.0.1:${port}/`;
}

function options(changes: Partial<OAuthOptions>): OAuthOptions {
  return { issuer, claim: 'email', clockSkewMs: 60_000, timeoutMs: 1000, ...changes };
}

async function issuing(t: TestContext) {
  const { publicKey, privateKey } = await generateKeyPair('ES256');
  const other = await generateKeyPair('ES256');
  const keys = { keys: [{ ...(await exportJWK(publicKey)), kid: 'k1', alg: 'ES256' }] };
  const state = { isDown: false, asked: 0 };
  const jwks = await web(t, (_request, response) => {
    state.asked++;
    if (state.isDown) response.destroy();
    else response.end(JSON.stringify(keys));
  });
  const sign = (claims: Record<string, unknown>, key = privateKey) =>
    new SignJWT(claims).setProtectedHeader({ alg: 'ES256', kid: 'k1' }).sign(key);
  const soon = Math.floor(Date.now() / 1000) + 600;
  return { jwks, state, sign, soon, otherKey: other.privateKey };
}

test('a token is judged by signature, issuer, audience, time, scope and the claim that names somebody', async (t) => {
  const { jwks, sign, soon, otherKey } = await issuing(t);
  const judge = createTokenJudge(options({ jwks, audience: 'smtp', scope: 'mail.send' }));
  const good = {
    iss: issuer,
    aud: 'smtp',
    exp: soon,
    scope: 'openid mail.send',
    email: 'anna@example.org',
    email_verified: true,
  };
  assert.deepEqual(await judge(await sign(good)), { kind: 'valid', name: 'anna@example.org' });
  const table: readonly (readonly [string, Promise<string>])[] = [
    ['another issuer', sign({ ...good, iss: 'https://evil.example' })],
    ['another audience', sign({ ...good, aud: 'imap' })],
    ['expired', sign({ ...good, exp: soon - 3600 })],
    ['without an end', sign({ ...good, exp: undefined })],
    ['not yet', sign({ ...good, nbf: soon })],
    ['another scope', sign({ ...good, scope: 'openid' })],
    ['nobody', sign({ ...good, email: undefined })],
    ['an address that is not verified', sign({ ...good, email_verified: false })],
    ['an address that nobody says is verified', sign({ ...good, email_verified: undefined })],
    ['an address that is verified in words', sign({ ...good, email_verified: 'true' })],
    ['another key', sign(good, otherKey)],
    ['no token', Promise.resolve('abc')],
    ['nothing', Promise.resolve('')],
    ['too much', Promise.resolve('x'.repeat(20_000))],
    [
      'unsigned',
      Promise.resolve(
        `${Buffer.from('{"alg":"none"}').toString('base64url')}.${Buffer.from(JSON.stringify(good)).toString('base64url')}.`,
      ),
    ],
  ];
  for (const [what, token] of table) assert.equal((await judge(await token)).kind, 'invalid', what);
  assert.equal(
    (await judge(await sign({ ...good, exp: soon - 630 }))).kind,
    'valid',
    'clocks differ a little',
  );
});

test('keys that cannot be had are nobody’s fault but the issuer’s', async (t) => {
  const { jwks, state, sign, soon } = await issuing(t);
  state.isDown = true;
  const judge = createTokenJudge(options({ jwks }));
  const token = await sign({ iss: issuer, exp: soon, email: 'anna@example.org', email_verified: true });
  assert.equal((await judge(token)).kind, 'unavailable');
  const hanging = await web(t, () => {});
  assert.equal(
    (await createTokenJudge(options({ jwks: hanging, timeoutMs: 100 }))(token)).kind,
    'unavailable',
  );
  const garbage = await web(t, (_request, response) => void response.end('<html>'));
  assert.equal((await createTokenJudge(options({ jwks: garbage }))(token)).kind, 'unavailable');
});

test('an issuer that is asked says who it is, and nothing else is believed', async (t) => {
  let answer: unknown = {};
  let status = 200;
  const asked: string[] = [];
  const url = await web(t, (request, response) => {
    asked.push(String(request.headers.authorization));
    response.statusCode = status;
    response.end(typeof answer === 'string' ? answer : JSON.stringify(answer));
  });
  const introspection = { url, clientId: 'relay', clientSecret: 'p:w' };
  const judge = createTokenJudge(options({ introspection, audience: 'smtp' }));
  const good = {
    active: true,
    iss: issuer,
    aud: ['x', 'smtp'],
    email: 'anna@example.org',
    email_verified: true,
  };
  const table: readonly (readonly [unknown, number, string])[] = [
    [good, 200, 'valid'],
    [{ active: false }, 200, 'invalid'],
    [{ ...good, iss: 'https://evil.example' }, 200, 'invalid'],
    [{ ...good, aud: 'x' }, 200, 'invalid'],
    [{ ...good, exp: 1 }, 200, 'invalid'],
    [{ ...good, active: 'yes' }, 200, 'unavailable'],
    ['no JSON', 200, 'unavailable'],
    [`"${'x'.repeat(100_000)}"`, 200, 'unavailable'],
    [good, 401, 'unavailable'],
    [good, 503, 'unavailable'],
  ];
  for (const [said, code, expected] of table) {
    answer = said;
    status = code;
    assert.equal((await judge('token')).kind, expected, JSON.stringify(said)?.slice(0, 60));
  }
  assert.equal(asked[0], `Basic ${Buffer.from('relay:p%3Aw').toString('base64')}`);
});

test('a token that the issuer has signed is no guess, however old it is', async () => {
  const judgeToken = async (token: string) =>
    ({ kind: 'invalid', because: 'no', isSigned: token.startsWith('old') }) as const;
  const pauses: number[] = [];
  const clock = {
    now: () => 0,
    after(delayMs: number) {
      pauses.push(delayMs);
      return () => {};
    },
  };
  const identities = authenticator(undefined, { judgeToken, throttle: new Throttle(clock) });
  const show = (token: string) =>
    identities.begin('XOAUTH2', client())?.step(Buffer.from(`user=anna\x01auth=Bearer ${token}\x01\x01`));
  for (let i = 0; i < 20; i++) assert.equal((await show(`old${i}`))?.kind, 'challenge');
  // The same one again counts once.
  for (let i = 0; i < 20; i++) await show('forged');
  assert.deepEqual(pauses, []);
  await Promise.all(['forged1', 'forged2'].map(show));
  void show('forged3');
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(pauses[0], 500);
});

test('OAUTHBEARER and XOAUTH2 let in whose token it is, and tell the others why before they fail', async () => {
  const judgeToken = async (token: string) =>
    token === 'good'
      ? ({ kind: 'valid', name: 'anna@example.org' } as const)
      : token === 'down'
        ? ({ kind: 'unavailable', because: 'away' } as const)
        : ({ kind: 'invalid', because: 'no', isSigned: false } as const);
  const identities = authenticator(undefined, { judgeToken, isExempt: () => true });
  const talk = async (mechanism: string, ...responses: readonly string[]) => {
    const exchange = identities.begin(mechanism, client()) ?? assert.fail();
    let words = '';
    for (const response of responses) words = wordsOf(await exchange.step(Buffer.from(response)));
    return words;
  };
  const bearer = (token: string, name = '') =>
    `n,${name && `a=${name}`},\x01host=x\x01port=587\x01auth=Bearer ${token}\x01\x01`;
  const xoauth2 = (token: string, name: string) => `user=${name}\x01auth=Bearer ${token}\x01\x01`;
  assert.equal(await talk('OAUTHBEARER', bearer('good')), 'anna@example.org by OAUTHBEARER');
  assert.equal(
    await talk('OAUTHBEARER', bearer('good', 'ANNA@example.org')),
    'anna@example.org by OAUTHBEARER',
  );
  assert.equal(await talk('XOAUTH2', xoauth2('good', 'anna@example.org')), 'anna@example.org by XOAUTH2');
  assert.equal(await talk('OAUTHBEARER', bearer('bad')), 'challenge {"status":"invalid_token"}');
  assert.equal(await talk('OAUTHBEARER', bearer('bad'), '\x01'), '535');
  assert.equal(await talk('OAUTHBEARER', bearer('good', 'boss@example.org'), '\x01'), '535');
  assert.equal(await talk('XOAUTH2', xoauth2('good', 'boss@example.org'), ''), '535');
  assert.equal(await talk('XOAUTH2', xoauth2('down', 'anna@example.org')), '454');
  for (const garbage of [
    '',
    'n,,',
    'user=x',
    'n,,\x01auth=Basic x\x01\x01',
    'n,,\x01auth=Bearer a\x01auth=Bearer b\x01\x01',
    'p=x,,\x01auth=Bearer good\x01\x01',
  ])
    assert.equal(await talk('OAUTHBEARER', garbage), '501', JSON.stringify(garbage));
});

test('somebody whose name looks like a pattern of addresses sends as no other', () => {
  for (const name of ['*@example.org', '*@*', '*', '<>', '@example.org', '*@*.example.org', 'example.org@']) {
    const senders = identityOfToken(name, 'XOAUTH2')?.senders ?? [];
    for (const text of ['boss@example.org', 'boss@sub.example.org', 'boss@example.net'])
      assert.ok(!senders.some((pattern) => matchesPath(pattern, mailbox(text))), `${name} as ${text}`);
  }
  const own = identityOfToken('*@example.org', 'XOAUTH2')?.senders[0];
  assert.ok(own && matchesPath(own, mailbox('*@example.org')));
  const [user] = parseUsers('users: { "*@example.org": {} }', 'users.yaml').users.values();
  assert.ok(!user?.senders.some((pattern) => matchesPath(pattern, mailbox('boss@example.org'))));
});

function mailbox(text: string): Address {
  return parseMailbox(text, { smtputf8: true }) ?? assert.fail(text);
}

test('the parsers of token messages never throw', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      parseOAuthBearer(text);
      parseXoauth2(text);
    }),
  );
});
