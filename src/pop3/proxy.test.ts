import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { connect as connectTls, createSecureContext, TLSSocket } from 'node:tls';
import { IpSet, memoryLog, selfSigned, systemClock } from '../base/index.ts';
import { Throttle } from '../identity/index.ts';
import type { PopListenerOptions } from './listener.ts';
import { defaultPopLimits } from './options.ts';
import { type PopProxyOptions, type ProxyLogin, serveProxy } from './proxy.ts';
import { openPopListener } from './testing.ts';

const certificate = selfSigned('localhost');
const secureContext = createSecureContext(certificate);

type Answer = (line: string, socket: Socket) => string | undefined;

/** A server that knows anna. */
function usual(line: string): string | undefined {
  if (line === 'PASS secret') return '+OK in';
  if (line === 'CAPA') return '+OK\r\nTOP\r\nUSER\r\nSTLS\r\nSASL PLAIN SCRAM-SHA-256\r\n.';
  if (line === 'AUTH PLAIN') return '+ ';
  if (line === Buffer.from('\0anna\0secret').toString('base64')) return '+OK in';
  if (line === 'STAT') return '+OK 2 320';
  if (line === 'RETR 1') return '+OK\r\nSubject: x\r\n\r\n+OK ..\r\n.';
  return /^(?:USER|QUIT|NOOP)/.test(line) ? '+OK' : '-ERR no';
}

interface Setup {
  readonly answer?: Answer;
  readonly greeting?: string;
  readonly listener?: Partial<PopListenerOptions>;
  readonly proxy?: Partial<Omit<PopProxyOptions, 'upstream'>>;
  readonly upstream?: Partial<PopProxyOptions['upstream']>;
  readonly isServerSecure?: boolean;
}

