import assert from 'node:assert/strict';
import { getEventListeners, once } from 'node:events';
import { connect } from 'node:net';
import { test } from 'node:test';
import { IpSet, manualClock, memoryLog, parseCidr } from '../base/index.ts';
import type { PopConnection } from './connection.ts';
import type { PopListenerOptions } from './listener.ts';
import { defaultPopLimits } from './options.ts';
import { openPopListener } from './testing.ts';

/** The header of a proxy that speaks for this client. */
const proxied = (client: string) =>
  `PROXY TCP${client.includes(':') ? '6' : '4'} ${client} ${client.includes(':') ? '::1' : '127.0.0.1'} 1234 110\r\n`;

function echo(options: Partial<PopListenerOptions> = {}) {
  const log = memoryLog();
  const clock = manualClock();
  const listening = openPopListener({
    name: 'pop3',
    host: '127.0.0.1',
    port: 0,
    tls: 'none',
    secureContext: () => undefined,
    proxyProtocolFrom: new IpSet([]),
    limits: defaultPopLimits,
    async serve(connection) {
      await connection.write(`+OK ${connection.facts.address}\r\n`);
      for (let octets = await connection.read(); octets; octets = await connection.read())
        await connection.write(octets);
    },
    clock,
    log,
    ...options,
  });
  return { log, clock, listening };
}

async function all(port: number, text: string): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => {});
  socket.end(text);
  let heard = '';
  socket.on('data', (octets: Buffer) => {
    heard += octets.toString('latin1');
  });
  await once(socket, 'close');
  return heard;
}

test('a connection is served to its end', async () => {
  await using listener = await echo().listening;
  assert.equal(await all(listener.port, 'hello'), '+OK 127.0.0.1\r\nhello');
});

test('a listed proxy says where the client is, and what comes behind the header is the client’s', async () => {
  const proxyProtocolFrom = new IpSet([parseCidr('127.0.0.1') ?? assert.fail()]);
  await using listener = await echo({ proxyProtocolFrom }).listening;
  const header = proxied('192.0.2.7');
  assert.equal(await all(listener.port, `${header}hello`), '+OK 192.0.2.7\r\nhello');
  assert.equal(await all(listener.port, 'USER anna\r\n'), '', 'without its header it is not heard');
});

test('somebody with too many connections is told so, and the place is free again afterwards', async () => {
  await using listener = await echo({ limits: { ...defaultPopLimits, connectionsPerClient: 1 } }).listening;
  const first = connect(listener.port, '127.0.0.1');
  await once(first, 'data');
  assert.match(
    await all(listener.port, ''),
    /^-ERR \[SYS\/TEMP\] too many connections from your address\r\n$/,
  );
  first.end();
  await once(first, 'close');
  assert.equal(await all(listener.port, 'x'), '+OK 127.0.0.1\r\nx');
});

test('all addresses of an IPv6 network are one client to the limit of connections', async () => {
  const proxyProtocolFrom = new IpSet([parseCidr('127.0.0.1') ?? assert.fail()]);
  const limits = { ...defaultPopLimits, connectionsPerClient: 1 };
  await using listener = await echo({ proxyProtocolFrom, limits }).listening;
  const first = connect(listener.port, '127.0.0.1');
  first.write(proxied('2001:db8:1:2::1'));
  await once(first, 'data');
  assert.match(await all(listener.port, proxied('2001:db8:1:2:ffff::7')), /too many connections/);
  assert.match(await all(listener.port, proxied('2001:db8:1:3::7')), /^\+OK/);
  first.destroy();
  await once(first, 'close');
});

test('who does not log in in time is cut off', async () => {
  const { listening, clock } = echo();
  await using listener = await listening;
  const socket = connect(listener.port, '127.0.0.1');
  await once(socket, 'data');
  clock.advance(defaultPopLimits.loginMs);
  await once(socket, 'close');
});

test('a peer that sends without end and reads nothing is not read ahead of', async () => {
  let heard = 0;
  const { listening } = echo({
    async serve(connection) {
      for (let octets = await connection.read(); octets; octets = await connection.read()) {
        heard += octets.length;
        await connection.write(octets);
      }
    },
  });
  await using listener = await listening;
  const socket = connect(listener.port, '127.0.0.1');
  socket.on('error', () => {});
  await once(socket, 'connect');
  const flood = Buffer.alloc(64 * 1024);
  let sent = 0;
  while (sent < 200e6 && socket.write(flood)) sent += flood.length;
  while (sent < 64e6) {
    sent += flood.length;
    if (socket.write(flood)) continue;
    const drained = await Promise.race([
      once(socket, 'drain').then(() => true),
      new Promise<boolean>((resolve) => setTimeout(resolve, 300, false)),
    ]);
    if (!drained) break;
  }
  assert.ok(heard < 32e6, `${heard} octets were read`);
  socket.destroy();
});

test('logins that wait for their turn end with their connection, and leave nothing behind in the listener', async () => {
  const connections: PopConnection[] = [];
  const serve = async (connection: PopConnection) => {
    connections.push(connection);
    await connection.write('+OK\r\n');
    await once(connection.gone, 'abort');
  };
  await using listener = await echo({ serve }).listening;
  const open = async () => {
    const socket = connect(listener.port, '127.0.0.1');
    await once(socket, 'data');
    const connection = connections.at(-1) ?? assert.fail();
    return { socket, connection };
  };
  const first = await open();
  const { draining } = first.connection;
  for (let i = 0; i < 3; i++) {
    const { socket, connection } = await open();
    connection.destroy();
    await Promise.all([once(connection.gone, 'abort'), once(socket, 'close')]);
  }
  assert.equal(getEventListeners(draining, 'abort').length, 1, 'of the one that is left');
  const left = once(first.connection.gone, 'abort');
  await listener.drain(AbortSignal.abort());
  await left;
});

test('draining ends what is left when the time is over', async () => {
  const listener = await echo().listening;
  const socket = connect(listener.port, '127.0.0.1');
  await once(socket, 'data');
  await listener.drain(AbortSignal.abort());
  await once(socket, 'close');
  assert.equal(listener.connectionCount, 0);
});
