/**
 * Makes the data folder of an older build, and what that build reads back from it:
 *
 *     node test/old-data/make.mjs CHECKOUT NAME
 *
 * CHECKOUT is a clone at the commit in question, with its dependencies. Everything is written by the code of
 * that checkout: a relay takes mail, tries some of it, is stopped, is started again and takes more, and its
 * folder is copied while it runs, as a power cut would leave it. The clock stands still but for the steps that
 * are made here. Writes `NAME.json.br` and `golden/NAME.json` beside this file.
 */
import { Buffer } from 'node:buffer';
import { createHash } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { brotliCompressSync } from 'node:zlib';

const [, , checkout, name] = process.argv;
const testdata = (file) => join(resolve(checkout), 'src/delivery/testdata', file);
const load = (path) => import(join(resolve(checkout), path));
const { manualClock, memoryLog } = await load('src/base/index.ts');
const { startSink } = await load('src/delivery/testing.ts');
const { startFakeDns } = await load('src/dns/testing.ts');
const { hashPassword } = await load('src/identity/index.ts');
const { openSpool } = await load('src/spool/index.ts');
const { dropMail } = await load('src/admin/index.ts');
const { openRelay } = await load('test/support/relay.ts');
const { SocketPeer } = await load('test/support/peer.ts');
const { until } = await load('test/support/server.ts');

const startMs = Date.UTC(2026, 10, 29, 12);
const minute = 60_000;
const clock = manualClock(startMs);
const ends = [];
const t = { after: (end) => ends.unshift(end) };

const folder = await mkdtemp(join(tmpdir(), 'posthouse-old-'));
const hash = await hashPassword('sesame');
await writeFile(join(folder, 'users.yaml'), JSON.stringify({ users: { 'anna@ours.test': { hash } } }), {
  mode: 0o600,
});
await writeFile(join(folder, 'token'), 'sixteen-characters-and-more\n', { mode: 0o600 });

/** The replies of the next hop, by the domain of the recipient. */
const answers = { 'slow.test': '451 4.2.1 busy', 'gone.test': '550 5.1.1 unknown', 'silent.test': 'silence' };
const sink = await startSink({
  answer: (command) => answers[/^RCPT TO:<[^>]*@([^>]+)>/i.exec(command)?.[1] ?? ''],
});
const here = { A: ['127.0.0.1'] };
const dns = await startFakeDns({
  'slow.test': here,
  'gone.test': here,
  'fine.test': here,
  'silent.test': here,
  'origin.test': { MX: [[10, 'mx.origin.test']] },
  'mx.origin.test': { fault: 'servfail' },
  'relay.test': { fault: 'servfail' },
  'xn--bcher-kva.test': { fault: 'servfail' },
  'smart.test': { A: ['127.0.0.87'] },
});

const keys = {
  listeners: [
    { role: 'mx', address: '127.0.0.1:0' },
    { role: 'submission', address: '127.0.0.1:0' },
  ],
  domains: [{ name: 'ours.test', deliver: `maildir:${folder}/mail/{local}` }],
  routes: [
    { to: 'captured.test', via: 'capture' },
    { to: 'behind.test', via: 'smtp://smart.test:2525', tls: 'none' },
    { to: '*', via: 'mx' },
  ],
  dns: { servers: [dns.address], refusePrivateMx: false },
  delivery: { mxPort: sink.port, ownAddresses: '192.0.2.99' },
  tls: { cert: testdata('cert.pem'), key: testdata('key.pem') },
  xclientFrom: ['127.0.0.1/32'],
  users: { file: 'users.yaml', plaintext: 'loopback' },
  pop3: { listeners: [{ address: '127.0.0.1:0', plaintext: 'loopback' }] },
  relay: {
    networks: ['127.0.0.0/8', '198.51.100.0/24'],
    authenticated: true,
    popBeforeSmtp: {
      window: '1d',
      maxLife: '7d',
      allowLoopback: true,
      events: { address: '127.0.0.1:0', token: { file: 'token' } },
    },
  },
  queue: { retry: { min: '5m', warnAfter: '15m' } },
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
};

const open = (over = folder) => openRelay(t, { ...keys, data: over }, { clock, folder: over });

async function all(items) {
  const found = [];
  for await (const item of items) found.push(item);
  return found;
}

const portOf = (relay, role) => relay.relay.addresses.find((each) => each.role === role).port;
const text = (subject, body = 'a few words\r\n') => `Subject: ${subject}\r\n\r\n${body}`;
const sendOk = async (relay, mail) => {
  const reply = await relay.send(mail);
  if (!reply.startsWith('250')) throw new Error(`${mail.to}: ${reply}`);
  return /queued as (\S+)/.exec(reply)[1];
};

