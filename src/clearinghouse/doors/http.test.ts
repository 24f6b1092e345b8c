import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { IpSet, memoryLog, parseCidr } from '../../base/index.ts';
import { ClearinghouseBusy } from '../ask.ts';
import { defaultDoorLimits } from '../options.ts';
import { openHttpDoor } from './http.ts';
import { bench, dial, letter, spam } from './testing.ts';

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

const token = 'a-token-of-some-length';
const cutOff = (socket: Socket) => Promise.race([once(socket, 'end'), once(socket, 'close')]);
const head = (length: number, more = '') =>
  `POST /check HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\n${more}Content-Length: ${length}\r\n\r\n`;

test('HTTP: wrong tokens use up the requests of an address, and one too many is told so', async (t) => {
  const limits = { ...defaultDoorLimits, knownPerMinute: 2 };
  const { door, asked } = await bench(t, (options) => openHttpDoor({ ...options, limits, token }));
  const ask = async (authorization: string) =>
    (
      await fetch(`http://${door.address}/check`, {
        method: 'POST',
        headers: { authorization },
        body: letter,
      })
    ).status;
  assert.equal(await ask('Bearer wrong'), 401);
  assert.equal(await ask(`Bearer ${token}`), 200);
  assert.equal(await ask(`Bearer ${token}`), 429);
  assert.equal(await ask('Bearer wrong'), 429);
  assert.deepEqual(door.counts, { requests: 2, refused: 3, faults: 0 });
  assert.equal(asked.length, 1);
});

test('HTTP: whoever is not on the list, or has connections enough, is cut off before it says anything', async (t) => {
  const elsewhere = new IpSet([parseCidr('192.0.2.0/24') ?? []].flat());
  const { door: closed } = await bench(t, (options) =>
    openHttpDoor({ ...options, access: { allowed: elsewhere, known: elsewhere }, token }),
  );
  const stranger = await dial(closed.port);
  stranger.resume();
  await cutOff(stranger);
  assert.equal(closed.counts.refused, 1);
  const limits = { ...defaultDoorLimits, connectionsPerClient: 2 };
  const { door } = await bench(t, (options) => openHttpDoor({ ...options, limits, token }));
  const sockets = [await dial(door.port), await dial(door.port)];
  const third = await dial(door.port);
  third.resume();
  await cutOff(third);
  assert.deepEqual(door.counts, { requests: 0, refused: 1, faults: 0 });
  for (const socket of sockets) socket.destroy();
  const deadline = Date.now() + 10_000;
  const answers = async () => {
    const socket = await dial(door.port);
    socket.write(`${head(letter.length)}${letter}`);
    const [answer] = await Promise.race([once(socket, 'data'), once(socket, 'end').then(() => [''])]);
    socket.destroy();
    return String(answer);
  };
  for (let answer = ''; !answer.startsWith('HTTP/1.1 200'); answer = await answers())
    assert.ok(Date.now() < deadline, 'places that were left are free again');
});

test('HTTP: requests that send and never end hold no more than a door has room for', async (t) => {
  const limits = { ...defaultDoorLimits, octets: 1000 };
  const { door } = await bench(t, (options) => openHttpDoor({ ...options, limits, token }));
  for (let n = 0; n < 16; n++) (await dial(door.port)).write(`${head(1000)}${'x'.repeat(999)}`);
  const sockets: Socket[] = [];
  const deadline = Date.now() + 10_000;
  const late = async () => {
    const socket = await dial(door.port);
    sockets.push(socket);
    socket.write(`${head(1000)}${'x'.repeat(999)}`);
    const waits = AbortSignal.timeout(200);
    return once(socket, 'data', { signal: waits }).then(String, () => '');
  };
  for (let answer = ''; !answer.startsWith('HTTP/1.1 503'); answer = await late())
    assert.ok(Date.now() < deadline, 'one of them is told that it is too much');
  const chunked = await dial(door.port);
  chunked.write(head(0, 'Transfer-Encoding: chunked\r\n').replace(/Content-Length.*\r\n\r\n/, '\r\n'));
  chunked.write(`7d0\r\n${'x'.repeat(2000)}\r\n`);
  assert.match(String(await once(chunked, 'data')), /^HTTP\/1.1 413/);
  chunked.destroy();
  for (const socket of sockets) socket.destroy();
});

test('HTTP: who hangs up in the middle of a message is a fault of the visitor, and no alarm', async (t) => {
  const log = memoryLog();
  const { door } = await bench(t, (options) => openHttpDoor({ ...options, log, token }));
  const socket = await dial(door.port);
  socket.write(`${head(1000)}${'x'.repeat(10)}`);
  while (door.counts.requests === 0) await setImmediate();
  socket.resetAndDestroy();
  while (door.counts.faults === 0) await setImmediate();
  assert.deepEqual(
    log.lines.filter(({ level }) => level !== 'info'),
    [],
  );
});
