import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import { IpSet, parseCidr } from '../../base/index.ts';
import { defaultDoorLimits } from './door.ts';
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
  const limits = { ...defaultDoorLimits, requestsPerMinute: 2, octets: 1000 };
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