async function bench(t: TestContext, setup: Setup = {}) {
  const { answer = usual, greeting = '+OK ready', isServerSecure = false } = setup;
  const seen: string[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((raw) => {
    sockets.add(raw);
    raw.on('error', () => {});
    serve(raw);
  });
  const serve = (raw: Socket) => {
    let socket: Socket = isServerSecure ? new TLSSocket(raw, { isServer: true, secureContext }) : raw;
    let rest = '';
    const read = (octets: Buffer) => {
      rest += octets.toString('latin1');
      for (let at = rest.indexOf('\n'); at >= 0; at = rest.indexOf('\n')) {
        const line = rest.slice(0, at).replace(/\r$/, '');
        rest = rest.slice(at + 1);
        seen.push(line);
        if (line === 'STLS') {
          socket.write('+OK\r\n');
          raw.off('data', read);
          socket = new TLSSocket(raw, { isServer: true, secureContext });
          socket.on('error', () => {}).on('data', read);
          return;
        }
        const said = answer(line, socket);
        if (said !== undefined) socket.write(`${said}\r\n`);
        if (line === 'QUIT') socket.end();
      }
    };
    socket.on('error', () => {});
    socket.on('data', read);
    if (greeting !== '') socket.write(`${greeting}\r\n`);
  };
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const bound = server.address();
  const port = typeof bound === 'object' && bound !== null ? bound.port : 0;
  const log = memoryLog();
  const logins: ProxyLogin[] = [];
  const listener = await openPopListener({
    name: 'pop3',
    host: '127.0.0.1',
    port: 0,
    tls: 'none',
    secureContext: () => secureContext,
    proxyProtocolFrom: new IpSet([]),
    limits: defaultPopLimits,
    clock: systemClock,
    log,
    ...setup.listener,
    serve: (connection) =>
      serveProxy(connection, {
        plaintext: 'loopback',
        opened: (login) => {
          logins.push(login);
          return Promise.resolve();
        },
        throttle: new Throttle(systemClock),
        clock: systemClock,
        log,
        ...setup.proxy,
        upstream: {
          host: '127.0.0.1',
          port,
          tls: 'none',
          verify: false,
          sendProxy: false,
          timeoutMs: 2000,
          ...setup.upstream,
        },
      }),
  });
  t.after(async () => {
    await listener.drain(AbortSignal.abort());
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { listener, port: listener.port, seen, logins, log };
}

/** Everything that is heard until the other side closes. */
async function heard(socket: Socket): Promise<string> {
  let text = '';
  socket.on('data', (octets: Buffer) => {
    text += octets.toString('latin1');
  });
  socket.on('error', () => {});
  await once(socket, 'close');
  return text;
}

function say(port: number, ...lines: readonly string[]): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  socket.write(lines.map((line) => `${line}\r\n`).join(''), 'latin1');
  return heard(socket);
}

/** One line at a time, each after the answer to the one before. */
async function converse(socket: Socket, lines: readonly string[]): Promise<string[]> {
  const answers: string[] = [];
  const next = async () => String((await once(socket, 'data'))[0]).trimEnd();
  for (const line of lines) {
    socket.write(`${line}\r\n`);
    answers.push(await next());
  }
  return answers;
}

test('a login opens a window, and everything behind it passes as it is', async (t) => {
  const { port, logins, seen } = await bench(t);
  assert.equal(
    await say(port, 'USER anna', 'PASS secret', 'STAT', 'RETR 1', 'QUIT'),
    '+OK ready\r\n+OK\r\n+OK in\r\n+OK 2 320\r\n+OK\r\nSubject: x\r\n\r\n+OK ..\r\n.\r\n+OK\r\n',
  );
  assert.deepEqual(logins, [{ address: '127.0.0.1', name: 'anna', source: 'pop3' }]);
  assert.deepEqual(seen, ['USER anna', 'PASS secret', 'STAT', 'RETR 1', 'QUIT']);
});

test('one user with an old password keeps no neighbour waiting, whatever the mechanism', async (t) => {
  const waits: string[] = [];
  const clock = {
    now: () => 0,
    after(delayMs: number) {
      waits.push(String(delayMs));
      return () => {};
    },
  };
  const base64 = (text: string) => Buffer.from(text).toString('base64');
  const answer = (line: string) =>
    /^AUTH (?:LOGIN|CRAM-MD5)$/.test(line) || line === base64('anna') ? '+ ' : usual(line);
  const { port } = await bench(t, { answer, proxy: { throttle: new Throttle(clock) } });
  for (let i = 0; i < 3; i++) await say(port, 'USER bob', `PASS old${i}`, 'USER bob', `PASS old${i}`, 'QUIT');
  waits.length = 0;
  await say(port, 'AUTH LOGIN', base64('anna'), base64('x'), 'QUIT');
  await say(port, 'AUTH CRAM-MD5', base64(`anna ${'0'.repeat(32)}`), 'QUIT');
  assert.match(await say(port, 'USER anna', 'PASS secret', 'QUIT'), /\+OK in/);
  assert.deepEqual(waits, []);
  const bob = connect(port, '127.0.0.1');
  bob.write(`AUTH PLAIN ${base64('\0bob\0old9')}\r\n`);
  while (waits.length === 0) await new Promise((resolve) => setImmediate(resolve));
  bob.destroy();
});

test('the window is open before the client hears that it is logged in', async (t) => {
  const order: string[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  const { port } = await bench(t, {
    proxy: {
      async opened() {
        await promise;
        order.push('window');
      },
    },
  });
  const text = say(port, 'USER anna', 'PASS secret', 'QUIT').then((said) => {
    order.push('client');
    return said;
  });
  setImmediate(resolve);
  assert.match(await text, /\+OK in/);
  assert.deepEqual(order, ['window', 'client']);
});

const failures: readonly (readonly [what: string, lines: readonly string[]])[] = [
  ['a wrong password', ['USER anna', 'PASS wrong']],
  ['a password without a name', ['PASS secret']],
  ['a name that was forgotten after a wrong password', ['USER anna', 'PASS wrong', 'PASS secret']],
  ['a command that is answered +OK', ['USER anna', 'NOOP']],
  ['a password in two lines by CR', ['USER anna\rPASS secret', 'NOOP PASS\rPASS secret']],
  ['NULs', ['USER anna\0', 'USER anna', 'PASS secret\0']],
  ['an AUTH that is given up', ['AUTH PLAIN', '*']],
  ['a line without an end', ['USER anna', `PASS ${'x'.repeat(100_000)}`]],
];

for (const [what, lines] of failures) {
  test(`no window: ${what}`, async (t) => {
    const { port, logins } = await bench(t);
    await say(port, ...lines, 'QUIT');
    assert.deepEqual(logins, []);
  });
}

test('commands behind a pipelined wrong password are not taken for those of somebody who is in', async (t) => {
  const { port, logins, seen } = await bench(t);
  const text = await say(port, 'USER anna', 'PASS wrong', 'RETR 1', 'USER anna', 'PASS secret', 'QUIT');
  assert.equal(text, '+OK ready\r\n+OK\r\n-ERR no\r\n-ERR log in first\r\n+OK\r\n+OK in\r\n+OK\r\n');
  assert.equal(logins.length, 1);
  assert.ok(!seen.includes('RETR 1'));
});

test('AUTH with a continuation says who it is', async (t) => {
  const { port, logins } = await bench(t);
  const response = Buffer.from('\0anna\0secret').toString('base64');
  assert.match(await say(port, 'AUTH PLAIN', response, 'QUIT'), /\+ \r\n\+OK in\r\n\+OK\r\n$/);
  assert.deepEqual(
    logins.map(({ name }) => name),
    ['anna'],
  );
});

test('passwords are neither offered nor taken in clear, and TLS ends at the proxy', async (t) => {
  const { port, logins, seen } = await bench(t, {
    listener: { tls: 'stls' },
    proxy: { plaintext: 'never' },
  });
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'data');
  const [capabilities = '', user = '', auth = '', stls = ''] = await converse(socket, [
    ...['CAPA', 'USER anna', 'AUTH PLAIN', 'STLS'],
  ]);
  assert.deepEqual(capabilities.split('\r\n'), ['+OK', 'TOP', 'SASL SCRAM-SHA-256', 'STLS', '.']);
  assert.match(user, /^-ERR \[AUTH\]/);
  assert.match(auth, /^-ERR \[AUTH\]/);
  assert.match(stls, /^\+OK/);
  const secured = connectTls({ socket, rejectUnauthorized: false });
  await once(secured, 'secureConnect');
  const answers = await converse(secured, ['CAPA', 'STLS', 'USER anna', 'PASS secret']);
  assert.deepEqual(answers[0]?.split('\r\n'), [...['+OK', 'TOP', 'USER', 'SASL PLAIN SCRAM-SHA-256', '.']]);
  assert.match(answers[1] ?? '', /^-ERR/);
  assert.equal(answers[3], '+OK in');
  assert.deepEqual(seen, ['CAPA', 'CAPA', 'USER anna', 'PASS secret']);
  assert.equal(logins.length, 1);
  secured.destroy();
});

test('TLS from the first octet', async (t) => {
  const { port, logins } = await bench(t, { listener: { tls: 'implicit' }, proxy: { plaintext: 'never' } });
  const socket = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false });
  socket.write('USER anna\r\nPASS secret\r\nSTAT\r\nQUIT\r\n');
  assert.match(await heard(socket), /\+OK in\r\n\+OK 2 320\r\n\+OK\r\n$/);
  assert.equal(logins.length, 1);
});

