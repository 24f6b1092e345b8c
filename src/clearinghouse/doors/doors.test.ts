import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { IpSet, memoryLog, parseCidr, systemClock } from '../../base/index.ts';
import { type Clearinghouse, ClearinghouseBusy, type Source, type Subject, type Verdict } from '../ask.ts';
import { openDccifd } from './dccifd.ts';
import { type Door, type DoorOptions, defaultDoorLimits } from './door.ts';
import { openHttpDoor } from './http.ts';
import { openPyzor } from './pyzor.ts';
import { openRazor } from './razor.ts';
import { RazorAccounts, razorProof } from './razor-accounts.ts';
import { openRspamdPyzor, openRspamdRazor } from './rspamd.ts';

const nothing: Verdict = {
  count: 0,
  exact: 0,
  reported: 0,
  revoked: 0,
  isBulk: false,
  isReported: false,
  isContested: false,
  isShort: false,
  isAllowed: false,
  confidence: 0,
  via: 'none',
};
const spam: Verdict = {
  ...nothing,
  count: 40,
  reported: 3,
  isBulk: true,
  isReported: true,
  confidence: 80,
  via: 'text',
};

interface Asked {
  readonly verb: string;
  readonly subject: Subject;
  readonly source: Source;
  readonly counts?: boolean | undefined;
}

async function bench(
  t: TestContext,
  open: (options: DoorOptions) => Promise<Door>,
  over: Partial<DoorOptions> = {},
) {
  const asked: Asked[] = [];
  const state = { verdict: nothing as Verdict | Error };
  const answer = async () => {
    if (state.verdict instanceof Error) throw state.verdict;
    return state.verdict;
  };
  const clearinghouse: Clearinghouse = {
    check(subject, source, options) {
      asked.push({ verb: 'check', subject, source, counts: options?.counts });
      return answer();
    },
    report(subject, source) {
      asked.push({ verb: 'report', subject, source });
      return answer();
    },
    revoke(subject, source) {
      asked.push({ verb: 'revoke', subject, source });
      return answer();
    },
  };
  const local = new IpSet([parseCidr('127.0.0.0/8') ?? []].flat());
  const door = await open({
    name: 'door',
    at: { host: '127.0.0.1', port: 0 },
    clearinghouse,
    access: { allowed: local, known: new IpSet([]) },
    limits: defaultDoorLimits,
    clock: systemClock,
    log: memoryLog(),
    ...over,
  });
  t.after(() => door[Symbol.asyncDispose]());
  return { door, asked, state };
}

async function dial(port: number): Promise<Socket> {
  const socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true });
  socket.on('error', () => {});
  await once(socket, 'connect');
  return socket;
}

/** Says something, ends, and gives the whole answer. */
async function whole(port: number, text: string): Promise<string> {
  const socket = await dial(port);
  socket.end(text);
  let answer = '';
  for await (const piece of socket) answer += String(piece);
  return answer;
}

async function datagram(port: number, text: string): Promise<string | undefined> {
  const socket = createSocket('udp4');
  try {
    socket.send(text, port, '127.0.0.1');
    const late = AbortSignal.timeout(500);
    const [answer] = await once(socket, 'message', { signal: late });
    return String(answer);
  } catch {
    return undefined;
  } finally {
    socket.close();
  }
}

const letter = 'Subject: x\r\n\r\nhello\r\n';

test('dccifd answers in the words of its protocol, and counts the recipients', async (t) => {
  const { door, asked, state } = await bench(t, (options) => openDccifd(options));
  const request = (options: string, recipients = 'anna@x.example\rlocal\nbob@x.example\n') =>
    `${options}\n192.0.2.7\rhost.example\nhelo\na@b.example\n${recipients}\n${letter}`;
  assert.equal(
    await whole(door.port, request('header')),
    'A\nAA\nX-DCC-posthouse-Metrics: posthouse 1; Body=1 Fuz1=0 Fuz2=0\n\n',
  );
  assert.deepEqual(asked[0]?.source.recipients, ['anna@x.example', 'bob@x.example']);
  assert.equal(asked[0]?.source.client, '192.0.2.7');
  state.verdict = spam;
  assert.match(
    await whole(door.port, request('cksums grey-off')),
    /^A\nAA\nX-DCC-.*; bulk Body=many Fuz1=many Fuz2=many\n +reported: 1 /,
  );
  assert.match(
    await whole(door.port, request('body')),
    /^R\nRR\nSubject: x\r\nX-DCC-posthouse-Metrics: .*\r\n\r\nhello\r\n$/,
  );
  await whole(door.port, request('query header'));
  await whole(door.port, request('header', ''));
  await whole(door.port, request('spam header'));
  assert.deepEqual(
    asked.slice(3).map(({ verb, counts }) => [verb, counts]),
    [
      ['check', false],
      ['check', false],
      ['report', undefined],
    ],
  );
  state.verdict = new ClearinghouseBusy('too much');
  assert.equal(await whole(door.port, request('header')), 'T\nTT\n\n');
  for (const text of ['', 'header', 'nonsense\n\n\n\n\n\nx', `header\n\n\n\n${'r@x\n'.repeat(2000)}\nx`])
    assert.equal(await whole(door.port, text), '', text.slice(0, 30));
  assert.equal(door.counts.faults, 4);
});

