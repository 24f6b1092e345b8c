import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rename, rm, stat, writeFile } from 'node:fs/promises';
import { createConnection, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { ControlError, openControlSocket } from '../src/admin/index.ts';
import { memoryLog, silentLog } from '../src/base/index.ts';
import { lacks } from '../src/base/testing.ts';
import type { SubmitEvent } from '../src/local-mail/commands.ts';
import type { QueueItem } from '../src/operation/commands.ts';
import { type Control, connectAll, serveAll } from '../src/relay/testing.ts';

async function ownFolder(t: TestContext, name = 'posthouse-control-'): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), name));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

const bulkVerdict = {
  ...{ count: 12, exact: 3, reported: 1, revoked: 0, confidence: 60, cluster: '1r-1', via: 'text' },
  ...{ isBulk: true, isReported: true, isContested: false, isAllowed: false },
  ...{ firstSeen: 1000, lastSeen: 61_000, matched: ['"claim your prize"', 'domain:x.example'] },
};

const item = (id: string): QueueItem => ({
  id,
  from: 'a@b.example',
  size: 10,
  receivedAt: 1,
  client: '192.0.2.1',
  ground: 'network',
  recipients: [{ to: 'c@d.example', status: 'deferred', reply: '451 later' }],
});

const suspended = { lane: 'mx:d.example', until: 5, reply: '451 4.4.1 refused' };

function fakeControl(over: Partial<Control> = {}): Control {
  return {
    status: async () => ({
      version: '1',
      pid: 1,
      hostname: 'h',
      startedAt: 0,
      state: 'running',
      spool: 'ok',
      messages: 2,
      sessions: 0,
      listeners: [],
    }),
    async *guardList() {},
    async *sessionsList() {
      yield { id: 's1', protocol: 'smtp', listener: 'mx', address: '192.0.2.1', port: 1, since: 2 };
    },
    sessionsClose: async ({ which }) => ({ sessions: which === 'id:s1' ? 1 : 0 }),
    async *windowsList() {},
    windowsRevoke: async () => ({ windows: 0 }),
    clearinghouseStatus: async () => {
      throw new ControlError('unavailable', 'there is no clearinghouse here');
    },
    clearinghouseAsk: async ({ verb }, octets) => {
      let length = 0;
      for await (const piece of octets) length += piece.length;
      return { ...bulkVerdict, count: length, via: verb };
    },
    guardChange: async () => ({}),
    explain: async () => {
      throw new ControlError('failed', 'nobody asks');
    },
    async *audit() {
      yield { event: 'end', verdict: 'open', because: 'of this test' };
    },
    reload: async () => ({ outcome: 'refused', problems: ['posthouse.yaml:3: unknown key "relai"'] }),
    async *plan({ reach = {} }) {
      const { whole = false } = reach;
      const unnamed = whole ? ['e@f.example'] : [];
      yield { id: 'A', recipients: ['c@d.example', ...unnamed], unnamed, left: whole ? [] : ['e@f.example'] };
    },
    async *list() {
      yield item('A');
      yield item('B');
    },
    async *octets({ id }) {
      if (id !== 'A') throw new ControlError('not-found', `no message "${id}"`);
      yield Buffer.from('Subject: x\r\n');
      yield Buffer.from([0, 255, 10]);
    },
    async *change({ change, selector }) {
      if (change.verb === 'flush') yield suspended;
      else yield JSON.stringify([change, selector]);
    },
    async *shape() {
      yield { destination: 'd.example', counts: [1, 0, 2] };
    },
    async *submit(submission, octets) {
      let size = 0;
      for await (const chunk of octets) size += chunk.length;
      yield { event: 'accepted', queueId: `${size}`, recipients: submission.to.length };
      yield { event: 'fate', to: submission.to[0] ?? '', status: 'delivered', reply: '250 ok' };
    },
    ...over,
  };
}

async function open(t: TestContext, over: Partial<Control> = {}) {
  const path = join(await ownFolder(t), 'control.sock');
  const socket = await openControlSocket({ path, commands: serveAll(fakeControl(over)), log: silentLog });
  t.after(() => socket[Symbol.asyncDispose]());
  return { path, control: connectAll(path) };
}

async function raw(path: string, text: string | Buffer): Promise<string> {
  const socket = createConnection({ path, allowHalfOpen: true });
  socket.on('error', () => {});
  socket.end(text);
  let answer = '';
  for await (const chunk of socket) answer += chunk;
  return answer;
}