/** Sends over a session that was prepared with other commands. */
async function sendAfter(relay, { port = relay.port, before, from, to, content }) {
  const peer = await SocketPeer.greeted(port);
  await peer.expect(...before, [`MAIL FROM:<${from}>`, 250], [`RCPT TO:<${to}>`, 250], ['DATA', 354]);
  await peer.expect([`${content}.`, 250], ['QUIT', 221]);
  await peer[Symbol.asyncDispose]();
}

async function sendBinary(relay, { to, octets }) {
  const peer = await SocketPeer.greeted(relay.port);
  await peer.expect(
    ['EHLO client.test', 250],
    ['MAIL FROM:<sender@origin.test> BODY=BINARYMIME', 250],
    [`RCPT TO:<${to}>`, 250],
  );
  peer.send(`BDAT ${octets.length} LAST\r\n`);
  peer.send(octets);
  await peer.reply();
  await peer.expect(['QUIT', 221]);
  await peer[Symbol.asyncDispose]();
}

async function openWindow(relay, login) {
  const answer = await fetch(`http://127.0.0.1:${portOf(relay, 'http')}/windows`, {
    method: 'POST',
    headers: { authorization: 'Bearer sixteen-characters-and-more', 'content-type': 'application/json' },
    body: JSON.stringify(login),
  });
  if (!answer.ok) throw new Error(await answer.text());
}

async function loginByPop(relay) {
  const peer = await SocketPeer.connect(portOf(relay, 'pop3'));
  await peer.line();
  peer.send('USER anna@ours.test\r\nPASS sesame\r\n');
  await peer.line();
  const answer = await peer.line();
  if (!answer.startsWith('+OK')) throw new Error(answer);
  peer.send('QUIT\r\n');
  await peer[Symbol.asyncDispose]();
}

async function registerAtRazor(relay) {
  const socket = connect(portOf(relay, 'razor'), '127.0.0.1');
  const pieces = socket[Symbol.asyncIterator]();
  await pieces.next();
  for (const line of ['a=g&pm=csl', 'a=reg&pass=secret&user=anna']) {
    socket.write(`${line}\r\n`);
    await pieces.next();
  }
  socket.destroy();
}

/** The command `write` of rspamd's fuzzy storage, version 4, without shingles. */
async function writeFuzzy(relay, digest) {
  const head = Buffer.alloc(12);
  head.writeUInt8(4, 0);
  head.writeUInt8(1, 1);
  head.writeUInt8(11, 3);
  head.writeInt32LE(10, 4);
  head.writeUInt32LE(0xdeadbeef, 8);
  const socket = createSocket('udp4');
  socket.send(Buffer.concat([head, Buffer.alloc(64, digest)]), portOf(relay, 'rspamd-fuzzy'), '127.0.0.1');
  await once(socket, 'message');
  socket.close();
}

const bulkText = (n) =>
  text(
    `offer ${n}`,
    `${'Dear reader, this is the offer of the year: buy two lamps and pay for one.\r\n'.repeat(8)}${n}\r\n`,
  );
const large = text(
  'large',
  Array.from({ length: 2600 }, (_, i) => `${i} ${createHash('sha256').update(`${i}`).digest('hex')} \u00fc\r\n`).join(''),
);

/** Moves the clock in steps between which writes come to their end: one that takes 30 s counts as failed. */
async function pass(ms) {
  for (let left = ms; left > 0; left -= 10_000) {
    clock.advance(Math.min(left, 10_000));
    await new Promise((done) => setTimeout(done, 10));
  }
}

/** Waits until the spool knows what came of every attempt, but for those that nobody answers. */
async function recorded(relay) {
  await until(async () => {
    for await (const { recipients } of relay.relay.control.list({ match: {} }))
      if (recipients.some(({ to, held, reply }) => !to.endsWith('@silent.test') && !held && !reply)) return false;
    return true;
  });
}

/** Waits for the attempts that a step of the clock begins. */
async function step(relay, byMs, event, count) {
  const before = clock.now();
  await pass(byMs);
  await relay.log.logged(event, {}, count);
  await until(async () => {
    for await (const { recipients } of relay.relay.control.list({ match: {} }))
      if (recipients.some(({ at }) => !(at > before))) return false;
    return true;
  });
}