test('rspamd hears spam or ham without a line end, and counts that are numbers', async (t) => {
  const razor = await bench(t, openRspamdRazor);
  assert.equal(await whole(razor.door.port, letter), 'ham');
  razor.state.verdict = spam;
  assert.equal(await whole(razor.door.port, letter), 'spam');
  razor.state.verdict = { ...spam, isAllowed: true };
  assert.equal(await whole(razor.door.port, letter), 'ham');
  const pyzor = await bench(t, openRspamdPyzor);
  assert.equal(await whole(pyzor.door.port, letter), "127.0.0.1:24441\t(200, 'OK')\t0\t1\n");
  pyzor.state.verdict = spam;
  assert.equal(await whole(pyzor.door.port, letter), "127.0.0.1:24441\t(200, 'OK')\t40\t0\n");
});

test('whoever is not on the list, or comes too often, or sends too much, is not served', async (t) => {
  const elsewhere = new IpSet([parseCidr('192.0.2.0/24') ?? []].flat());
  const { door: closed, asked } = await bench(t, openRspamdRazor, {
    access: { allowed: elsewhere, known: elsewhere },
  });
  assert.equal(await whole(closed.port, letter).catch(() => ''), '');
  assert.equal(closed.counts.refused, 1);
  const limits = { ...defaultDoorLimits, requestsPerMinute: 2, octets: 1000 };
  const { door, asked: served } = await bench(t, openRspamdRazor, { limits });
  assert.equal(await whole(door.port, 'x'.repeat(5000)).catch(() => ''), '');
  assert.equal(await whole(door.port, letter), 'ham');
  assert.equal(await whole(door.port, letter).catch(() => ''), '');
  assert.deepEqual([asked.length, served.length], [0, 1]);
});

const digest = 'a'.repeat(40);
const pyzorRequest = (op: string, more = '') =>
  `Op: ${op}\nOp-Digest: ${digest}\nThread: 4711\nPV: 2.1\n${more}\n\n`;

test('Pyzor is answered with its fields in order, and refused what it may not', async (t) => {
  const { door, asked, state } = await bench(t, (options) => openPyzor({ ...options, accounts: new Map() }));
  state.verdict = spam;
  assert.equal(
    await datagram(door.port, pyzorRequest('check')),
    'Code: 200\nDiag: OK\nPV: 2.1\nThread: 4711\nCount: 40\nWL-Count: 0\n\n',
  );
  assert.match((await datagram(door.port, pyzorRequest('pong'))) ?? '', /Count: 2147483647/);
  assert.equal(
    await datagram(door.port, pyzorRequest('report')),
    'Code: 200\nDiag: OK\nPV: 2.1\nThread: 4711\n\n',
  );
  for (const [request, code] of [
    [pyzorRequest('whitelist'), 403],
    [pyzorRequest('destroy'), 501],
    [pyzorRequest('check').replace('2.1', '3.0'), 505],
    [pyzorRequest('check').replace(digest, 'xyz'), 400],
    [pyzorRequest('check', 'User: anna\nTime: 1\nSig: 00'), 401],
  ] as const)
    assert.match((await datagram(door.port, request)) ?? '', new RegExp(`^Code: ${code}\n`), request);
  const before = asked.length;
  assert.match(
    (await datagram(
      door.port,
      pyzorRequest('check').replace(digest, 'da39a3ee5e6b4b0d3255bfef95601890afd80709'),
    )) ?? '',
    /Count: 0\n/,
  );
  for (const text of [
    '',
    'rubbish',
    'Op: check\n\n',
    `Thread: 1\n${'x'.repeat(9000)}`,
    'Thread: x\nOp: ping\n\n',
  ])
    assert.equal(await datagram(door.port, text), undefined, text.slice(0, 20));
  assert.equal(asked.length, before);
  state.verdict = new ClearinghouseBusy('too much');
  assert.match((await datagram(door.port, pyzorRequest('check'))) ?? '', /^Code: 503\n/);
});

