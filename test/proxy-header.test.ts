import assert from 'node:assert/strict';
import { Duplex } from 'node:stream';
import { test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { manualClock } from '../src/base/index.ts';
import { encodeProxyHeader, type ProxyHeader, parseProxyHeader } from '../src/net/index.ts';
import { SocketPeer } from './support/peer.ts';
import { networks, type ServerOptions, TestServer } from './support/server.ts';

const signature = Buffer.from('0d0a0d0a000d0a515549540a', 'hex');

/** A header of version 2. */
function binary(command: number, family: number, addresses: Buffer): Buffer {
  const head = Buffer.from([command, family, addresses.length >> 8, addresses.length & 255]);
  return Buffer.concat([signature, head, addresses]);
}

const v4 = Buffer.from([203, 0, 113, 9, 192, 0, 2, 1, 0x12, 0x67, 0, 25]);
const v6 = Buffer.concat([
  Buffer.from('20010db8000000000000000000000009', 'hex'),
  Buffer.from('20010db8000000000000000000000001', 'hex'),
  Buffer.from([0x12, 0x67, 0, 25]),
]);
const tlv = Buffer.from([0x04, 0, 2, 0, 0]);

/** Headers, and who the client is then; the test's own address stands for "as it looks". */
const headers: readonly (readonly [name: string, header: Buffer, address: string])[] = [
  ['TCP4', Buffer.from('PROXY TCP4 203.0.113.9 192.0.2.1 4711 25\r\n'), '203.0.113.9'],
  ['TCP6', Buffer.from('PROXY TCP6 2001:DB8::9 2001:db8::1 4711 25\r\n'), '2001:db8::9'],
  ['TCP6 with a mapped address', Buffer.from('PROXY TCP6 ::ffff:203.0.113.9 ::1 4711 25\r\n'), '203.0.113.9'],
  ['UNKNOWN', Buffer.from('PROXY UNKNOWN\r\n'), '127.0.0.1'],
  ['UNKNOWN with more', Buffer.from('PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n'), '127.0.0.1'],
  ['version 2, IPv4', binary(0x21, 0x11, v4), '203.0.113.9'],
  ['version 2, IPv4 with a TLV', binary(0x21, 0x11, Buffer.concat([v4, tlv])), '203.0.113.9'],
  ['version 2, IPv6', binary(0x21, 0x21, v6), '2001:db8::9'],
  ['version 2, LOCAL', binary(0x20, 0, Buffer.alloc(0)), '127.0.0.1'],
  ['version 2, LOCAL with addresses', binary(0x20, 0x11, v4), '127.0.0.1'],
];

const malformed: readonly (readonly [name: string, header: Buffer])[] = [
  ['no header at all', Buffer.from('EHLO client.example\r\n')],
  ['lower case', Buffer.from('proxy TCP4 203.0.113.9 192.0.2.1 4711 25\r\n')],
  ['an unknown family', Buffer.from('PROXY UDP4 203.0.113.9 192.0.2.1 4711 25\r\n')],
  ['no address', Buffer.from('PROXY TCP4\r\n')],
  ['a name', Buffer.from('PROXY TCP4 localhost 192.0.2.1 4711 25\r\n')],
  ['the wrong family', Buffer.from('PROXY TCP4 ::1 ::1 4711 25\r\n')],
  ['a port too high', Buffer.from('PROXY TCP4 203.0.113.9 192.0.2.1 65536 25\r\n')],
  ['a negative port', Buffer.from('PROXY TCP4 203.0.113.9 192.0.2.1 -1 25\r\n')],
  ['a word too many', Buffer.from('PROXY TCP4 203.0.113.9 192.0.2.1 4711 25 x\r\n')],
  ['two spaces', Buffer.from('PROXY TCP4  203.0.113.9 192.0.2.1 4711 25\r\n')],
  ['no end', Buffer.from(`PROXY TCP4 ${'1'.repeat(200)}`)],
  ['a line too long', Buffer.from(`PROXY UNKNOWN ${'x'.repeat(100)}\r\n`)],
  ['version 3', binary(0x31, 0x11, v4)],
  ['an unknown command', binary(0x22, 0x11, v4)],
  ['too short for its family', binary(0x21, 0x11, v4.subarray(0, 8))],
  ['UDP', binary(0x21, 0x12, v4)],
  ['a unix socket', binary(0x21, 0x31, Buffer.alloc(216))],
  ['UNSPEC', binary(0x21, 0, Buffer.alloc(0))],
  ['longer than anybody needs', binary(0x21, 0x11, Buffer.concat([v4, Buffer.alloc(5000)]))],
];

const listed: ServerOptions = { listener: { proxyProtocolFrom: networks('127.0.0.1') } };

/** The address that the server takes the client for. */
async function seenAs(server: TestServer, peer: SocketPeer): Promise<unknown> {
  await peer.expect(['EHLO client.example', 250], ['QUIT', 221]);
  await peer.over();
  await server.empty();
  return server.logged('session-closed').at(-1)?.client;
}

for (const [name, header, address] of headers) {
  test(`${name}: the client of a listed proxy is who it says`, async () => {
    await using server = await TestServer.start(listed);
    await using peer = await SocketPeer.connect(server.port);
    peer.send(header);
    assert.match(await peer.reply(), /^220/);
    assert.equal(await seenAs(server, peer), address);
  });
}

test('a header may come octet by octet, and the greeting waits for its end', async () => {
  for (const [name, header] of headers) {
    for (let end = 0; end < header.length; end++) {
      assert.equal(parseProxyHeader(header.subarray(0, end)).kind, 'incomplete', `${name} at ${end}`);
    }
    const whole = parseProxyHeader(Buffer.concat([header, Buffer.from('EHLO x\r\n')]));
    assert.equal('octets' in whole ? whole.octets : -1, header.length, name);
  }
});

for (const [name, header] of malformed) {
  test(`${name}: a listed proxy is cut off without a word`, async () => {
    await using server = await TestServer.start(listed);
    await using peer = await SocketPeer.connect(server.port);
    peer.send(header);
    await peer.over();
    assert.equal(server.logged('proxy-header-invalid').length, 1);
  });
}

test('from anybody else a header is no command, and changes nothing', async () => {
  for (const proxyProtocolFrom of [networks(), networks('192.0.2.0/24')]) {
    await using server = await TestServer.start({ listener: { proxyProtocolFrom } });
    await using peer = await SocketPeer.greeted(server.port);
    await peer.expect(['PROXY TCP4 203.0.113.9 192.0.2.1 4711 25', 500]);
    assert.equal(await seenAs(server, peer), '127.0.0.1');
  }
});

test('a second header is no command either', async () => {
  await using server = await TestServer.start(listed);
  await using peer = await SocketPeer.connect(server.port);
  peer.send('PROXY TCP4 203.0.113.9 192.0.2.1 4711 25\r\nPROXY TCP4 127.0.0.1 127.0.0.1 4711 25\r\n');
  assert.match(await peer.reply(), /^220/);
  assert.match(await peer.reply(), /^500/);
  assert.equal(await seenAs(server, peer), '203.0.113.9');
});

test('octets behind the header in one segment belong to the client', async () => {
  await using server = await TestServer.start(listed);
  await using peer = await SocketPeer.connect(server.port);
  peer.send('PROXY TCP4 203.0.113.9 192.0.2.1 4711 25\r\nNOOP\r\nQUIT\r\n');
  for (const code of [/^220/, /^250/, /^221/]) assert.match(await peer.reply(), code);
  await peer.over();
});

test('a client hello behind the header in one segment begins TLS', async () => {
  await using server = await TestServer.start({
    listener: { proxyProtocolFrom: networks('127.0.0.1'), tls: 'implicit' },
  });
  await using peer = await SocketPeer.connect(server.port);
  // Corked, so that the header and the hello leave together.
  peer.socket.cork();
  peer.socket.write('PROXY TCP4 203.0.113.9 192.0.2.1 4711 25\r\n');
  peer.socket.removeAllListeners('data');
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const hello: Buffer[] = [];
  // TLS over a pair of octet pipes, because a TLS socket would write past the cork.
  const pipe = new Duplex({
    read() {},
    write(octets: Buffer, _encoding, done) {
      hello.push(octets);
      peer.socket.write(octets);
      peer.socket.uncork();
      done();
    },
  });
  peer.socket.on('data', (octets: Buffer) => pipe.push(octets));
  const secured = connectTls({ socket: pipe, rejectUnauthorized: false });
  secured.on('error', reject);
  peer.socket.setTimeout(5000, () => reject(new Error('no greeting came')));
  secured.once('data', (octets: Buffer) => resolve(octets.toString('latin1')));
  assert.match(await promise, /^220 /);
  assert.ok(hello.length > 0);
  secured.destroy();
});

test('a header that does not come to its end is waited for only so long', async () => {
  const clock = manualClock();
  await using server = await TestServer.start({ ...listed, clock, limits: { openingMs: 1000 } });
  await using peer = await SocketPeer.connect(server.port);
  for (const piece of ['PROXY ', 'TCP4 ', '203.0.', '113.9 ']) {
    peer.send(piece);
    clock.advance(300);
    // The server has read what was sent before.
    await new Promise((resolve) => setImmediate(resolve));
  }
  await peer.over();
  await server.empty();
});

test('a certificate behind a proxy that ended the TLS of the client is the proxy’s, and counts for nobody', async () => {
  const ssl = (client: number) => Buffer.from([0x20, 0, 5, client, 0, 0, 0, 0]);
  for (const [address, family, name] of [
    [v4, 0x11, 'IPv4'],
    [v6, 0x21, 'IPv6'],
  ] as const) {
    const read = (...parts: Buffer[]) =>
      parseProxyHeader(binary(0x21, family, Buffer.concat([address, ...parts])));
    const endsTls = (header: ProxyHeader) => header.kind === 'client' && (header.endsTls ?? false);
    assert.equal(endsTls(read(tlv, ssl(5))), true, name);
    assert.equal(endsTls(read(tlv, ssl(0))), false, `${name}: the client spoke no TLS`);
    assert.equal(endsTls(read(tlv)), false, `${name}: nothing is said, so it is passed through`);
    assert.equal(endsTls(read(Buffer.from([0x20, 0xff, 0xff]))), false, `${name}: cut short`);
  }
  for (const [client, version] of [
    [1, undefined],
    [0, 'TLSv1.3'],
  ] as const) {
    await using server = await TestServer.start({
      listener: { proxyProtocolFrom: networks('127.0.0.1'), tls: 'implicit' },
    });
    await using peer = await SocketPeer.connect(server.port);
    peer.send(binary(0x21, 0x11, Buffer.concat([v4, ssl(client)])));
    await peer.startTls();
    assert.match(await peer.reply(), /^220/);
    await peer.expect(['EHLO client.example', 250], ['STARTTLS', 503], ['QUIT', 221]);
    await peer.over();
    await server.empty();
    assert.equal(server.logged('session-closed').at(-1)?.tls, version);
  }
});

test('the header of the PROXY protocol says who the client is', () => {
  const short = encodeProxyHeader(
    { address: '192.0.2.7', port: 258 },
    { address: '::ffff:127.0.0.1', port: 110 },
  );
  assert.equal(short.toString('hex'), '0d0a0d0a000d0a515549540a2111000cc00002077f0000010102006e');
  const long = encodeProxyHeader({ address: '2001:db8::7', port: 1 }, { address: '127.0.0.1', port: 2 });
  assert.equal(
    long.subarray(12).toString('hex'),
    '2121002420010db800000000000000000000000700000000000000000000ffff7f00000100010002',
  );
});

test('a header that was written reads as it was meant', () => {
  for (const [address, server] of [
    ['192.0.2.7', '127.0.0.1'],
    ['2001:db8::7', '::1'],
    ['::', '2001:db8:1:2:3:4:5:6'],
  ] as const) {
    const header = encodeProxyHeader({ address, port: 4711 }, { address: server, port: 110 });
    assert.deepEqual(parseProxyHeader(header), {
      kind: 'client',
      address,
      port: 4711,
      octets: header.length,
    });
  }
});
