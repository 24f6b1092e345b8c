/** A data folder that an older build wrote is read as that build read it, and its mail goes out. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { brotliDecompressSync } from 'node:zlib';
import { type ManualClock, manualClock, memoryLog } from '../src/base/index.ts';
import { startSink } from '../src/delivery/testing.ts';
import { startFakeDns } from '../src/dns/testing.ts';
import type { Envelope, RecipientStatus } from '../src/mail/index.ts';
import { type LaneEntry, openSpool, type StoredOctets } from '../src/spool/index.ts';
import { endings, openRelay, type TestRelay, testFolder } from './support/relay.ts';
import { until } from './support/server.ts';

interface Message {
  readonly id: string;
  readonly envelope: Envelope;
  readonly octets: { readonly size: number; readonly sha256: string };
  readonly statuses: readonly (readonly [number, RecipientStatus])[];
  readonly entries: readonly LaneEntry[];
}

/** The data as the older build read it, by the same interfaces. */
interface Golden {
  readonly at: number;
  readonly spool: { readonly messages: readonly Message[]; readonly due: readonly object[] };
  readonly windows: readonly object[];
  readonly guard: readonly { readonly kind: string; readonly id?: string }[];
  readonly clearinghouse: {
    readonly status: Readonly<Record<string, unknown>>;
    readonly message: string;
    readonly verdict: Readonly<Record<string, unknown>>;
  };
}

const name = 'a87d93a';
const golden: Golden = JSON.parse(
  readFileSync(join(import.meta.dirname, `old-data/golden/${name}.json`), 'utf8'),
);