/** One Razor session: each request and the reply to it. */
async function razorSession(port: number, ...requests: readonly string[]): Promise<string[]> {
  const socket = await dial(port);
  const pieces = socket[Symbol.asyncIterator]();
  const next = async () => String((await pieces.next()).value ?? 'closed');
  const replies = [await next()];
  for (const request of requests) {
    socket.write(request);
    replies.push(await next());
  }
  socket.destroy();
  return replies;
}

test('Razor: the proof, checks in a batch, reports that ask for the whole message', async (t) => {
  assert.equal(razorProof('secret', 'abcdef'), 'xf8RpV08jmkMD9jVlhoy-dp3p0MA');
  assert.equal(razorProof('pw1', '0123456789abcdef0123456789abcdef01234567'), 'Q8n8e-9fHAItl9kGQedxGjJa-QgA');
  const accounts = new RazorAccounts();
  const { door, asked, state } = await bench(t, (options) =>
    openRazor({ ...options, accounts, publicName: 'razor.example.org:2703' }),
  );
  const sig = 'UZFXQQkfY21MYfOpDZJxDxTTQOkA';
  const [greeting, lists, unknown, batch, template, noReport, registered, taken] = await razorSession(
    door.port,
    'a=g&pm=csl\r\n',
    `a=c&e=4&ep4=7542-10&s=${sig}\r\n`,
    `-a=c&e=4&s=${sig}\r\na=c&e=8&s=A1X0JdhQyA0A\r\n.\r\n`,
    `-a=c&e=?&s=?\r\n4,${sig}\r\n8,A1X0JdhQyA0A\r\n.\r\n`,
    `a=r&e=4&s=${sig}\r\n`,
    'a=reg&pass=secret&user=anna\r\n',
    'a=reg&pass=other&user=anna\r\n',
  );
  assert.equal(greeting, 'sn=NCD&srl=5&ep4=7542-10&a=l\r\n');
  assert.match(lists ?? '', /^-csl=razor\.example\.org:2703\r\ncsl=/);
  assert.deepEqual([unknown, batch, template], ['p=0\r\n', '-p=0\r\np=0\r\n.\r\n', '-p=0\r\np=0\r\n.\r\n']);
  assert.deepEqual(
    [noReport, registered, taken],
    ['err=213\r\n', 'pass=secret&res=1&user=anna\r\n', 'err=210\r\n'],
  );
  state.verdict = spam;
  assert.equal((await razorSession(door.port, `a=c&e=4&s=${sig}\r\n`))[1], 'cf=80&ct=0&p=1\r\n');
  const before = asked.length;
  const socket = await dial(door.port);
  const pieces = socket[Symbol.asyncIterator]();
  const ask = async (request: string) => {
    socket.write(request);
    return String((await pieces.next()).value ?? 'closed');
  };
  await pieces.next();
  const challenge =
    /^achal=([0-9a-f]+)/.exec(await ask('a=ai&cn=razor-agents&cv=2.84&user=anna\r\n'))?.[1] ?? '';
  assert.equal(await ask(`a=auth&aresp=${razorProof('wrong', challenge)}\r\n`), 'res=0\r\n');
  assert.equal(
    await ask(`a=auth&aresp=${razorProof('secret', challenge)}\r\n`),
    'err=202\r\n',
    'a challenge is good once',
  );
  const again = /^achal=([0-9a-f]+)/.exec(await ask('a=ai&user=anna\r\n'))?.[1] ?? '';
  assert.equal(await ask(`a=auth&aresp=${razorProof('secret', again)}\r\n`), 'res=1\r\n');
  assert.equal(await ask(`a=r&e=4&s=${sig}\r\n`), 'err=230\r\n');
  assert.equal(
    await ask('-a=r&message=*\r\nSubject: x\n\r\nX-Razor2-Agent: Razor\n\nhello\n.\nend\n\r\n.\r\n'),
    'res=1\r\n',
  );
  const report = asked.at(-1);
  assert.ok(
    report?.subject.kind === 'message' &&
      Buffer.from(report.subject.octets).toString().endsWith('hello\n.\nend\n'),
  );
  assert.equal(report.source.reporter, 'door:anna');
  assert.equal(asked.length, before + 1);
  socket.destroy();
});

