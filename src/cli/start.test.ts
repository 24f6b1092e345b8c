import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';

import { memoryLog } from '../base/index.ts';
import { runStart, type StartParts } from './start.ts';
import { fakeIo } from './testing.ts';

async function setUp(t: TestContext, over: Partial<StartParts> = {}) {
  const folder = await mkdtemp(join(tmpdir(), 'posthouse-start-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const file = join(folder, 'posthouse.yaml');
  await writeFile(file, 'hostname: a.example\n');
  const log = { ...memoryLog(), async [Symbol.asyncDispose]() {} };
  const happened: string[] = [];
  const drained = Promise.withResolvers<void>();
  const parts: StartParts = {
    openLog: () => log,
    prepareLocal: async () => {},
    startRelay: async ({ reload }) => ({
      addresses: [{ name: 'mx 127.0.0.1:0', role: 'mx', address: '127.0.0.1:4711' }],
      reload: () =>
        reload().then(
          ({ hostname }) => {
            happened.push(`reload ${hostname}`);
            return { outcome: 'reloaded', changes: [] };
          },
          (error: Error) => {
            happened.push(error.message);
            return { outcome: 'refused', problems: [] };
          },
        ),
      async drain(signal) {
        happened.push('drain');
        signal.addEventListener('abort', () => drained.resolve());
        await drained.promise;
      },
      async [Symbol.asyncDispose]() {
        happened.push('closed');
      },
    }),
    ...over,
  };
  return { folder, file, log, parts, happened, drained };
}

/** Waits until the ready line is out. */
async function ready(io: ReturnType<typeof fakeIo>): Promise<void> {
  while (!io.text.out.includes('\n')) await new Promise((resolve) => setImmediate(resolve));
}

test('one line says ready; SIGTERM drains and ends with 0', async (t) => {
  const { file, parts, happened, drained } = await setUp(t);
  const io = fakeIo();
  const running = runStart(file, io, parts);
  await ready(io);
  const line = JSON.parse(io.text.out);
  assert.deepEqual(
    [line.event, line.listeners],
    ['ready', [{ name: 'mx 127.0.0.1:0', role: 'mx', address: '127.0.0.1:4711' }]],
  );
  io.signal('SIGTERM');
  drained.resolve();
  assert.equal(await running, 0);
  assert.deepEqual(happened, ['drain', 'closed']);
  assert.equal(io.text.out.split('\n').length, 2);
});

test('a second SIGINT does not wait for the drain, the copy that npm sends does', async (t) => {
  const { file, parts, happened } = await setUp(t);
  const io = fakeIo();
  const running = runStart(file, io, parts);
  await ready(io);
  io.signal('SIGINT');
  io.signal('SIGINT');
  while (!happened.includes('drain')) await new Promise((resolve) => setImmediate(resolve));
  const early = await Promise.race([running, new Promise((resolve) => setTimeout(resolve, 600, 'draining'))]);
  assert.equal(early, 'draining');
  io.signal('SIGINT');
  assert.equal(await running, 0);
});

test('SIGHUP swaps the configuration; one that does not load is reported whole and changes nothing', async (t) => {
  const { file, parts, happened, drained } = await setUp(t);
  const io = fakeIo();
  const running = runStart(file, io, parts);
  await ready(io);
  await writeFile(file, 'hostname: b.example\n');
  io.signal('SIGHUP');
  while (happened.length < 1) await new Promise((resolve) => setImmediate(resolve));
  await writeFile(file, 'hostnam: c.example\nlistenrs: []\n');
  io.signal('SIGHUP');
  while (happened.length < 2) await new Promise((resolve) => setImmediate(resolve));
  const problems = happened[1]?.split('\n') ?? [];
  assert.deepEqual(
    problems.map((problem) => /posthouse\.yaml:(\d+):\d+: /.exec(problem)?.[1]),
    ['1', '2'],
  );
  io.signal('SIGTERM');
  drained.resolve();
  await running;
  assert.deepEqual(happened.toSpliced(1, 1), ['reload b.example', 'drain', 'closed']);
});

test('a SIGHUP that comes during the start counts once the relay runs', async (t) => {
  const { file, parts, happened, drained } = await setUp(t);
  const io = fakeIo();
  const startRelay: StartParts['startRelay'] = (options) => {
    io.signal('SIGHUP');
    assert.deepEqual(happened, []);
    return parts.startRelay(options);
  };
  const running = runStart(file, io, { ...parts, startRelay });
  await ready(io);
  io.signal('SIGTERM');
  drained.resolve();
  await running;
  assert.equal(happened[0], 'reload a.example');
});

test('the local profile says on a terminal what to do next, and only there', async (t) => {
  const { folder, parts, drained } = await setUp(t);
  drained.resolve();
  for (const stderr of [true, false]) {
    const io = fakeIo({ folder, isTerminal: { stdin: false, stdout: false, stderr } });
    const running = runStart(undefined, io, parts);
    await ready(io);
    io.signal('SIGTERM');
    await running;
    assert.equal(/ {3}posthouse send --to/.test(io.text.err), stderr);
  }
  const isTerminal = { stdin: false, stdout: false, stderr: true };
  const clone = fakeIo({ folder, isTerminal, env: { npm_lifecycle_event: 'start' } });
  const running = runStart(undefined, clone, parts);
  await ready(clone);
  clone.signal('SIGTERM');
  await running;
  assert.match(clone.text.err, / {3}npm run -s posthouse -- send --to/);
});

test('a configuration that does not load is 78, before anything is started', async (t) => {
  const { file, parts } = await setUp(t, { startRelay: async () => assert.fail() });
  await writeFile(file, 'x: 1\ny: 2\n');
  await assert.rejects(runStart(file, fakeIo(), parts), { code: 78, message: /:1:.*\n.*:2:/ });
});

test('a port in use is 69 and names it', async (t) => {
  const taken = createServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');
  t.after(() => taken.close());
  const address = taken.address();
  const port = typeof address === 'object' ? address?.port : undefined;
  const { file, parts } = await setUp(t, {
    startRelay: async () => {
      const second = createServer().listen(port, '127.0.0.1');
      await once(second, 'listening');
      return assert.fail();
    },
  });
  await assert.rejects(runStart(file, fakeIo(), parts), {
    code: 69,
    message: `127.0.0.1:${port} is in use by another program`,
  });
});

const failures: [string, object, number, RegExp][] = [
  ['a privileged port', { code: 'EACCES', address: '0.0.0.0', port: 25 }, 77, /start as root with "user:"/],
  [
    'a foreign address',
    { code: 'EADDRNOTAVAIL', address: '192.0.2.1', port: 25 },
    78,
    /no address of this machine/,
  ],
  ['a locked spool', { code: 'locked' }, 69, /another relay/],
  ['a corrupt spool', { code: 'corrupt' }, 74, /salvage/],
];
for (const [what, fields, code, message] of failures) {
  test(`${what} is exit ${code}`, async (t) => {
    const { file, parts } = await setUp(t, {
      startRelay: async () => {
        throw new Error('start failed', { cause: Object.assign(new Error('inner'), fields) });
      },
    });
    await assert.rejects(runStart(file, fakeIo(), parts), { code, message });
  });
}

test('a certificate that cannot be made does not stop the local profile: it starts without a login and says so', async (t) => {
  const { folder, parts, log, drained } = await setUp(t, {
    prepareLocal: async () => {
      throw new Error('there is no randomness today');
    },
  });
  const io = fakeIo({ folder });
  let roles: readonly string[] = [];
  const startRelay: StartParts['startRelay'] = (options) => {
    roles = options.config.listeners.map(({ role }) => role);
    return parts.startRelay(options);
  };
  const running = runStart(undefined, io, { ...parts, startRelay });
  await ready(io);
  assert.deepEqual(roles, ['mx']);
  assert.deepEqual(
    // The Node that runs the tests may be an old one.
    log.lines.filter(({ level, event }) => level === 'warn' && event !== 'runtime-outdated'),
    [
      {
        level: 'warn',
        event: 'local-login-unavailable',
        fields: { because: 'there is no randomness today' },
      },
    ],
  );
  io.signal('SIGTERM');
  drained.resolve();
  assert.equal(await running, 0);
});