test('a command that comes ahead of the TLS handshake ends the session', async (t) => {
  const { port, logins, log, seen } = await bench(t, { listener: { tls: 'stls' } });
  assert.match(await say(port, 'STLS', 'USER anna', 'PASS secret'), /-ERR nothing may follow STLS\r\n$/);
  assert.deepEqual([logins, seen], [[], []]);
  assert.ok(log.lines.some(({ event }) => event === 'pop3-injection'));
});

test('what was said before STLS counts no more', async (t) => {
  const { port, logins } = await bench(t, { listener: { tls: 'stls' } });
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'data');
  await converse(socket, ['USER mallory', 'STLS']);
  const secured = connectTls({ socket, rejectUnauthorized: false });
  await once(secured, 'secureConnect');
  assert.match((await converse(secured, ['PASS secret']))[0] ?? '', /^-ERR USER first/);
  assert.deepEqual(logins, []);
  secured.destroy();
});

test('a server behind that says the password again does not bring it into the log', async (t) => {
  const answer: Answer = (line) => (line.startsWith('PASS') ? `what is ${line}?` : usual(line));
  const { port, log } = await bench(t, { answer });
  await say(port, 'USER anna', 'PASS my-long-secret', 'QUIT');
  assert.ok(log.lines.some(({ event }) => event === 'pop3-upstream-failed'));
  assert.doesNotMatch(JSON.stringify(log.lines), /long-secret/);
});

test('the server behind may be spoken to by STLS or TLS, and is checked where that is asked for', async (t) => {
  for (const tls of ['stls', 'implicit'] as const) {
    const isServerSecure = tls === 'implicit';
    const open = await bench(t, { isServerSecure, upstream: { tls } });
    assert.match(await say(open.port, 'USER anna', 'PASS secret', 'QUIT'), /\+OK in/);
    assert.equal(open.logins.length, 1);
    const checked = await bench(t, { isServerSecure, upstream: { tls, verify: true } });
    assert.equal(
      await say(checked.port, 'USER anna', 'PASS secret'),
      '-ERR [SYS/TEMP] the mail server is not available\r\n',
    );
    assert.ok(!checked.seen.includes('PASS secret'));
  }
});