test('Razor: rubbish is answered or ended, and nothing comes of it', async (t) => {
  const { door, asked } = await bench(t, (options) =>
    openRazor({ ...options, accounts: new RazorAccounts(), publicName: 'x.y:1' }),
  );
  const replies = await razorSession(
    door.port,
    'rubbish\r\n',
    'a=c&e=9&s=x\r\n',
    'a=ai&user=nobody\r\n',
    'a=auth&aresp=x\r\n',
    'a=revoke&e=4&s=abcdef\r\n',
  );
  assert.deepEqual(replies.slice(1), [
    'err=202\r\n',
    'err=202\r\n',
    'err=213\r\n',
    'err=202\r\n',
    'err=213\r\n',
  ]);
  assert.equal((await razorSession(door.port, 'x'.repeat(200_000)))[1], 'closed');
  assert.equal((await razorSession(door.port, 'a=q\r\n'))[1], 'closed');
  assert.equal(asked.length, 0);
});

test('HTTP takes a whole message from whoever knows the token', async (t) => {
  const token = 'a-token-of-some-length';
  const { door, asked, state } = await bench(t, (options) => openHttpDoor({ ...options, token }));
  const ask = async (path: string, body: string, authorization = `Bearer ${token}`) => {
    const response = await fetch(`http://${door.address}${path}`, {
      method: 'POST',
      headers: { authorization },
      body,
    });
    return { status: response.status, text: await response.text() };
  };
  state.verdict = { ...spam, firstSeen: 0, lastSeen: 1000 };
  const checked = await ask('/check?recipient=anna@x.example&recipient=bob@x.example&count=no', letter);
  assert.equal(checked.status, 200);
  assert.equal(JSON.parse(checked.text).lastSeen, '1970-01-01T00:00:01.000Z');
  assert.deepEqual(
    [asked[0]?.source.recipients, asked[0]?.counts],
    [['anna@x.example', 'bob@x.example'], false],
  );
  assert.equal((await ask('/report?reporter=anna', letter)).status, 200);
  assert.equal(asked[1]?.source.reporter, 'door:anna');
  assert.equal((await ask('/check', letter, 'Bearer wrong')).status, 401);
  assert.equal((await ask('/check', letter, '')).status, 401);
  assert.equal((await ask('/check', '')).status, 400);
  assert.equal((await ask('/check', 'x'.repeat(17 * 2 ** 20))).status, 413);
  assert.equal((await ask('/else', letter)).status, 404);
  state.verdict = new ClearinghouseBusy('too much');
  assert.equal((await ask('/check', letter)).status, 503);
  assert.equal(asked.length, 3);
});

test('visitors who send and never end hold no more than a door has room for', async (t) => {
  const limits = { ...defaultDoorLimits, octets: 1000 };
  const { door } = await bench(t, (options) => openRspamdRazor({ ...options, limits }));
  const sockets: Socket[] = [];
  t.after(() => {
    for (const socket of sockets) socket.destroy();
  });
  for (let n = 0; n < 16; n++) {
    const socket = await dial(door.port);
    sockets.push(socket);
    socket.write('x'.repeat(1000));
  }
  const late = await dial(door.port);
  late.resume();
  late.write('x'.repeat(1000));
  await once(late, 'end');
  assert.equal(door.counts.faults, 1);
  for (const socket of sockets.splice(0)) socket.destroy();
  const deadline = Date.now() + 10_000;
  while ((await whole(door.port, letter)) === '') assert.ok(Date.now() < deadline);
});

test('a line that comes octet by octet is read as it is', async (t) => {
  const { door } = await bench(t, (options) =>
    openRazor({ ...options, accounts: new RazorAccounts(), publicName: 'x.y:1' }),
  );
  const socket = await dial(door.port);
  await once(socket, 'data');
  for (const octet of 'a=c\r\n') {
    socket.write(octet);
    await new Promise((resolve) => setImmediate(resolve));
  }
  const [answer] = await once(socket, 'data');
  assert.match(String(answer), /err=|res=/);
  socket.destroy();
});
