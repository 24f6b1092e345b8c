import assert from 'node:assert/strict';
import type { AddressInfo } from 'node:net';
import { createServer, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { memoryLog, systemClock } from '../base/index.ts';
import { escapeDovecot, parseDovecotLine } from './dovecot-protocol.ts';
import { Dovecot, Throttle } from './index.ts';
import { authenticator, client, wordsOf } from './testing.ts';

const hello =
  'VERSION\t1\t2\nMECH\tPLAIN\tplaintext\nMECH\tSCRAM-SHA-256\nSPID\t1\nCUID\t1\nCOOKIE\tx\nDONE\n';

/** A Dovecot that greets and gives prepared answers. */
async function fake(
  t: TestContext,
  answer: (line: string, socket: Socket) => string,
  greeting = hello,
  timeoutMs = 2000,
) {
  const requests: string[] = [];
  let connections = 0;
  const server = createServer((socket) => {
    connections++;
    socket.on('error', () => {});
    socket.write(greeting);
    let rest = '';
    socket.on('data', (octets) => {
      const lines = (rest + octets.toString()).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        if (/^(?:VERSION|CPID)\t/.test(line)) continue;
        requests.push(line);
        const said = answer(line, socket);
        if (said !== '') socket.write(said);
      }
    });
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  const log = memoryLog();
  const dovecot = new Dovecot(
    { place: { host: '127.0.0.1', port }, timeoutMs, domain: 'example.org' },
    { clock: systemClock, log },
  );
  t.after(() => dovecot[Symbol.dispose]());
  t.after(() => server.close());
  return { dovecot, requests, log, connections: () => connections };
}

const idOf = (line: string) => line.split('\t')[1];

test('a name and a password are asked about as PLAIN, and the answer names who it is', async (t) => {
  const { dovecot, requests } = await fake(t, (line) => `OK\t${idOf(line)}\tuser=anna\n`);
  const step = await dovecot.check({
    mechanism: 'LOGIN',
    name: 'anna',
    password: 'sesame',
    client: client(),
  });
  assert.equal(wordsOf(step), 'anna by LOGIN');
  assert.ok(step.kind === 'success');
  assert.deepEqual(step.identity.senders, [{ kind: 'mailbox', localPart: 'anna', domain: 'example.org' }]);
  assert.match(
    requests[0] ?? '',
    /^AUTH\t1\tPLAIN\tservice=smtp\trip=203\.0\.113\.9\trport=1025\tsecured\tno-penalty\tresp=AGFubmEAc2VzYW1l$/,
  );
});

test('what Dovecot refuses is refused, and its troubles are not', async (t) => {
  const answers: readonly (readonly [string, string])[] = [
    ['FAIL\t#\tuser=anna', '535'],
    ['FAIL\t#\tuser=anna\treason=disabled\tuser_disabled', '535'],
    ['FAIL\t#\tuser=anna\ttemp', '454'],
    ['OK\t#', '535'],
    ['OK\t#\tuser=', '535'],
    ['OK\t#\tuser=anna\tnologin', '535'],
    ['CONT\t#\tYQ==', '454'],
    ['OK\t999\tuser=anna', '454'],
    ['OK\tx\tuser=anna', '454'],
    ['garbage in lower case', '454'],
    [`FAIL\t#\treason=${'x'.repeat(100_000)}`, '454'],
  ];
  for (const [said, expected] of answers) {
    const { dovecot } = await fake(t, (line) => `${said.replace('#', idOf(line) ?? '')}\n`);
    assert.equal(
      wordsOf(await dovecot.check({ mechanism: 'PLAIN', name: 'anna', password: 'x', client: client() })),
      expected,
      said.slice(0, 60),
    );
  }
});

test('a Dovecot that is not there, does not say hello, speaks another version or never answers is "not now"', async (t) => {
  const silent = await fake(t, () => '', '', 100);
  assert.equal(
    wordsOf(await silent.dovecot.check({ mechanism: 'PLAIN', name: 'a', password: 'b', client: client() })),
    '454',
  );
  const future = await fake(t, () => '', 'VERSION\t2\t0\nDONE\n', 100);
  assert.equal(
    wordsOf(await future.dovecot.check({ mechanism: 'PLAIN', name: 'a', password: 'b', client: client() })),
    '454',
  );
  const slow = await fake(t, () => '', hello, 100);
  assert.equal(
    wordsOf(await slow.dovecot.check({ mechanism: 'PLAIN', name: 'a', password: 'b', client: client() })),
    '454',
  );
  const nowhere = new Dovecot(
    { place: { path: '/nowhere/auth' }, timeoutMs: 100 },
    { clock: systemClock, log: memoryLog() },
  );
  assert.equal(
    wordsOf(await nowhere.check({ mechanism: 'PLAIN', name: 'a', password: 'b', client: client() })),
    '454',
  );
});

test('an answer that was forged for an exchange that is over lets nobody in', async (t) => {
  const { dovecot } = await fake(t, (line) => {
    const id = Number(idOf(line));
    return `FAIL\t${id}\nOK\t${id + 1}\tuser=boss\n`;
  });
  assert.equal(
    wordsOf(await dovecot.check({ mechanism: 'PLAIN', name: 'a', password: 'b', client: client() })),
    '535',
  );
  assert.notEqual(
    wordsOf(await dovecot.check({ mechanism: 'PLAIN', name: 'a', password: 'b', client: client() })),
    'boss by PLAIN',
  );
});

test('many exchanges share a connection, and a lost one is opened again', async (t) => {
  const { dovecot, connections } = await fake(t, (line, socket) => {
    if (line.includes(`resp=${Buffer.from('\0bye\0x').toString('base64')}`)) socket.destroy();
    return `OK\t${idOf(line)}\tuser=u${idOf(line)}@example.org\n`;
  });
  const all = await Promise.all(
    Array.from({ length: 50 }, () =>
      dovecot.check({ mechanism: 'PLAIN', name: 'a', password: 'b', client: client() }),
    ),
  );
  assert.equal(new Set(all.map(wordsOf)).size, 50);
  assert.equal(connections(), 1);
  assert.equal(
    wordsOf(await dovecot.check({ mechanism: 'PLAIN', name: 'bye', password: 'x', client: client() })),
    '454',
  );
  assert.match(
    wordsOf(await dovecot.check({ mechanism: 'PLAIN', name: 'a', password: 'b', client: client() })),
    /by PLAIN$/,
  );
  assert.equal(connections(), 2);
});

test('mechanisms that Dovecot carries out pass through, step by step', async (t) => {
  const { dovecot, requests } = await fake(t, (line) => {
    const [command, id, ...rest] = line.split('\t');
    if (command === 'AUTH') return `CONT\t${id}\t${Buffer.from('more').toString('base64')}\n`;
    return rest[0] === Buffer.from('right').toString('base64') ? `OK\t${id}\tuser=anna\n` : `FAIL\t${id}\n`;
  });
  await dovecot.prepare();
  const identities = authenticator(undefined, { dovecot, isExempt: () => true });
  assert.deepEqual(identities.mechanisms(client()), ['SCRAM-SHA-256', 'PLAIN', 'LOGIN']);
  const talk = async (response: string) => {
    const exchange = identities.begin('SCRAM-SHA-256', client()) ?? assert.fail();
    assert.equal(wordsOf(await exchange.step(Buffer.from('first'))), 'challenge more');
    return wordsOf(await exchange.step(Buffer.from(response)));
  };
  assert.equal(await talk('right'), 'anna by SCRAM-SHA-256');
  assert.equal(await talk('wrong'), '535');
  assert.match(
    requests[0] ?? '',
    /^AUTH\t1\tSCRAM-SHA-256\tservice=smtp\trip=203\.0\.113\.9\trport=1025\tsecured\tno-penalty\tresp=/,
  );
});

test('lines are parsed whatever they are, and what is escaped comes back', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      parseDovecotLine(text);
      const line = parseDovecotLine(`OK\t1\tuser=${escapeDovecot(text)}`);
      assert.equal(line.kind === 'ok' && line.fields.get('user'), text);
    }),
  );
});

