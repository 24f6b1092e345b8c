import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect as connectTcp, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { connect } from 'node:tls';
import { memoryLog, type SelfSigned, selfSigned, systemClock } from '../../base/index.ts';
import { openClearinghouse } from '../open.ts';
import { defaultThresholds } from '../options.ts';
import { type FloodPeerOptions, openFlood } from './flood.ts';
import { identityOf } from './identity.ts';
import { networkKey } from './testing.ts';
import { callPeer, listenForPeers } from './tls.ts';

async function folderOf(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'posthouse-flood-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

const fingerprintOf = ({ cert, key }: SelfSigned) => identityOf(cert, key).origin;

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 20_000;
  while (!(await condition())) {
    assert.ok(Date.now() < deadline, 'it did not come about in 20 s');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** A clearinghouse that floods. */
async function node(
  folder: string,
  { cert, key }: SelfSigned,
  options: { readonly peers: readonly FloodPeerOptions[]; readonly key?: Uint8Array },
) {
  const log = memoryLog();
  const common = { folder, clock: systemClock, log };
  const clearinghouse = await openClearinghouse({
    ...common,
    memory: 16e6,
    thresholds: defaultThresholds,
    allowed: [],
    networkKey,
    trusts: new Map(options.peers.map(({ fingerprint }) => [fingerprint, 1])),
  });
  const flood = await openFlood({
    ...common,
    listen: { host: '127.0.0.1', port: 0 },
    certificate: cert,
    key,
    networkKey: options.key ?? networkKey,
    peers: options.peers,
    source: clearinghouse,
  });
  return {
    clearinghouse,
    flood,
    log,
    async [Symbol.asyncDispose]() {
      await flood[Symbol.asyncDispose]();
      await clearinghouse[Symbol.asyncDispose]();
    },
  };
}

const body = Array.from({ length: 60 }, (_, n) => `offer${n} money${n * 7}`)
  .join(' ')
  .replace(/(.{60,70}) /g, '$1\r\n');
const message = (n: number) => ({
  kind: 'message' as const,
  octets: Buffer.from(`From: x@s${n}.example\r\nSubject: hello\r\n\r\n${body}\r\nend${n}\r\n`),
});
const source = (n: number) => ({ reporter: 'relay', isKnown: true, recipients: [`u${n}@ours.example`] });

test('what one has counted the other knows, over TLS, and still after a restart', async (t) => {
  const [first, second] = [selfSigned('first'), selfSigned('second')];
  const folders = [await folderOf(t), await folderOf(t)] as const;
  const caller = { name: 'second', fingerprint: fingerprintOf(second) };
  await using a = await node(folders[0], first, { peers: [caller] });
  const address = { host: '127.0.0.1', port: a.flood.port };
  const peers = [{ name: 'first', fingerprint: fingerprintOf(first), address }];
  const look = async (of: typeof a) =>
    (await of.clearinghouse.check(message(9999), source(9999), { counts: false })).count;
  for (let n = 0; n < 40; n++) await a.clearinghouse.check(message(n), source(n));
  {
    await using b = await node(folders[1], second, { peers });
    await until(async () => (await look(b)) >= 35);
    assert.deepEqual([a.flood.linked, b.flood.linked], [['second'], ['first']]);
    for (let n = 0; n < 40; n++) await b.clearinghouse.check(message(n + 100), source(n + 20));
    await until(async () => (await look(a)) >= 52);
    assert.ok(Math.abs((await look(a)) - 60) <= 8, 'the recipients that both have seen are counted once');
  }
  await until(() => a.flood.linked.length === 0);
  await using b = await node(folders[1], second, { peers });
  assert.ok((await look(b)) >= 52);
  await until(() => b.flood.linked.length === 1);
  assert.equal(b.flood.counts.taken, 0);
});

test('who shows another certificate, or none, is refused; so is who has another network key', async (t) => {
  const [first, second, other] = [selfSigned('first'), selfSigned('second'), selfSigned('other')];
  const caller = { name: 'second', fingerprint: fingerprintOf(second) };
  await using a = await node(await folderOf(t), first, { peers: [caller] });
  const address = { host: '127.0.0.1', port: a.flood.port };
  for (const credentials of [{}, { cert: other.cert, key: other.key }]) {
    const socket = connect({ ...address, ...credentials, rejectUnauthorized: false });
    await new Promise<void>((resolve) => {
      socket.on('error', () => {});
      socket.once('close', () => resolve());
      socket.resume();
    });
  }
  await until(() => a.flood.refused === 2);
  const peers = [{ name: 'first', fingerprint: fingerprintOf(other), address }];
  {
    await using b = await node(await folderOf(t), second, { peers });
    await until(() => b.log.lines.some(({ fields }) => fields.because === 'it has another certificate'));
    assert.deepEqual(b.flood.linked, []);
  }
  const right = [{ name: 'first', fingerprint: fingerprintOf(first), address }];
  await using c = await node(await folderOf(t), second, { peers: right, key: Buffer.alloc(16, 7) });
  await until(() => a.flood.counts.faults + c.flood.counts.faults > 0);
  assert.deepEqual([a.flood.linked, c.flood.linked], [[], []]);
});

test('a stranger who opens connections and says nothing leaves room for the peers', async (t) => {
  const [ours, theirs] = [selfSigned('a.test'), selfSigned('b.test')];
  const credentials = ({ cert, key }: SelfSigned) => ({ certificate: cert, key });
  const listener = await listenForPeers({ host: '127.0.0.1', port: 0 }, credentials(ours), ({ socket }) =>
    socket.resume(),
  );
  t.after(() => listener.close());
  let closed = 0;
  const silent = Array.from({ length: 40 }, () => {
    const socket = connectTcp({ host: '127.0.0.1', port: listener.port, localAddress: '127.0.0.2' });
    socket.on('error', () => {});
    return socket.resume().on('close', () => closed++);
  });
  await until(() => closed === 40 - 16);
  const outcome = await new Promise((resolve) => {
    const parts = { credentials: credentials(theirs), clock: systemClock };
    callPeer({ host: '127.0.0.1', port: listener.port }, parts, resolve);
  });
  assert.ok(typeof outcome === 'object' && outcome !== null && 'socket' in outcome, 'a peer gets in');
  for (const socket of silent) socket.destroy();
  if ('socket' in outcome && outcome.socket instanceof Socket) outcome.socket.destroy();
});

test('who is no peer of TLS, or says nothing, keeps nobody from closing', async (t) => {
  const first = selfSigned('first');
  await using a = await node(await folderOf(t), first, { peers: [] });
  const { connect: connectPlain } = await import('node:net');
  const socket = connectPlain({ host: '127.0.0.1', port: a.flood.port });
  socket.on('error', () => {});
  await new Promise<void>((resolve) => socket.once('connect', () => resolve()));
  t.after(() => socket.destroy());
});