test('every command makes the round trip', async (t) => {
  const { control } = await open(t);
  assert.equal((await control.status()).messages, 2);
  assert.deepEqual(await control.reload(), {
    outcome: 'refused',
    problems: ['posthouse.yaml:3: unknown key "relai"'],
  });
  await assert.rejects(control.clearinghouseStatus(), /there is no clearinghouse here/);
  async function* pieces() {
    yield Buffer.alloc(100_000);
    yield Buffer.alloc(1);
  }
  const verdict = await control.clearinghouseAsk({ verb: 'report' }, pieces(), new AbortController().signal);
  assert.deepEqual(verdict, { ...bulkVerdict, count: 100_001, via: 'report' });
  const ids = [];
  for await (const { id } of control.list({ selector: { match: {} } })) ids.push(id);
  assert.deepEqual(ids, ['A', 'B']);
  const octets = [];
  for await (const chunk of control.octets({ id: 'A' })) octets.push(chunk);
  assert.deepEqual(Buffer.concat(octets), Buffer.from('Subject: x\r\n\x00\xff\n', 'latin1'));
  const change = { verb: 'hold', because: 'a "quoted" reason' } as const;
  for await (const done of control.change({ change, selector: { match: { from: '<>' } } })) {
    assert.deepEqual(JSON.parse(String(done)), [change, { match: { from: '<>' } }]);
  }
  for await (const note of control.change({ change: { verb: 'flush' }, selector: { match: {} } }))
    assert.deepEqual(note, suspended);
  for await (const row of control.shape({ selector: { match: {} } }))
    assert.equal(row.destination, 'd.example');
});

test('the message of a submit arrives whole, in order, whatever its size', async (t) => {
  let received = Buffer.alloc(0);
  const { control } = await open(t, {
    async *submit(_submission, octets) {
      for await (const chunk of octets) received = Buffer.concat([received, chunk]);
      yield { event: 'accepted', queueId: 'Q', recipients: 1 };
    },
  });
  const message = Buffer.alloc(300_001, 'abc\r\n');
  const events: SubmitEvent[] = [];
  const octets = (async function* () {
    yield message.subarray(0, 200_000);
    yield message.subarray(200_000);
  })();
  const submission = { from: '', to: ['a@b.example'], follow: false };
  for await (const event of control.submit(submission, octets, AbortSignal.timeout(9000))) events.push(event);
  assert.deepEqual(events, [{ event: 'accepted', queueId: 'Q', recipients: 1 }]);
  assert.ok(received.equals(message));
});

test('a relay that refuses a submit early is heard although the upload goes on', async (t) => {
  const { control } = await open(t, {
    async *submit() {
      yield { event: 'refused', reply: '552 5.3.4 too large' };
    },
  });
  const octets = (async function* () {
    for (let i = 0; i < 100; i++) yield Buffer.alloc(48_000);
  })();
  const events = [];
  const submission = { from: '', to: ['a@b.example'], follow: true };
  for await (const event of control.submit(submission, octets, AbortSignal.timeout(9000))) events.push(event);
  assert.deepEqual(events, [{ event: 'refused', reply: '552 5.3.4 too large' }]);
});

test('following ends when the client goes away', async (t) => {
  const aborted = Promise.withResolvers<void>();
  const { control } = await open(t, {
    async *submit(_submission, octets, signal) {
      for await (const _ of octets);
      yield { event: 'accepted', queueId: 'Q', recipients: 1 };
      await once(signal, 'abort');
      aborted.resolve();
    },
  });
  const octets = (async function* () {
    yield Buffer.from('x');
  })();
  const submission = { from: '', to: ['a@b.example'], follow: true };
  for await (const event of control.submit(submission, octets, AbortSignal.timeout(9000))) {
    assert.equal(event.event, 'accepted');
    break;
  }
  await aborted.promise;
});

test('errors keep their code; a bug of the relay is "failed" and logged', async (t) => {
  const path = join(await ownFolder(t), 'control.sock');
  const log = memoryLog();
  const control = fakeControl({
    status: async () => {
      throw new TypeError('broken');
    },
  });
  await using _ = await openControlSocket({ path, commands: serveAll(control), log });
  const client = connectAll(path);
  await assert.rejects(
    async () => {
      for await (const chunk of client.octets({ id: 'nope' })) assert.fail(`${chunk.length}`);
    },
    { code: 'not-found', message: 'no message "nope"' },
  );
  await assert.rejects(client.status(), { code: 'failed', message: /broken/ });
  assert.deepEqual(
    log.lines.map((line) => line.event),
    ['control-failed'],
  );
});

const badRequests: [string, string | Buffer, string][] = [
  ['no JSON', 'hello\n', 'bad-request'],
  ['an unknown command', '{"command":"shutdown"}\n', 'bad-request'],
  ['an unknown argument', '{"command":"status","args":{},"x":1}\n', 'bad-request'],
  ['a selector of nothing', '{"command":"list","args":{"selector":{"ids":[]}}}\n', 'bad-request'],
  ['a misspelt condition', '{"command":"list","args":{"selector":{"match":{"form":"x"}}}}\n', 'bad-request'],
  ['octets that are not UTF-8', Buffer.from('7b22ff227d0a', 'hex'), 'bad-request'],
  ['a prototype', '{"__proto__":{"command":"status"}}\n', 'bad-request'],
  ['an endless line', 'x'.repeat(300_000), 'too-large'],
  ['a long line', `${'x'.repeat(300_000)}\n`, 'too-large'],
  [
    'a submit that breaks off',
    '{"command":"submit","args":{"from":"","to":["a@b"],"follow":false}}\n',
    'bad-request',
  ],
  [
    'a chunk that is not base 64',
    '{"command":"submit","args":{"from":"","to":["a@b"],"follow":false}}\n{"chunk":"%"}\n',
    'bad-request',
  ],
];
for (const [what, text, code] of badRequests) {
  test(`${what} is answered with ${code}, and the next client is served`, async (t) => {
    const { path, control } = await open(t);
    const answer = JSON.parse(await raw(path, text));
    assert.equal(answer.error.code, code);
    assert.equal((await control.status()).version, '1');
  });
}

