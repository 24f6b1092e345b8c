import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ClientError } from './client-error.ts';
import { openClient } from './open.ts';
import type { ClientOptions } from './options.ts';
import { clientOptions, fakeServer, quit } from './testing.ts';

const token = { user: 'me,=@example.org', token: 'abc.def', mechanism: 'auto' } as const;
const base64 = (text: string) => Buffer.from(text).toString('base64');

/** Up to the EHLO over TLS, with the mechanisms that are offered there. */
const secured = (mechanisms: string) => `
  S: 220 mx.example
  C: EHLO client.example
  S: 250-mx.example
  S: 250 STARTTLS
  C: STARTTLS
  S: 220 go
  TLS
  C: EHLO client.example
  S: 250-mx.example
  S: 250 AUTH ${mechanisms}
`;

/** Plays the script to a client with these credentials; resolves with the error it came to, if any. */
async function login(
  script: string,
  credentials: NonNullable<ClientOptions['credentials']>,
): Promise<ClientError | undefined> {
  await using server = await fakeServer(script);
  const options = clientOptions(server.port, { tls: 'required', credentials });
  const opened = openClient(options).then(
    async (session) => {
      await session.quit();
      return undefined;
    },
    (error: unknown) => {
      assert.ok(error instanceof ClientError);
      return error;
    },
  );
  await server.played;
  return opened;
}

test('a token goes by OAUTHBEARER where both are offered, with the user escaped and the server named', async () => {
  assert.equal(
    await login(`${secured('PLAIN XOAUTH2 OAUTHBEARER')}C*\nS: 235 welcome ${quit}`, token),
    undefined,
  );
  // The script cannot know its own port: what came is read off the step that fails.
  let sent = '';
  await using server = await fakeServer(`${secured('OAUTHBEARER')}\nC: x`);
  const failing = openClient(clientOptions(server.port, { tls: 'required', credentials: token }));
  failing.catch(() => {});
  await server.played.catch((error: unknown) => {
    sent = String(error);
  });
  const initial = /AUTH OAUTHBEARER ([\w+/=]+)/.exec(sent)?.[1] ?? '';
  assert.match(
    Buffer.from(initial, 'base64').toString(),
    new RegExp(
      `^n,a=me=2C=3D@example.org,\x01host=mx.example\x01port=${server.port}\x01auth=Bearer abc.def\x01\x01$`,
    ),
  );
});

test('a token goes by XOAUTH2 where that alone is offered, or was asked for', async () => {
  const response = base64('user=me,=@example.org\x01auth=Bearer abc.def\x01\x01');
  const rest = `C: AUTH XOAUTH2 ${response}\nS: 235 2.7.0 welcome ${quit}`;
  assert.equal(await login(`${secured('LOGIN XOAUTH2')}${rest}`, token), undefined);
  const asked = { ...token, mechanism: 'xoauth2' } as const;
  assert.equal(await login(`${secured('OAUTHBEARER XOAUTH2')}${rest}`, asked), undefined);
});

test('a long token waits for the challenge, for a command line has its limit', async () => {
  const long = { ...token, token: 'x'.repeat(1500) };
  const response = base64(`user=me,=@example.org\x01auth=Bearer ${long.token}\x01\x01`);
  const rest = `C: AUTH XOAUTH2\nS: 334 \nC: ${response}\nS: 235 welcome ${quit}`;
  assert.equal(await login(`${secured('XOAUTH2')}${rest}`, long), undefined);
});

test('a refused token is answered as each mechanism asks, and is the reply that follows', async () => {
  const why = base64('{"status":"400"}');
  const bearer = `${secured('OAUTHBEARER')}C*\nS: 334 ${why}\nC: AQ==\nS: 535 5.7.8 expired\nC: QUIT\nWAIT`;
  const google = `${secured('XOAUTH2')}C*\nS: 334 ${why}\nC*\nS: 535 5.7.8 expired\nC: QUIT\nWAIT`;
  for (const script of [bearer, google]) {
    const error = await login(script, token);
    assert.equal(error?.code, 'rejected');
    assert.equal(error.phase, 'auth');
    assert.equal(error.reply?.code, 535);
    assert.ok(!JSON.stringify(error.message).includes('abc.def'));
  }
});

test('a token is never sent by a mechanism for passwords, nor a password by one for tokens', async () => {
  const neither = await login(`${secured('PLAIN LOGIN')}C: QUIT\nWAIT`, token);
  assert.equal(neither?.code, 'auth-unavailable');
  const password = { user: 'me', password: 'secret' };
  const other = await login(`${secured('XOAUTH2 OAUTHBEARER')}C: QUIT\nWAIT`, password);
  assert.equal(other?.code, 'auth-unavailable');
});

test('a certificate that is not the pinned one is refused before anything is said', async () => {
  const script = `
    S: 220 mx.example
    C: EHLO client.example
    S: 250-mx.example
    S: 250 STARTTLS
    C: STARTTLS
    S: 220 go
    TLS
    WAIT*
  `;
  await using server = await fakeServer(script);
  const fingerprints = [`sha256:${'0'.repeat(64)}`];
  const options = clientOptions(server.port, { tls: 'required', fingerprints, credentials: token });
  await assert.rejects(openClient(options), (error: ClientError) => {
    assert.equal(error.code, 'certificate');
    assert.match(error.message, /sha256:[0-9a-f]{64}/);
    return true;
  });
});