const lies: readonly (readonly [what: string, setup: Setup])[] = [
  ['greets with an error', { greeting: '-ERR full' }],
  ['greets with garbage', { greeting: '\x16\x03\x01\0garbage' }],
  ['says nothing at all', { greeting: '', upstream: { timeoutMs: 100 } }],
  ['floods without a line', { greeting: 'x'.repeat(100_000), upstream: { timeoutMs: 500 } }],
  ['never answers the password', { answer: onPass(() => undefined), upstream: { timeoutMs: 100 } }],
  ['answers with garbage', { answer: onPass(() => 'HTTP/1.1 200 +OK') }],
  ['answers +OKAY', { answer: onPass(() => '+OKAY') }],
  ['answers with NULs', { answer: onPass(() => '+OK\0') }],
  ['refuses and accepts at once', { answer: onPass(() => '-ERR no\r\n+OK in') }],
  ['closes at the password', { answer: onPass((socket) => void socket.destroy()) }],
  ['refuses the password', { answer: onPass(() => '-ERR [SYS/TEMP] later') }],
];

function onPass(answer: (socket: Socket) => string | undefined): Answer {
  return (line, socket) => (line.startsWith('PASS') ? answer(socket) : usual(line));
}

for (const [what, setup] of lies) {
  test(`no window and a clear reply: the server ${what}`, async (t) => {
    const { port, logins } = await bench(t, setup);
    const text = await say(port, 'USER anna', 'PASS secret', 'QUIT');
    assert.match(text, /-ERR /);
    assert.doesNotMatch(text, /in\r\n/);
    assert.deepEqual(logins, []);
  });
}

test('no window and a clear reply: nobody listens', async (t) => {
  const { port } = await bench(t, { upstream: { port: 1 } });
  assert.equal(await say(port), '-ERR [SYS/TEMP] the mail server is not available\r\n');
});

test('an answer that comes before the question does not count', async (t) => {
  const { port, logins } = await bench(t, {
    answer: (line) => (line.startsWith('USER') ? '+OK\r\n+OK in' : usual(line)),
  });
  assert.match(await say(port, 'USER anna', 'PASS wrong'), /-ERR \[SYS\/TEMP\]/);
  assert.deepEqual(logins, []);
});

test('a name that goes on behind a control character opens no window', async (t) => {
  const { port, logins, seen } = await bench(t);
  const said = await say(port, 'USER anna\tboss', 'APOP anna\tboss 0123', 'USER anna\x07', 'QUIT');
  assert.equal(said.match(/-ERR (?:USER|APOP) needs a name|-ERR that is no command/g)?.length, 3);
  assert.deepEqual(logins, []);
  assert.doesNotMatch(seen.join('\n'), /boss/, 'the server hears nothing of it');
});

test('a flood of nonsense ends after a few errors', async (t) => {
  const { port, seen } = await bench(t);
  const text = await say(port, ...Array<string>(1000).fill('RETR 1'));
  assert.match(text, /-ERR too many errors\r\n$/);
  assert.ok(text.split('\r\n').length < 20);
  assert.deepEqual(seen, []);
});

test('the server is told of the client by the PROXY protocol', async (t) => {
  const { port, seen } = await bench(t, { upstream: { sendProxy: true }, greeting: '+OK ready' });
  await say(port, 'QUIT');
  // The signature of version 2, cut at its line ends.
  assert.deepEqual(seen.slice(0, 4), ['', '', '\0', 'QUIT']);
});

test('draining ends those who are not logged in, and lets the others go on', async (t) => {
  const { listener, port } = await bench(t);
  const idle = connect(port, '127.0.0.1');
  await once(idle, 'data');
  const busy = connect(port, '127.0.0.1');
  await once(busy, 'data');
  await converse(busy, ['USER anna', 'PASS secret']);
  const drained = listener.drain(new AbortController().signal);
  assert.match(await heard(idle), /^-ERR \[SYS\/TEMP\] the server is shutting down/);
  assert.deepEqual(await converse(busy, ['STAT', 'QUIT']), ['+OK 2 320', '+OK']);
  await drained;
});