test('a request in single octets is understood', async (t) => {
  const { path } = await open(t);
  const socket = createConnection({ path, allowHalfOpen: true });
  for (const octet of Buffer.from('{"command":"shape","args":{"selector":{"match":{}}}}\n')) {
    await new Promise((resolve) => socket.write(Buffer.of(octet), resolve));
  }
  let answer = '';
  for await (const chunk of socket) answer += chunk;
  assert.deepEqual(
    answer
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line)),
    [{ item: { destination: 'd.example', counts: [1, 0, 2] } }, { result: 1 }],
  );
  socket.destroy();
});

test('a reader that does not read stops the stream instead of filling memory', async (t) => {
  let made = 0;
  const { path } = await open(t, {
    async *list() {
      for (; made < 1_000_000; made++) yield item('x'.repeat(1000));
    },
  });
  const socket = createConnection(path);
  socket.write('{"command":"list","args":{"selector":{"match":{}}}}\n');
  let before = -1;
  while (made === 0 || made !== before) {
    before = made;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  assert.ok(made < 5000, `${made} items were made for a reader that took none`);
  socket.destroy();
});

test('the socket is private, and 0660 when asked', async (t) => {
  const { path } = await open(t);
  assert.equal((await stat(path)).mode & 0o777, 0o600);
  const other = join(await ownFolder(t), 'control.sock');
  await using _ = await openControlSocket({
    path: other,
    commands: serveAll(fakeControl()),
    log: silentLog,
    mode: 0o660,
  });
  assert.equal((await stat(other)).mode & 0o777, 0o660);
});

test('the socket of a dead relay is replaced, that of a live one is refused, as is a file', async (t) => {
  const { path } = await open(t);
  const options = { commands: serveAll(fakeControl()), log: silentLog };
  await assert.rejects(openControlSocket({ ...options, path }), { code: 'in-use' });
  const folder = await ownFolder(t);
  const stale = join(folder, 'stale.sock');
  const dead = createServer().listen(join(folder, 'alive.sock'));
  await once(dead, 'listening');
  await rename(join(folder, 'alive.sock'), stale);
  dead.close();
  await using _ = await openControlSocket({ ...options, path: stale });
  assert.equal((await connectAll(stale).status()).pid, 1);
  const file = join(folder, 'file');
  await writeFile(file, 'precious');
  await assert.rejects(openControlSocket({ ...options, path: file }), { code: 'in-use' });
});

test('a folder with a long name works', async (t) => {
  if (process.platform !== 'linux') return lacks(t, 'needs /proc');
  const path = join(await ownFolder(t, `posthouse-${'x'.repeat(120)}-`), 'control.sock');
  await using _ = await openControlSocket({ path, commands: serveAll(fakeControl()), log: silentLog });
  assert.equal((await connectAll(path).status()).pid, 1);
});

test('no relay is "unavailable"', async (t) => {
  const folder = await ownFolder(t);
  await assert.rejects(connectAll(join(folder, 'none.sock')).status(), { code: 'unavailable' });
});

test('a relay that dies amid its answers is "unavailable", whatever breaks', async (t) => {
  const folder = await ownFolder(t);
  const path = join(folder, 'control.sock');
  const peers: Socket[] = [];
  // It does not read the request, so that its end is a reset.
  const server = createServer({ pauseOnConnect: true }, (socket) => {
    peers.push(socket);
    socket.write(`${JSON.stringify({ item: item('1') })}\n`);
  });
  server.listen(path);
  await once(server, 'listening');
  t.after(() => server.close());
  const found: string[] = [];
  await assert.rejects(
    async () => {
      for await (const { id } of connectAll(path).list({ selector: { ids: ['1'] } })) {
        found.push(id);
        for (const peer of peers) peer.destroy();
      }
    },
    (error) => error instanceof ControlError && error.code === 'unavailable',
  );
  assert.deepEqual(found, ['1']);
});

test('closing ends the sessions that are open', async (t) => {
  const path = join(await ownFolder(t), 'control.sock');
  const socket = await openControlSocket({ path, commands: serveAll(fakeControl()), log: silentLog });
  const idle = createConnection(path);
  idle.on('error', () => {});
  await once(idle, 'connect');
  const closed = once(idle, 'close');
  await socket[Symbol.asyncDispose]();
  await closed;
  await assert.rejects(stat(path), { code: 'ENOENT' });
});
