import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { PopSession } from './session.ts';
import { defaultPopSessionLimits, type PopServerOptions } from './session-options.ts';
import { MemoryWire, makeMaildir, serverOptions, talk } from './testing.ts';

const login = 'USER anna\r\nPASS sesame\r\n';
const plain = (name: string, password: string) => Buffer.from(`\0${name}\0${password}`).toString('base64');

function bench(t: TestContext, changes: Partial<PopServerOptions> = {}) {
  const root = mkdtempSync(join(tmpdir(), 'posthouse-pop3-'));
  t.after(() => rmSync(root, { recursive: true, force: true }));
  const anna = makeMaildir(join(root, 'anna'), {
    '1.a.h': 'Subject: one\n\n.dot\n',
    '2.b.h': 'Subject: two\n\nx\n',
  });
  return { root, anna, ...serverOptions(root, changes) };
}

/** The replies by line, without the greeting. */
async function replies(...args: Parameters<typeof talk>): Promise<readonly string[]> {
  return (await talk(...args)).split('\r\n').slice(1, -1);
}

/** Lets everything happen that can happen. */
async function settled(isSo: () => boolean): Promise<void> {
  const last = performance.now() + 5000;
  while (!isSo()) {
    if (performance.now() > last) throw new Error(`waited in vain until ${isSo}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

test('lines without an end, NULs, bare line ends and floods get their replies and never an exception', async (t) => {
  const { options, log } = bench(t);
  assert.deepEqual(
    await replies(options, `${'x'.repeat(100_000)}\r\nNOOP\nQUIT\r\nNO\0P\r\n\xff\r\nQUIT\r\n`),
    [
      '-ERR line too long',
      '-ERR only CRLF ends a line',
      '-ERR not a line of text',
      '-ERR not a line of text',
      '+OK goodbye',
    ],
  );
  const flood = await replies(options, 'CAPA x\r\n'.repeat(10_000));
  assert.equal(flood.length, defaultPopSessionLimits.errors);
  assert.equal(flood.at(-1), '-ERR too many errors');
  const noops = await talk(
    { ...options, limits: { ...options.limits, commands: 100 } },
    `${login}${'NOOP\r\n'.repeat(1000)}`,
  );
  assert.match(noops, /-ERR too many commands\r\n$/);
  assert.equal(noops.match(/\+OK\r\n/g)?.length, 98);
  assert.ok(
    log.lines.every(({ event }) => event !== 'pop3-failed'),
    JSON.stringify(log.lines),
  );
});

test('nobody is told who exists, and guessing ends the connection', async (t) => {
  const { options, logins } = bench(t);
  const wrong = '-ERR [AUTH] authentication failed';
  assert.deepEqual(await replies(options, 'USER anna\r\nPASS x\r\nUSER ghost\r\nPASS x\r\nQUIT\r\n'), [
    '+OK now the password',
    wrong,
    '+OK now the password',
    wrong,
    '+OK goodbye',
  ]);
  const guesses = await replies(options, 'USER anna\r\nPASS x\r\n'.repeat(20) + login);
  assert.equal(guesses.at(-1), '-ERR [AUTH] too many failed logins');
  assert.deepEqual(logins, []);
});

test('a name or a password in windows-1252 is a wrong one, and not a line of nonsense', async (t) => {
  const { options } = bench(t);
  const asked: string[] = [];
  const identities = {
    ...options.identities,
    verifyPassword: async (...args: Parameters<typeof options.identities.verifyPassword>) => {
      asked.push(`${args[0].name.toString('latin1')} ${args[0].password.toString('latin1')}`);
      return options.identities.verifyPassword(...args);
    },
  };
  const wrong = '-ERR [AUTH] authentication failed';
  const said = 'USER anna\r\nPASS gr\xfcn\r\nUSER zo\xeb\r\nPASS x\r\nST\xc4T\r\nQUIT\r\n';
  assert.deepEqual(await replies({ ...options, identities }, said), [
    '+OK now the password',
    wrong,
    '+OK now the password',
    wrong,
    '-ERR not a line of text',
    '+OK goodbye',
  ]);
  assert.deepEqual(asked, ['anna gr\xfcn', 'zo\xeb x']);
});

test('a broken backend is temporary, a login without a mailbox is not', async (t) => {
  const { options, logins } = bench(t);
  const [, broken] = await replies(options, 'USER broken\r\nPASS x\r\n');
  assert.match(broken ?? '', /^-ERR \[SYS\/TEMP\] /);
  const [, nobody] = await replies(options, 'USER nobody\r\nPASS sesame\r\n');
  assert.match(nobody ?? '', /^-ERR \[SYS\/PERM\] /);
  assert.deepEqual(logins, []);
});

test('passwords go over TLS, or from loopback where that was asked for', async (t) => {
  const { options } = bench(t);
  const inClear = (address: string) => new MemoryWire({ tls: undefined, address });
  const refused = ['-ERR say STLS first', '-ERR say STLS first', '-ERR say STLS first'];
  const sent = `${login}AUTH PLAIN ${plain('anna', 'sesame')}\r\n`;
  assert.deepEqual(await replies(options, sent, inClear('203.0.113.9')), refused);
  assert.deepEqual(await replies(options, sent, inClear('127.0.0.1')), refused);
  const open = { ...options, allowPlaintext: true };
  assert.deepEqual(await replies(open, sent, inClear('203.0.113.9')), refused);
  assert.equal((await replies(open, login, inClear('127.0.0.1')))[1], '+OK 2 messages');
  const offered = await talk(options, 'CAPA\r\n', inClear('127.0.0.1'));
  assert.match(offered, /\r\nSTLS\r\n/);
  assert.doesNotMatch(offered, /USER|SASL/);
});

test('STLS forgets what was said, and refuses what came behind it', async (t) => {
  const { options, logins } = bench(t);
  const inClear = () => new MemoryWire({ tls: undefined, address: '127.0.0.1' });
  const open = { ...options, allowPlaintext: true };
  const wire = inClear();
  wire.onWrite = (octets) => {
    if (octets.toString().startsWith('+OK begin TLS')) wire.send('PASS sesame\r\nSTLS\r\nCAPA\r\nQUIT\r\n');
    if (octets.toString().startsWith('+OK now')) wire.send('STLS\r\n');
    return undefined;
  };
  wire.send('USER anna\r\n');
  await new PopSession(wire, open).run();
  const said = wire.said.split('\r\n').slice(2);
  assert.equal(said[0], '+OK begin TLS now');
  assert.equal(said[1], '-ERR say USER first');
  assert.equal(said[2], '-ERR no TLS to begin here');
  assert.ok(!said.includes('STLS'));
  assert.deepEqual(await replies(open, `STLS\r\n${login}`, inClear()), [
    '-ERR nothing may follow STLS before its reply',
  ]);
  assert.deepEqual(logins, []);
});

test('a whole session, pipelined', async (t) => {
  const { options, anna, logins } = bench(t);
  const commands = [
    'STAT',
    'LIST',
    'LIST 2',
    'UIDL',
    'UIDL 1',
    'TOP 2 0',
    'RETR 1',
    'DELE 1',
    'LIST',
    'RETR 1',
  ];
  const sent = [...commands, 'DELE 1', 'STAT', 'NOOP', 'QUIT', 'NOOP'].map((line) => `${line}\r\n`).join('');
  assert.equal(
    (await replies(options, login + sent)).join('\n'),
    `+OK now the password
+OK 2 messages
+OK 2 41
+OK 2 messages
1 22
2 19
.
+OK 2 19
+OK 2 messages
1 1.a.h
2 2.b.h
.
+OK 1 1.a.h
+OK the message follows
Subject: two

.
+OK the message follows
Subject: one

..dot
.
+OK marked, QUIT removes it
+OK 1 messages
2 19
.
-ERR no such message
-ERR no such message
+OK 1 19
+OK
+OK goodbye`,
  );
  assert.deepEqual(readdirSync(join(anna, 'cur')), ['2.b.h:2,']);
  assert.deepEqual(logins, ['anna from 203.0.113.9']);
});

test('nothing is removed without QUIT, nor what RSET took back', async (t) => {
  const { options, anna } = bench(t);
  await talk(options, `${login}DELE 1\r\nDELE 2\r\n`);
  assert.equal(readdirSync(join(anna, 'cur')).length, 2);
  await talk(options, `${login}DELE 1\r\nRSET\r\nQUIT\r\n`);
  assert.equal(readdirSync(join(anna, 'cur')).length, 2);
});

test('what could not be removed is said', async (t) => {
  const { options, anna } = bench(t);
  const wire = new MemoryWire();
  const session = new PopSession(wire, options).run();
  wire.send(`${login}DELE 1\r\nDELE 2\r\nNOOP\r\n`);
  await settled(() => wire.said.endsWith('+OK\r\n'));
  rmSync(join(anna, 'cur/1.a.h:2,'));
  mkdirSync(join(anna, 'cur/1.a.h:2,'));
  wire.send('QUIT\r\n');
  await session;
  assert.match(wire.said, /-ERR \[SYS\/TEMP\] some deleted messages not removed\r\n$/);
  assert.deepEqual(readdirSync(join(anna, 'cur')), ['1.a.h:2,']);
});

test('commands are refused where they do not belong', async (t) => {
  const { options } = bench(t);
  for (const line of ['STAT', 'LIST', 'UIDL', 'RETR 1', 'TOP 1 1', 'DELE 1', 'RSET', 'NOOP'])
    assert.deepEqual(await replies(options, `${line}\r\n`), ['-ERR log in first'], line);
  for (const line of ['USER anna', 'PASS x', 'AUTH PLAIN', 'APOP a b', 'STLS'])
    assert.equal((await replies(options, `${login}${line}\r\n`))[2], '-ERR you are logged in already', line);
  assert.match((await replies(options, 'APOP anna 0123\r\n'))[0] ?? '', /^-ERR APOP /);
  assert.deepEqual(await replies(options, 'USER anna\r\nCAPA x\r\nPASS sesame\r\n'), [
    '+OK now the password',
    '-ERR the arguments make no sense',
    '-ERR say USER first',
  ]);
  for (const line of ['RETR 0', 'RETR 3', 'LIST 3', 'UIDL 0', 'TOP 3 1', 'DELE 3'])
    assert.equal((await replies(options, `${login}${line}\r\n`))[2], '-ERR no such message', line);
});

test('AUTH takes its turns, and what makes no sense of them is refused', async (t) => {
  const { options, logins } = bench(t);
  const good = plain('anna', 'sesame');
  assert.deepEqual(await replies(options, `AUTH PLAIN ${good}\r\n`), ['+OK 2 messages']);
  assert.deepEqual(await replies(options, `auth plain\r\n${good}\r\n`), ['+ ', '+OK 2 messages']);
  assert.equal(logins.length, 2);
  assert.deepEqual(await replies(options, 'AUTH PLAIN\r\n*\r\nAUTH PLAIN\r\n!!\r\nAUTH CRAM-MD5\r\n'), [
    '+ ',
    '-ERR authentication cancelled',
    '+ ',
    '-ERR not a response in base64',
    '-ERR mechanism not offered, see CAPA',
  ]);
  assert.deepEqual(await replies(options, `AUTH PLAIN ${plain('anna', 'no')}\r\n`), [
    '-ERR [AUTH] authentication failed',
  ]);
  assert.deepEqual(await replies(options, `AUTH PLAIN\r\n${'A'.repeat(50_000)}\r\nQUIT\r\n`), [
    '+ ',
    '-ERR not a response in base64',
    '+OK goodbye',
  ]);
});

test('one session has a mailbox; its lock goes with it however it ends', async (t) => {
  const { options, clock } = bench(t);
  const first = new MemoryWire();
  const running = new PopSession(first, options).run();
  first.send(login);
  await settled(() => first.said.includes('2 messages'));
  assert.match((await replies(options, login))[1] ?? '', /^-ERR \[IN-USE\] /);
  // An octet now and then does not keep it.
  clock.advance(defaultPopSessionLimits.idleMs - 1);
  first.send('N');
  clock.advance(1);
  await running;
  assert.ok(first.isClosed);
  assert.equal((await replies(options, login))[1], '+OK 2 messages');
});

test('a client that does not read makes us keep no more than a piece of a message', async (t) => {
  const { options, root } = bench(t);
  makeMaildir(join(root, 'bob'), { '1.big.h': `a: b\n\n${'x'.repeat(99)}\n`.repeat(20_000) });
  const wire = new MemoryWire();
  let [held, most] = [0, 0];
  let read: () => void = () => {};
  wire.onWrite = (octets) => {
    held += octets.length;
    most = Math.max(most, held);
    return new Promise((resolve) => {
      read = () => {
        held = 0;
        resolve();
      };
    });
  };
  wire.send(`USER bob\r\nPASS sesame\r\n${'RETR 1\r\n'.repeat(50)}`);
  const running = new PopSession(wire, options).run();
  await settled(() => {
    read();
    return wire.said.length > 3_000_000;
  });
  assert.ok(most <= 256 * 1024, `${most} octets waited`);
  wire.destroy();
  read();
  await running;
});

test('one who leaves while the password is looked at has not logged in', async (t) => {
  const answer = Promise.withResolvers<void>();
  let isAsked = false;
  const { options, logins } = bench(t);
  const slow = {
    ...options,
    identities: {
      ...options.identities,
      verifyPassword: async (...args: Parameters<typeof options.identities.verifyPassword>) => {
        isAsked = true;
        await answer.promise;
        return options.identities.verifyPassword(...args);
      },
    },
  };
  const wire = new MemoryWire();
  const running = new PopSession(wire, slow).run();
  wire.send(login);
  await settled(() => isAsked);
  wire.destroy();
  answer.resolve();
  await running;
  assert.deepEqual(logins, []);
  assert.equal((await replies(options, login))[1], '+OK 2 messages');
});

test('a login succeeds even when nobody can be told of it', async (t) => {
  const { options, log } = bench(t, { onLogin: () => Promise.reject(new Error('disk full')) });
  assert.equal((await replies(options, login))[1], '+OK 2 messages');
  assert.ok(log.lines.some(({ event }) => event === 'pop3-login-untold'));
});

test('who waits when the relay ends is told so, and nothing is removed', async (t) => {
  const { options, anna } = bench(t);
  const wire = new MemoryWire();
  const running = new PopSession(wire, options).run();
  wire.send(`${login}DELE 1\r\n`);
  await settled(() => wire.said.includes('marked'));
  wire.drain();
  await running;
  assert.match(wire.said, /-ERR \[SYS\/TEMP\] the server is shutting down\r\n$/);
  assert.equal(readdirSync(join(anna, 'cur')).length, 2);
});

test('the answers are the same wherever the octets are divided', async (t) => {
  const { options } = bench(t);
  const line = fc.constantFrom(
    ...['USER anna', 'PASS sesame', 'CAPA', 'STAT', 'LIST', 'UIDL', 'RETR 1', 'TOP 1 1', 'DELE 2', 'RSET'],
    ...['NOOP', 'x', '\0', 'NOOP\nQUIT', 'AUTH PLAIN', plain('anna', 'sesame'), '*', 'y'.repeat(300)],
  );
  const property = fc.asyncProperty(
    fc.array(line, { maxLength: 12 }),
    fc.integer({ min: 1, max: 30 }),
    async (lines, size) => {
      const octets = Buffer.from(lines.map((each) => `${each}\r\n`).join(''), 'latin1');
      const pieces: Buffer[] = [];
      for (let at = 0; at < octets.length; at += size) pieces.push(octets.subarray(at, at + size));
      assert.equal(await talk(options, pieces), await talk(options, [octets]));
    },
  );
  await fc.assert(property, { numRuns: 60 });
});
