import assert from 'node:assert/strict';
import { createPublicKey, diffieHellman, generateKeyPairSync, randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { poly1305 } from '@noble/ciphers/_poly1305.js';
import { hchacha, xchacha20 } from '@noble/ciphers/chacha.js';
import { IpSet, manualClock, memoryLog, parseCidr } from '../../base/index.ts';
import type { Clearinghouse, Verdict } from '../ask.ts';
import { defaultDoorLimits } from '../options.ts';
import { unknown } from '../verdict.ts';
import { FuzzyCipher, parseFuzzyKey } from './fuzzy-cipher.ts';
import { FuzzyTable } from './fuzzy-table.ts';
import { type FuzzyCommand, formatFuzzyReply, parseFuzzyCommand } from './fuzzy-wire.ts';
import { type FuzzyFlags, openRspamdFuzzy } from './rspamd-fuzzy.ts';

const verbs = ['check', 'write', 'delete', 'stat', 'ping'] as const;

interface Asking {
  readonly verb: (typeof verbs)[number];
  readonly digest?: Buffer;
  readonly shingles?: Buffer;
  readonly flag?: number;
  readonly value?: number;
  readonly version?: number;
}

const digestOf = (n: number) => Buffer.alloc(64, n);

function commandOf({
  verb,
  digest = digestOf(1),
  shingles,
  flag = 11,
  value = 10,
  version = 4,
}: Asking): Buffer {
  const octets = Buffer.alloc(12);
  octets.writeUInt8(version, 0);
  octets.writeUInt8(verbs.indexOf(verb), 1);
  octets.writeUInt8(shingles === undefined ? 0 : 32, 2);
  octets.writeUInt8(flag, 3);
  octets.writeInt32LE(value, 4);
  octets.writeUInt32LE(0xdeadbeef, 8);
  return Buffer.concat([octets, digest, ...(shingles === undefined ? [] : [shingles])]);
}

const read = (asking: Asking): FuzzyCommand => {
  const command = parseFuzzyCommand(commandOf(asking));
  assert.ok(command !== undefined);
  return command;
};

test('what is no command is none: truncated, of another version, a wrong number of shingles', () => {
  const whole = commandOf({ verb: 'check', shingles: randomBytes(256) });
  assert.ok(parseFuzzyCommand(whole) !== undefined);
  for (let length = 0; length < whole.length; length++)
    assert.equal(parseFuzzyCommand(whole.subarray(0, length)), undefined, `${length} octets`);
  for (const [at, value] of [
    [0, 2],
    [0, 5],
    [1, 5],
    [1, 255],
    [2, 1],
    [2, 33],
  ] as const) {
    const changed = Buffer.from(whole);
    changed[at] = value;
    assert.equal(parseFuzzyCommand(changed), undefined, `octet ${at} is ${value}`);
  }
  assert.equal(parseFuzzyCommand(commandOf({ verb: 'ping', version: 0x14 }))?.version, 4, 'a capability bit');
});

test('a reply of version 3 is shorter, and the tag comes back', () => {
  const reply = formatFuzzyReply(
    { version: 4, tag: 7 },
    { value: 5, flag: 11, probability: 0.75, digest: digestOf(3), time: 99 },
  );
  assert.deepEqual(
    [
      reply.length,
      reply.readInt32LE(0),
      reply.readUInt32LE(4),
      reply.readUInt32LE(8),
      reply.readFloatLE(12),
      reply.readUInt32LE(80),
    ],
    [96, 5, 11, 7, 0.75, 99],
  );
  assert.equal(formatFuzzyReply({ version: 3, tag: 7 }, { value: 0, flag: 0, probability: 0 }).length, 16);
});

test('a digest is found, else a text that shares more than half of its shingles', () => {
  const table = new FuzzyTable(1024, 1000);
  const shingles = randomBytes(256);
  table.write(read({ verb: 'write', shingles, value: 10 }), 1);
  table.write(read({ verb: 'write', shingles, value: 5, flag: 12 }), 1);
  const exact = table.find(read({ verb: 'check' }), 2);
  assert.deepEqual([exact?.flag, exact?.value, exact?.probability], [11, 10, 1]);
  const similar = (shared: number) =>
    table.find(
      read({
        verb: 'check',
        digest: digestOf(2),
        shingles: Buffer.concat([shingles.subarray(0, 8 * shared), randomBytes(256 - 8 * shared)]),
      }),
      2,
    );
  assert.equal(similar(16), undefined);
  assert.equal(similar(17)?.probability, 17 / 32);
  assert.equal(similar(32)?.probability, 1);
  assert.equal(table.find(read({ verb: 'check' }), 1001), undefined, 'it has expired');
});

test('a digest is taken from one list, and is gone with the last', () => {
  const table = new FuzzyTable(64, 1000);
  for (const flag of [1, 2]) table.write(read({ verb: 'write', flag, value: flag }), 1);
  assert.equal(table.delete(read({ verb: 'delete', flag: 3 }), 1), false);
  assert.ok(table.delete(read({ verb: 'delete', flag: 2 }), 1));
  assert.equal(table.find(read({ verb: 'check' }), 1)?.flag, 1);
  assert.ok(table.delete(read({ verb: 'delete', flag: 1 }), 1));
  assert.deepEqual([table.find(read({ verb: 'check' }), 1), table.size], [undefined, 0]);
});

test('however many are written, memory is the same, and the oldest give way', () => {
  const table = new FuzzyTable(64, 1_000_000);
  for (let n = 0; n < 5000; n++)
    table.write(read({ verb: 'write', digest: randomBytes(64), shingles: randomBytes(256) }), n + 1);
  assert.ok(table.size <= 64);
  const last = randomBytes(64);
  table.write(read({ verb: 'write', digest: last }), 6000);
  assert.ok(table.find(read({ verb: 'check', digest: last }), 6000) !== undefined);
});

test('a table is read back as it was, and damage is said', () => {
  const table = new FuzzyTable(64, 1000);
  table.write(read({ verb: 'write' }), 5);
  const saved = table.save();
  const again = new FuzzyTable(64, 1000);
  assert.equal(again.restore(saved), undefined);
  assert.deepEqual([again.find(read({ verb: 'check' }), 6)?.value, again.size], [10, 1]);
  assert.match(new FuzzyTable(128, 1000).restore(saved) ?? '', /another size/);
  saved[100] = (saved[100] ?? 0) ^ 1;
  assert.match(again.restore(saved) ?? '', /damaged/);
  assert.match(again.restore(Buffer.from('rubbish')) ?? '', /no fuzzy storage/);
});

/** A key in the base 32 of rspamadm. */
function formatFuzzyKey(key: Uint8Array): string {
  let text = '';
  for (let bit = 0; bit < 8 * key.length; bit += 5) {
    const both = (key[bit >> 3] ?? 0) | ((key[(bit >> 3) + 1] ?? 0) << 8);
    text += 'ybndrfg8ejkmcpqxot1uwisza345h769'.charAt((both >> (bit & 7)) & 31);
  }
  return text;
}

test('keys are read as rspamadm writes them, and in hexadecimal digits', () => {
  const key = randomBytes(32);
  assert.deepEqual(parseFuzzyKey(formatFuzzyKey(key)), key);
  assert.deepEqual(parseFuzzyKey(key.toString('hex')), key);
  for (const text of ['', 'l'.repeat(52), key.toString('base64'), `${key.toString('hex')}0`])
    assert.equal(parseFuzzyKey(text), undefined);
});

/** A client's half of the encryption, written down from the description and not from ours. */
function sealedRequest(to: FuzzyCipher, octets: Buffer) {
  const own = generateKeyPairSync('x25519');
  const raw = (key: typeof own.publicKey) => key.export({ format: 'der', type: 'spki' }).subarray(-32);
  const spki = Buffer.concat([
    own.publicKey.export({ format: 'der', type: 'spki' }).subarray(0, -32),
    to.publicKey,
  ]);
  const theirs = { key: spki, format: 'der', type: 'spki' } as const;
  const secret = diffieHellman({ privateKey: own.privateKey, publicKey: createPublicKey(theirs) });
  const words = (from: Buffer) =>
    new Uint32Array(from.buffer.slice(from.byteOffset, from.byteOffset + from.length));
  const out = new Uint32Array(8);
  hchacha(words(Buffer.from('expand 32-byte k')), words(secret), new Uint32Array(4), out);
  const key = new Uint8Array(out.buffer);
  const nonce = randomBytes(24);
  const stream = xchacha20(key, nonce, Buffer.concat([Buffer.alloc(64), octets]));
  const [macKey, body] = [stream.subarray(0, 32), stream.subarray(64)];
  const datagram = Buffer.concat([
    Buffer.from('rsfe'),
    to.publicKey.subarray(0, 8),
    raw(own.publicKey),
    nonce,
    poly1305(body, macKey),
    body,
  ]);
  const open = (reply: Buffer) => {
    const [theirNonce, mac, sealed] = [reply.subarray(0, 24), reply.subarray(24, 40), reply.subarray(40)];
    const both = xchacha20(key, theirNonce, Buffer.concat([Buffer.alloc(64), sealed]));
    assert.deepEqual(Buffer.from(poly1305(sealed, both.subarray(0, 32))), mac);
    return Buffer.from(both.subarray(64));
  };
  return { datagram, open };
}

test('a request that was changed anywhere, or is for somebody else, is not opened', () => {
  const cipher = new FuzzyCipher(randomBytes(32));
  const { datagram, open } = sealedRequest(cipher, commandOf({ verb: 'ping' }));
  const opened = cipher.open(datagram);
  assert.deepEqual(opened?.octets, commandOf({ verb: 'ping' }));
  assert.deepEqual(open(opened?.seal(Buffer.from('reply')) ?? Buffer.alloc(40)), Buffer.from('reply'));
  assert.equal(new FuzzyCipher(randomBytes(32)).open(datagram), undefined);
  for (let at = 0; at < datagram.length; at++) {
    const changed = Buffer.from(datagram);
    changed[at] = (changed[at] ?? 0) ^ 1;
    assert.equal(cipher.open(changed), undefined, `octet ${at}`);
    assert.equal(cipher.open(datagram.subarray(0, at)), undefined, `${at} octets`);
  }
  const zero = Buffer.from(datagram);
  zero.fill(0, 12, 44);
  assert.equal(cipher.open(zero), undefined, 'a point of small order');
});

async function ask(port: number, datagram: Buffer, patienceMs = 400): Promise<Buffer | undefined> {
  const socket = createSocket('udp4');
  try {
    socket.send(datagram, port, '127.0.0.1');
    const [answer] = await once(socket, 'message', { signal: AbortSignal.timeout(patienceMs) });
    return answer;
  } catch {
    return undefined;
  } finally {
    socket.close();
  }
}

async function open(
  t: TestContext,
  {
    file = '',
    known = ['127.0.0.0/8'],
    secret,
    flags,
  }: { file?: string; known?: string[]; secret?: Buffer; flags?: FuzzyFlags } = {},
) {
  const folder = await mkdtemp(join(tmpdir(), 'posthouse-fuzzy-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const said: string[] = [];
  const state: { verdict: Verdict } = { verdict: unknown };
  const answer = async (verb: string, keys: unknown): Promise<Verdict> => {
    said.push(`${verb} ${JSON.stringify(keys).slice(0, 60)}`);
    return state.verdict;
  };
  const clearinghouse: Clearinghouse = {
    check: (subject) => answer('check', subject),
    report: (subject) => answer('report', subject),
    revoke: (subject) => answer('revoke', subject),
  };
  const log = memoryLog();
  const set = (networks: readonly string[]) => new IpSet(networks.flatMap((text) => parseCidr(text) ?? []));
  const path = file === '' ? join(folder, 'storage') : file;
  const door = await openRspamdFuzzy({
    name: 'rspamd-fuzzy',
    at: { host: '127.0.0.1', port: 0 },
    clearinghouse,
    access: { allowed: set(['127.0.0.0/8']), known: set(known) },
    limits: defaultDoorLimits,
    clock: manualClock(),
    log,
    file: path,
    ...(secret !== undefined && { secret }),
    ...(flags !== undefined && { flags }),
  });
  return { door, said, log, path, state };
}

test('written, found, counted, deleted, and there after a restart', async (t) => {
  const { door, said, path } = await open(t);
  assert.equal((await ask(door.port, commandOf({ verb: 'check' })))?.readFloatLE(12), 0);
  assert.equal((await ask(door.port, commandOf({ verb: 'write' })))?.readFloatLE(12), 1);
  assert.equal((await ask(door.port, commandOf({ verb: 'check' })))?.readInt32LE(0), 10);
  assert.equal((await ask(door.port, commandOf({ verb: 'stat' })))?.readUInt32LE(4), 1);
  assert.deepEqual(
    said.map((line) => line.split(' ')[0]),
    ['check', 'report'],
  );
  await door[Symbol.asyncDispose]();
  const { door: again, said: later } = await open(t, { file: path });
  assert.equal((await ask(again.port, commandOf({ verb: 'check' })))?.readInt32LE(0), 10);
  await ask(again.port, commandOf({ verb: 'delete' }));
  assert.equal((await ask(again.port, commandOf({ verb: 'check' })))?.readFloatLE(12), 0);
  assert.deepEqual(
    later.map((line) => line.split(' ')[0]),
    ['revoke', 'check'],
  );
  await again[Symbol.asyncDispose]();
  assert.ok((await readFile(path)).length > 1000);
  await writeFile(path, 'rubbish');
  const { door: third, log } = await open(t, { file: path });
  assert.ok(log.lines.some(({ event }) => event === 'fuzzy-storage-unusable'));
  await third[Symbol.asyncDispose]();
});

test('strangers may ask and not write; rubbish has no answer and is counted', async (t) => {
  const { door } = await open(t, { known: [] });
  assert.equal((await ask(door.port, commandOf({ verb: 'write' })))?.readInt32LE(0), 403);
  assert.equal((await ask(door.port, commandOf({ verb: 'delete' })))?.readInt32LE(0), 403);
  assert.equal((await ask(door.port, commandOf({ verb: 'check' })))?.readFloatLE(12), 0);
  assert.equal(await ask(door.port, Buffer.from('rubbish'), 200), undefined);
  assert.equal(door.counts.faults, 1);
  await door[Symbol.asyncDispose]();
});

test('a storage with a key answers nothing that is not encrypted', async (t) => {
  const secret = randomBytes(32);
  const { door } = await open(t, { secret });
  assert.equal(await ask(door.port, commandOf({ verb: 'ping' }), 200), undefined);
  const { datagram, open: opened } = sealedRequest(
    new FuzzyCipher(secret),
    commandOf({ verb: 'ping', value: 42 }),
  );
  const reply = await ask(door.port, datagram);
  assert.equal(opened(reply ?? Buffer.alloc(0)).readInt32LE(0), 42);
  await door[Symbol.asyncDispose]();
});

test('what is put on a list of ham is a revocation, and is found there', async (t) => {
  const { door, said, state } = await open(t, { flags: { spam: 7, ham: new Set([2]) } });
  await ask(door.port, commandOf({ verb: 'write', flag: 2 }));
  assert.equal((await ask(door.port, commandOf({ verb: 'check' })))?.readUInt32LE(4), 2);
  assert.equal((await ask(door.port, commandOf({ verb: 'delete', flag: 2 })))?.readFloatLE(12), 1);
  await ask(door.port, commandOf({ verb: 'write', flag: 3 }));
  assert.equal((await ask(door.port, commandOf({ verb: 'check' })))?.readUInt32LE(4), 3);
  assert.deepEqual(
    said.map((line) => line.split(' ')[0]),
    ['revoke', 'report'],
  );
  const other = commandOf({ verb: 'check', digest: digestOf(9) });
  for (const [verdict, flag] of [
    [{ ...unknown, isReported: true, reported: 3 }, 7],
    [{ ...unknown, isBulk: true, count: 40 }, 7],
    [{ ...unknown, isBulk: true, isAllowed: true }, 0],
    [unknown, 0],
  ] as const) {
    state.verdict = verdict;
    assert.equal((await ask(door.port, other))?.readUInt32LE(4), flag, JSON.stringify(verdict));
  }
  await door[Symbol.asyncDispose]();
});