async function firstDay() {
  const relay = await open();
  const { control } = relay.relay;
  await sendOk(relay, { to: ['three@slow.test', 'more@slow.test'], content: text('three attempts') });
  await relay.log.logged('deferred', {}, 2);
  await recorded(relay);
  await step(relay, 6 * minute, 'deferred', 4);
  await step(relay, 13 * minute, 'deferred', 6);
  await pass(10 * minute);
  await relay.log.logged('bounce-sent', { kind: 'delayed' });
  await recorded(relay);
  const lanes = ['a@slow.test', 'b@gone.test', 'c@fine.test', 'd@ours.test', 'e@captured.test', 'f@behind.test'];
  await sendOk(relay, { to: lanes, content: text('six lanes') });
  for (const to of ['c@fine.test', 'd@ours.test', 'e@captured.test'])
    await relay.log.logged('delivered', { to });
  await relay.log.logged('deferred', { to: 'f@behind.test' });
  await relay.log.logged('bounced', { to: 'b@gone.test' });
  await pass(6_000);
  await relay.log.logged('bounce-sent');
  await sendOk(relay, { to: 'large@slow.test', content: large, mailParameters: ' BODY=8BITMIME' });
  await sendOk(relay, {
    to: 'dsn@slow.test',
    mailParameters: ' RET=HDRS ENVID=QQ+2B1',
    rcptParameters: ' NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=rfc822;Bob+2Bx@x.test',
    content: text('notifications'),
  });
  await sendOk(relay, {
    from: 'jürgen@müller.test',
    to: ['用户@bücher.test', 'ascii@bücher.test'],
    mailParameters: ' SMTPUTF8 BODY=8BITMIME',
    content: 'Subject: grüße\r\n\r\nschöne\r\n',
  });
  await sendBinary(relay, { to: 'binary@slow.test', octets: Buffer.from('Subject: b\r\n\r\n\0\x01\r\n', 'latin1') });
  await sendOk(relay, { from: '', to: 'null@slow.test', content: text('null reverse-path') });
  const many = Array.from({ length: 50 }, (_, i) => `m${i}@slow.test`);
  await sendOk(relay, { to: [...many, 'x@behind.test'], content: text('many') });
  const held = await sendOk(relay, { to: ['h1@slow.test', 'h2@slow.test'], content: text('held in part') });
  await sendOk(relay, { to: 'old@slow.test', content: text('redirected') });
  await recorded(relay);
  await all(control.change({ verb: 'hold', because: 'looks odd' }, { ids: [held], match: { to: 'h1@slow.test' } }));
  for (let n = 0; n < 5; n++) {
    await sendAfter(relay, {
      before: [
        ['EHLO filter.test', 250],
        ['XCLIENT ADDR=198.51.100.7', 220],
        ['EHLO printer.test', 250],
      ],
      from: 'printer@origin.test',
      to: `report${n}@slow.test`,
      content: text(`report ${n}`),
    });
  }
  await control.guardChange({ verb: 'allow', subject: 'network:198.51.100.8', forMs: 86_400_000 });
  await loginByPop(relay);
  await openWindow(relay, { address: '198.51.100.20', user: 'jürgen@müller.test' });
  await openWindow(relay, { address: '198.51.100.20', user: 'bob@ours.test', for: 86_400 });
  await sendAfter(relay, {
    port: portOf(relay, 'submission'),
    before: [
      ['EHLO laptop.test', 250],
      [`AUTH PLAIN ${Buffer.from('\0anna@ours.test\0sesame').toString('base64')}`, 235],
    ],
    from: 'anna@ours.test',
    to: 'friend@slow.test',
    content: `From: anna@ours.test\r\n${text('from somebody by name')}`,
  });
  for (let n = 0; n < 6; n++)
    await sendOk(relay, { from: 's@bulk.test', to: `b${n}@slow.test`, content: bulkText(n) });
  await control.clearinghouseAsk({ verb: 'report' }, [Buffer.from(bulkText(7))]);
  await control.clearinghouseAsk({ verb: 'learn' }, [Buffer.from(text('learnt', 'The minutes of the meeting are at the usual place.\r\n'.repeat(6)))]);
  await registerAtRazor(relay);
  await writeFuzzy(relay, 1);
  await recorded(relay);
  await relay.stop();
}