/** The data folder, unpacked for one test. */
async function oldFolder(t: TestContext): Promise<string> {
  const folder = await testFolder(t);
  const packed = readFileSync(join(import.meta.dirname, `old-data/${name}.json.br`));
  const files: Readonly<Record<string, string>> = JSON.parse(brotliDecompressSync(packed).toString());
  for (const [path, octets] of Object.entries(files)) {
    await mkdir(join(folder, dirname(path)), { recursive: true, mode: 0o700 });
    await writeFile(join(folder, path), Buffer.from(octets, 'base64'), { mode: 0o600 });
  }
  return folder;
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

async function sumOf(octets: StoredOctets): Promise<{ readonly size: number; readonly sha256: string }> {
  const sum = createHash('sha256');
  for await (const piece of octets.chunks()) sum.update(piece);
  return { size: octets.size, sha256: sum.digest('hex') };
}

test('the spool of an older build has every envelope, octet, status and entry, due in the same order', async (t) => {
  const path = join(await oldFolder(t), 'spool');
  const log = memoryLog();
  await using spool = await openSpool({ path, clock: manualClock(golden.at), log, floorBytes: 1 });
  const messages: unknown[] = [];
  for (const id of spool.walk()) {
    const octets = spool.octets(id);
    assert.ok(octets !== undefined);
    const statuses = [...spool.statuses(id)].sort(([a], [b]) => a - b);
    const envelope = spool.envelope(id);
    messages.push({ id, envelope, octets: await sumOf(octets), statuses, entries: spool.entries(id) });
  }
  assert.deepEqual(JSON.parse(JSON.stringify(messages)), golden.spool.messages);
  const lanes = [...spool.lanes()].sort((a, b) => (a.lane < b.lane ? -1 : 1));
  const due = lanes.map(({ lane, dueAt }) => ({
    lane,
    dueAt,
    entries: spool
      .due(lane, { until: Number.MAX_SAFE_INTEGER, limit: 1000 })
      .map(({ id, number }) => `${id} ${number}`),
  }));
  assert.deepEqual(due, golden.spool.due);
  const found = log.lines.find(({ event }) => event === 'spool-checked');
  assert.deepEqual([found?.fields.messages, found?.fields.findings], [golden.spool.messages.length, 0]);
});

/** A relay of today on the older one's folder. `behind.test` has another route than it had. */
async function startOn(t: TestContext) {
  const folder = await oldFolder(t);
  const sink = await startSink({
    keywords: ['PIPELINING', '8BITMIME', 'SMTPUTF8', 'DSN', 'CHUNKING', 'BINARYMIME', 'ENHANCEDSTATUSCODES'],
  });
  endings(t).use(sink);
  const here = { A: ['127.0.0.1'] };
  const domains = ['slow.test', 'silent.test', 'origin.test', 'relay.test', 'xn--bcher-kva.test'];
  const dns = await startFakeDns(Object.fromEntries(domains.map((domain) => [domain, here])));
  endings(t).use(dns);
  const clock = manualClock(golden.at);
  const relay = await openRelay(
    t,
    {
      // Another name than it had, by which it would take `relay.test` for itself.
      hostname: 'today.test',
      domains: [{ name: 'ours.test', deliver: `maildir:${folder}/mail/{local}` }],
      routes: [
        { to: 'captured.test', via: 'capture' },
        { to: 'behind.test', via: `smtp://127.0.0.1:${sink.port}`, tls: 'none' },
        { to: '*', via: 'mx' },
      ],
      dns: { servers: [dns.address], refusePrivateMx: false },
      delivery: { mxPort: sink.port, ownAddresses: '192.0.2.99' },
      users: { file: 'users.yaml', plaintext: 'loopback' },
      relay: {
        networks: ['127.0.0.0/8', '198.51.100.0/24'],
        authenticated: true,
        popBeforeSmtp: { window: '1d', maxLife: '7d', allowLoopback: true },
      },
      guard: { network: { messages: '3/1h' } },
      clearinghouse: {
        memory: '16MB',
        bulk: 4,
        relay: { action: 'tag' },
        doors: [
          { protocol: 'razor', address: '127.0.0.1:0' },
          { protocol: 'rspamd-fuzzy', address: '127.0.0.1:0', known: ['127.0.0.0/8'] },
        ],
      },
    },
    { clock, folder },
  );
  return { relay, sink, clock, control: relay.control };
}

const portOf = (relay: TestRelay, role: string) =>
  relay.relay.addresses.find((address) => address.role === role)?.port ?? 0;

/** The fields of `found` that the golden object has. */
function like(found: object, model: object): object {
  return Object.fromEntries(Object.keys(model).map((key) => [key, Reflect.get(found, key)]));
}

test('windows, holds and allowances of an older build hold on', async (t) => {
  const { control } = await startOn(t);
  const windows = (await all(control.windowsList())).sort((a, b) => (a.address < b.address ? -1 : 1));
  assert.deepEqual(
    windows.map((window, index) => like(window, golden.windows[index] ?? {})),
    golden.windows,
  );
  const decisions = async () =>
    (await all(control.guardList())).map((decision, index) => like(decision, golden.guard[index] ?? {}));
  // Held mail is counted in the background.
  await until(async () => isDeepStrictEqual(await decisions(), golden.guard)).catch(() => {});
  assert.deepEqual(await decisions(), golden.guard);
});

test('the clearinghouse of an older build still counts what it counted, and knows its accounts', async (t) => {
  const { relay, control } = await startOn(t);
  // The message of the maildrop is counted, too.
  await relay.log.logged('maildrop-taken');
  const { status, message, verdict } = golden.clearinghouse;
  assert.deepEqual(like(await control.clearinghouseStatus(), status), status);
  const asked = await control.clearinghouseAsk(
    { verb: 'check' },
    octetsOf(message),
    new AbortController().signal,
  );
  assert.deepEqual(like(asked, verdict), verdict);
  assert.equal(await registerAtRazor(portOf(relay, 'razor'), 'anna'), 'err=210\r\n');
  const fuzzy = await askFuzzy(portOf(relay, 'rspamd-fuzzy'), 1);
  assert.deepEqual([fuzzy.readInt32LE(0), fuzzy.readUInt32LE(4)], [10, 11]);
});

async function* octetsOf(text: string): AsyncGenerator<Buffer> {
  yield Buffer.from(text);
}

/** Asks for an account of this name; the reply. */
async function registerAtRazor(port: number, user: string): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  const pieces = socket[Symbol.asyncIterator]();
  await pieces.next();
  let reply = '';
  for (const line of ['a=g&pm=csl', `a=reg&pass=other&user=${user}`]) {
    socket.write(`${line}\r\n`);
    reply = String((await pieces.next()).value);
  }
  socket.destroy();
  return reply;
}

