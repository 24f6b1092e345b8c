/** Tests of properties that every listener has: held connections, drains, errors of binding, files of unix sockets. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { lstat, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type Place, TcpListener } from './index.ts';

const here = { host: '127.0.0.1', port: 0 };

async function bound(t: TestContext, at: Place, maxHeld?: number): Promise<TcpListener> {
  const failed = (error: Error) => assert.fail(error);
  const listener = await TcpListener.bind({ at, failed, ...(maxHeld !== undefined && { maxHeld }) });
  t.after(() => listener.drain(AbortSignal.abort()));
  return listener;
}

async function client(t: TestContext, to: number | string): Promise<Socket> {
  const socket = typeof to === 'number' ? connect(to, '127.0.0.1') : connect(to);
  t.after(() => socket.destroy());
  socket.on('error', () => {});
  await once(socket, 'connect');
  return socket;
}

function greet(text: string): (socket: Socket) => Socket {
  return (socket) => {
    socket.write(text);
    socket.resume();
    return socket;
  };
}

async function heard(socket: Socket): Promise<string> {
  const [octets] = await once(socket, 'data');
  return String(octets);
}

async function ownFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'posthouse-net-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

test('connections that come before anybody serves are held and served then', async (t) => {
  const listener = await bound(t, here);
  const early = await client(t, listener.port);
  listener.serve(greet('hello'));
  assert.equal(await heard(early), 'hello');
  assert.equal(listener.conversations.size, 1);
  assert.equal(listener.address, `127.0.0.1:${listener.port}`);
});

test('more than may be held are closed, and none stays when the listener ends', async (t) => {
  const listener = await bound(t, here, 1);
  const first = await client(t, listener.port);
  const second = await client(t, listener.port);
  await once(second, 'close');
  await listener.drain(new AbortController().signal);
  await once(first, 'close');
});

test('what is served is exchanged, and conversations go on as they began', async (t) => {
  const listener = await bound(t, here);
  listener.serve(greet('one'));
  const first = await client(t, listener.port);
  assert.equal(await heard(first), 'one');
  listener.serve(greet('two'));
  assert.equal(await heard(await client(t, listener.port)), 'two');
  assert.equal(first.destroyed, false);
  assert.equal(listener.conversations.size, 2);
});

test('a drain refuses new connections at once and waits for the others; its signal cuts them off', async (t) => {
  const listener = await bound(t, here);
  listener.serve(greet('hello'));
  const { port } = listener;
  const peer = await client(t, port);
  await heard(peer);
  const late = new AbortController();
  let isOver = false;
  const drained = Promise.all([
    listener.drain(new AbortController().signal),
    listener.drain(late.signal),
  ]).then(() => {
    isOver = true;
  });
  const [error] = await once(connect(port, '127.0.0.1'), 'error');
  assert.equal(Object(error).code, 'ECONNREFUSED');
  assert.equal(isOver, false);
  late.abort();
  await drained;
  await once(peer, 'close');
  assert.equal(listener.conversations.size, 0);
});

test('an address that is taken, and one of another machine, are the errors of the system', async (t) => {
  const { port } = await bound(t, here);
  await assert.rejects(bound(t, { host: '127.0.0.1', port }), { code: 'EADDRINUSE', port });
  await assert.rejects(bound(t, { host: '192.0.2.1', port: 0 }), { code: 'EADDRNOTAVAIL' });
});

test('a unix socket takes the place of one that nobody answers at, and of nothing else', async (t) => {
  const path = join(await ownFolder(t), 'socket');
  const dead = createServer().listen(`${path}-moved`);
  await once(dead, 'listening');
  await rename(`${path}-moved`, path);
  dead.close();
  const listener = await bound(t, { path });
  assert.equal(listener.address, path);
  listener.serve(greet('hello'));
  assert.equal(await heard(await client(t, path)), 'hello');
  await assert.rejects(bound(t, { path }), /another program listens at/);
  await listener.drain(AbortSignal.abort());
  await assert.rejects(lstat(path), { code: 'ENOENT' });
  await writeFile(path, 'a file');
  await assert.rejects(bound(t, { path }), /is not a socket/);
});