/** A relay that is about to lose its power. */
async function secondDay() {
  const relay = await open();
  const { control } = relay.relay;
  await sendOk(relay, { to: ['g1@behind.test', 'g2@behind.test'], content: text('not there') });
  await openWindow(relay, { address: '2001:db8::20', user: 'carl@ours.test' });
  await control.clearinghouseAsk({ verb: 'revoke' }, [Buffer.from(bulkText(8))]);
  await sendOk(relay, { from: 's@bulk.test', to: 'b9@slow.test', content: bulkText(9) });
  await sendOk(relay, { to: 'begun@silent.test', content: text('an attempt that has begun') });
  await until(() => sink.commands.some((command) => command.includes('begun@silent.test')));
  const journals = () => readdir(join(folder, 'clearinghouse'));
  await until(async () => {
    for (const file of await journals())
      if (file.startsWith('journal') && (await stat(join(folder, 'clearinghouse', file))).size > 400) return true;
    return false;
  });
  await recorded(relay);
  // Due now, and never tried: the clock stands.
  await all(control.change({ verb: 'redirect', to: 'new@slow.test' }, { match: { to: 'old@slow.test' } }));
  const copy = await mkdtemp(join(tmpdir(), 'posthouse-old-copy-'));
  await cp(folder, copy, {
    recursive: true,
    filter: async (path) => !(await stat(path)).isSocket() && !path.startsWith(join(folder, 'mail')),
  });
  // Its owner is dead.
  for (const store of ['spool', 'state'])
    await writeFile(join(copy, store, 'lock'), '999999999 1 00000000-0000-0000-0000-000000000000\n');
  await mkdir(join(copy, 'maildrop'), { recursive: true });
  await dropMail(
    join(copy, 'maildrop'),
    { version: 1, from: 'root@relay.test', to: [{ address: 'dropped@slow.test' }], body: '7bit' },
    [Buffer.from(text('dropped'))],
  );
  await relay.relay[Symbol.asyncDispose]();
  return copy;
}

async function filesOf(path) {
  const files = {};
  for (const entry of await readdir(path, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const whole = join(entry.parentPath, entry.name);
    files[whole.slice(path.length + 1)] = (await readFile(whole)).toString('base64');
  }
  return files;
}

const byteSum = async (octets) => {
  const sum = createHash('sha256');
  for await (const chunk of octets.chunks()) sum.update(chunk);
  return sum.digest('hex');
};

/** Everything that is to be read in the spool, by its interface. */
async function readSpool(path) {
  const spool = await openSpool({ path, clock, log: memoryLog(), floorBytes: 1 });
  const messages = [];
  for (const id of spool.walk()) {
    const octets = spool.octets(id);
    const statuses = [...spool.statuses(id)].sort(([a], [b]) => a - b);
    const envelope = spool.envelope(id);
    messages.push({ id, envelope, octets: { size: octets.size, sha256: await byteSum(octets) }, statuses, entries: spool.entries(id) });
  }
  const lanes = [...spool.lanes()].sort((a, b) => (a.lane < b.lane ? -1 : 1));
  const due = lanes.map(({ lane, dueAt }) => ({
    lane,
    dueAt,
    entries: spool.due(lane, { until: Number.MAX_SAFE_INTEGER, limit: 1000 }).map(({ id, number }) => `${id} ${number}`),
  }));
  await spool[Symbol.asyncDispose]();
  return { messages, due };
}

async function copyOf(path) {
  const copy = await mkdtemp(join(tmpdir(), 'posthouse-old-read-'));
  await cp(path, copy, { recursive: true });
  return copy;
}

await firstDay();
await pass(minute);
const data = await secondDay();
const atMs = clock.now();
const files = await filesOf(data);
const forSpool = await copyOf(data);
const spool = await readSpool(join(forSpool, 'spool'));
const forRelay = await copyOf(data);
const relay = await open(forRelay);
const { control } = relay.relay;
const { clusters, counted, reporters, passedOver } = await control.clearinghouseStatus();
const verdictOf = async (message) => {
  const { count, exact, reported, revoked, isBulk, isReported, isContested, confidence, cluster, firstSeen, lastSeen } =
    await control.clearinghouseAsk({ verb: 'check' }, [Buffer.from(message)]);
  return { count, exact, reported, revoked, isBulk, isReported, isContested, confidence, cluster, firstSeen, lastSeen };
};
const golden = {
  at: atMs,
  spool,
  windows: (await all(control.windowsList())).sort((a, b) => (a.address < b.address ? -1 : 1)),
  guard: await all(control.guardList()),
  clearinghouse: { status: { clusters, counted, reporters, passedOver }, message: bulkText(10), verdict: await verdictOf(bulkText(10)) },
};
await relay.relay[Symbol.asyncDispose]();
const beside = import.meta.dirname;
await writeFile(join(beside, `${name}.json.br`), brotliCompressSync(JSON.stringify(files)));
await writeFile(join(beside, 'golden', `${name}.json`), `${JSON.stringify(golden, null, 1)}\n`);
for (const end of ends) await end();
await sink[Symbol.asyncDispose]();
await dns[Symbol.asyncDispose]();
for (const path of [folder, data, forSpool, forRelay]) await rm(path, { recursive: true, force: true });
console.log(golden.spool.messages.length, 'messages,', Object.keys(files).join(' '));
process.exit(0);