/** The answer of the fuzzy storage to `check` for a digest without shingles, version 4. */
async function askFuzzy(port: number, digest: number): Promise<Buffer> {
  const head = Buffer.alloc(12);
  head.writeUInt8(4, 0);
  head.writeUInt8(11, 3);
  const socket = createSocket('udp4');
  socket.send(Buffer.concat([head, Buffer.alloc(64, digest)]), port, '127.0.0.1');
  const [answer] = await once(socket, 'message');
  socket.close();
  return answer;
}

const isHeld = ({ entries }: Message) => entries.some(({ held }) => held !== undefined);

/** Waits until messages are at their end. The clock stands, and fires only what is due now. */
async function removed(relay: TestRelay, clock: ManualClock, messages: readonly Message[]): Promise<void> {
  await until(() => {
    clock.advance(0);
    const gone = new Set(
      relay.log.lines.flatMap(({ event, queueId }) => (event === 'removed' ? queueId : [])),
    );
    return messages.every(({ id }) => gone.has(id));
  });
}

/** The addresses that a message still owes to somebody, as the sink hears them. */
function pendingOf({ envelope, statuses }: Message): string[] {
  const ended = new Set(statuses.flatMap(([index, { status }]) => (status === 'pending' ? [] : [index])));
  return envelope.recipients.flatMap(({ address }, index) => (ended.has(index) ? [] : [address.text]));
}

test('a relay delivers what an older build left: when it is due, whole, and once', async (t) => {
  const { relay, sink, clock, control } = await startOn(t);
  const { messages } = golden.spool;
  const isDue = ({ entries }: Message) => entries.some(({ begun, dueAt }) => begun || dueAt <= golden.at);
  const [held, free] = [messages.filter(isHeld), messages.filter((message) => !isHeld(message))];
  const dueNow = free.filter(isDue);
  assert.ok(dueNow.length >= 2);
  await relay.log.logged('delivered', { to: 'dropped@slow.test' });
  await removed(relay, clock, dueNow);
  assert.equal(sink.messages.length, dueNow.length + 1, 'nothing else was due');
  const flushing = all(control.change({ change: { verb: 'flush' }, selector: { match: { held: false } } }));
  await removed(relay, clock, free);
  // A flush stays for a while to hear of destinations that take nothing, and may not have begun to wait yet.
  let isFlushed = false;
  const flushed = flushing.finally(() => {
    isFlushed = true;
  });
  await until(() => {
    clock.advance(1000);
    return isFlushed;
  });
  await flushed;
  assert.deepEqual(
    (await all(control.list({ selector: { match: {} } }))).map(({ id }) => id),
    held.map(({ id }) => id),
  );
  for (const { kind, id } of golden.guard)
    if (kind === 'hold' && id !== undefined) await control.guardChange({ verb: 'release', id });
  await all(control.change({ change: { verb: 'release' }, selector: { match: {} } }));
  await removed(relay, clock, held);
  const arrived = sink.messages
    .filter(({ rcpts }) => !rcpts.includes('dropped@slow.test'))
    .flatMap(({ rcpts, octets }) => {
      const sum = createHash('sha256').update(octets).digest('hex');
      return rcpts.map((rcpt) => `${rcpt} ${sum}`);
    });
  const owed = messages.flatMap((message) =>
    pendingOf(message).map((to) => `${to} ${message.octets.sha256}`),
  );
  // Told apart, for a list this long is not shown whole.
  assert.deepEqual(
    arrived.filter((each) => !owed.includes(each)),
    [],
    'arrived, and was owed to nobody',
  );
  assert.deepEqual(
    owed.filter((each) => !arrived.includes(each)),
    [],
    'was owed, and did not arrive',
  );
  assert.equal(arrived.length, owed.length, 'arrived twice');
  assert.equal((await control.status()).messages, 0);
});
