import assert from 'node:assert/strict';
import { once } from 'node:events';
import { link, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { IpSet, manualClock, memoryLog, parseCidr } from '../../base/index.ts';
import { defaultDoorLimits } from '../options.ts';
import { openRspamdPyzor, openRspamdRazor } from './rspamd.ts';
import { bench, dial, letter, spam, whole } from './testing.ts';

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
  const limits = { ...defaultDoorLimits, knownPerMinute: 2, octets: 1000 };
  const { door, asked: served } = await bench(t, openRspamdRazor, { limits });
  assert.equal(await whole(door.port, 'x'.repeat(5000)).catch(() => ''), '');
  assert.equal(await whole(door.port, letter), 'ham');
  assert.equal(await whole(door.port, letter).catch(() => ''), '');
  assert.deepEqual([asked.length, served.length], [0, 1]);
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

test('options that change count from the next connection on, and who is there keeps those it began with', async (t) => {
  const { door, options } = await bench(t, openRspamdRazor);
  const early = await dial(door.port);
  assert.equal(await whole(door.port, letter), 'ham', 'whoever came before is in as well');
  door.change({ ...options, access: { allowed: new IpSet([]), known: new IpSet([]) } });
  assert.equal(await whole(door.port, letter).catch(() => ''), '');
  assert.equal(door.counts.refused, 1);
  early.end(letter);
  const [answer] = await once(early, 'data');
  assert.equal(String(answer), 'ham');
});

test('a visitor has the time that it is waited for, and none of ours is taken from it', async (t) => {
  const limits = { ...defaultDoorLimits, idleMs: 100 };
  const { door, state } = await bench(t, (options) => openRspamdRazor({ ...options, limits }));
  state.delayMs = 400;
  assert.equal(await whole(door.port, letter), 'ham');
  const idle = await dial(door.port);
  idle.resume();
  idle.write('x');
  await Promise.race([once(idle, 'end'), once(idle, 'close')]);
  idle.destroy();
});

test('a unix socket takes the place of one that nobody answers at, and of nothing else', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'posthouse-door-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const path = join(folder, 'socket');
  const open = () => bench(t, openRspamdRazor, { at: { path } });
  await writeFile(path, 'a file of somebody');
  await assert.rejects(open, /is not a socket/);
  assert.equal(await readFile(path, 'utf8'), 'a file of somebody');
  await rm(path);
  await open();
  await assert.rejects(open, /another program listens/);
  const left = join(folder, 'left');
  const server = createServer().listen(left);
  await once(server, 'listening');
  await link(left, path.replace('socket', 'stale'));
  await new Promise((resolve) => server.close(resolve));
  const { door } = await bench(t, openRspamdRazor, { at: { path: join(folder, 'stale') } });
  assert.equal(door.address, join(folder, 'stale'));
});

test('a door whose clearinghouse fails says so once a minute', async (t) => {
  const log = memoryLog();
  const clock = manualClock();
  const { door, state } = await bench(t, openRspamdRazor, { log, clock });
  state.verdict = new Error('the disk is full');
  const complaints = () => log.lines.filter(({ event }) => event === 'door-failed').length;
  for (let n = 0; n < 5; n++) await whole(door.port, letter).catch(() => '');
  assert.equal(complaints(), 1);
  clock.advance(60_000);
  await whole(door.port, letter).catch(() => '');
  assert.equal(complaints(), 2);
});