test('a reason of Dovecot that quotes the password or the token does not bring it into the log', async (t) => {
  const { dovecot } = await fake(t, (line) => {
    const response = /resp=(\S*)/.exec(line)?.[1] ?? '';
    const plain = Buffer.from(response, 'base64')
      .toString()
      .replace(/\p{Cc}/gu, ' ');
    return `FAIL\t${idOf(line)}\tuser=anna\treason=cannot look up ${plain} or ${response}\n`;
  });
  const step = await dovecot.check({
    mechanism: 'PLAIN',
    name: 'anna',
    password: 'open sesame',
    client: client(),
  });
  assert.ok(step.kind === 'failure');
  assert.match(step.because, /^Dovecot: cannot look up {2}anna \*\*\* or \*\*\*$/);
  const token = 'ya29.a0AfH6SMBx-of-anna';
  const first = Buffer.from(`user=anna\x01auth=Bearer ${token}\x01\x01`);
  const exchange = dovecot.passThrough('XOAUTH2')(
    { client: client(), throttle: new Throttle(systemClock), signal: new AbortController().signal },
    first,
  );
  const { value } = await exchange.next();
  assert.doesNotMatch(JSON.stringify(value), /AfH6SMBx|dXNlcj1hbm5h/);
  assert.match(JSON.stringify(value), /Bearer \*\*\*/);
});
