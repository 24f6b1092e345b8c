import assert from 'node:assert/strict';
import { cp } from 'node:fs/promises';
import { type TestContext, test } from 'node:test';
import { fakeIo, run } from '../src/cli/testing.ts';
import { startSink } from '../src/delivery/testing.ts';
import { endings, openRelay, recorded, type TestRelay, testFolder } from './support/relay.ts';
import { until } from './support/server.ts';

const both = ['grey1@example.com', 'z1@example.net'];

/** A destination that defers until it is told otherwise, and a relay with a message for two of its recipients. */
async function withMessage(t: TestContext, to: readonly string[] = both) {
  let isBusy = true;
  const sink = await startSink({
    answer: (command) => (isBusy && command.startsWith('RCPT') ? '451 4.2.1 busy' : undefined),
  });
  endings(t).use(sink);
  const routes = { via: `smtp://127.0.0.1:${sink.port}`, tls: 'none' };
  const relay = await openRelay(t, { routes });
  await relay.send({ to, from: 'boss@origin.test' });
  await relay.log.logged('deferred', {}, to.length);
  await recorded(relay);
  return { relay, sink, routes, wake: () => (isBusy = false) };
}

async function queue(relay: Pick<TestRelay, 'folder'>, verb: string, ...argv: string[]) {
  return await run(['queue', verb, '--data', relay.folder, ...argv]);
}

async function listed(relay: Pick<TestRelay, 'folder'>): Promise<[string, string][]> {
  const { out } = await queue(relay, 'list', '--json');
  return out
    .split('\n')
    .filter((line) => line !== '')
    .flatMap((line) =>
      JSON.parse(line).recipients.map((one: Record<string, string>) => [one.to, one.status]),
    );
}

/** Waits for what is to become of the recipients: what is logged is in the queue a moment later. */
async function becomes(
  relay: Pick<TestRelay, 'folder'>,
  expected: readonly [string, string][],
): Promise<void> {
  const isAbout = ([to]: [string, string]) => to !== 'boss@origin.test';
  const read = async () => JSON.stringify((await listed(relay)).filter(isAbout));
  await until(async () => (await read()) === JSON.stringify(expected));
}

const calls: readonly {
  readonly verb: string;
  readonly more?: string[];
  readonly leaves: [string, string][];
}[] = [
  {
    verb: 'hold',
    leaves: [
      [both[0] ?? '', 'deferred'],
      ['z1@example.net', 'held'],
    ],
  },
  {
    verb: 'remove',
    leaves: [
      [both[0] ?? '', 'deferred'],
      ['z1@example.net', 'removed'],
    ],
  },
  {
    verb: 'bounce',
    leaves: [
      [both[0] ?? '', 'deferred'],
      ['z1@example.net', 'bounced'],
    ],
  },
  {
    verb: 'redirect',
    more: ['--recipient', 'ok@example.com'],
    leaves: [
      [both[0] ?? '', 'deferred'],
      ['z1@example.net', 'redirected'],
      ['ok@example.com', 'deferred'],
    ],
  },
];
for (const { verb, more = [], leaves } of calls) {
  test(`queue ${verb} --to one recipient leaves the other of the message waiting, also after a kill`, async (t) => {
    const { relay, routes } = await withMessage(t);
    const done = await queue(relay, verb, '--to', 'z1@example.net', ...more);
    assert.equal(done.code, 0, done.err);
    await becomes(relay, leaves);
    // The folder as it is while the relay works, which is what a kill would leave.
    const copy = await testFolder(t);
    await cp(relay.folder, copy, { recursive: true, filter: (name) => !/control\.sock$|lock$/.test(name) });
    await relay.stop();
    await becomes(relay, leaves);
    await openRelay(t, { routes }, { folder: copy });
    await becomes({ folder: copy }, leaves);
  });
}

test('queue redirect --to one recipient: the other still gets the message, and the new one too', async (t) => {
  const { relay, sink, wake } = await withMessage(t);
  wake();
  const done = await queue(relay, 'redirect', '--to', 'z1@example.net', '--recipient', 'ok@example.com');
  assert.equal(done.code, 0, done.err);
  await relay.log.logged('delivered', { to: 'ok@example.com' });
  assert.equal((await queue(relay, 'flush', '--all')).code, 0);
  await relay.log.logged('delivered', { to: 'grey1@example.com' });
  await relay.log.logged('removed');
  assert.deepEqual(sink.messages.map(({ rcpts }) => rcpts).sort(), [
    ['grey1@example.com'],
    ['ok@example.com'],
  ]);
});

test('queue bounce --to one recipient tells the sender of that one only', async (t) => {
  const { relay, sink, wake } = await withMessage(t);
  wake();
  await queue(relay, 'bounce', '--to', 'example.net', '--because', 'gone');
  await relay.log.logged('delivered', { to: 'boss@origin.test' });
  const notice = sink.messages[0]?.octets.toString() ?? '';
  assert.match(notice, /^Final-Recipient: rfc822; ?z1@example\.net\r$/m);
  assert.doesNotMatch(notice, /grey1/);
});

test('queue flush --to and release --to try the recipient that is named and no other', async (t) => {
  for (const verb of ['flush', 'release']) {
    const { relay, sink, wake } = await withMessage(t);
    if (verb === 'release') await queue(relay, 'hold', '--all');
    wake();
    assert.equal((await queue(relay, verb, '--to', 'z1@example.net')).code, 0);
    await relay.log.logged('delivered', { to: 'z1@example.net' });
    await becomes(relay, [
      ['grey1@example.com', verb === 'flush' ? 'deferred' : 'held'],
      ['z1@example.net', 'delivered'],
    ]);
    assert.deepEqual(
      sink.messages.map(({ rcpts }) => rcpts),
      [['z1@example.net']],
    );
  }
});

test('--from and --to together mean the recipients of those senders only', async (t) => {
  const { relay } = await withMessage(t);
  await relay.send({ to: both, from: 'other@origin.test' });
  await relay.log.logged('deferred', { from: 'other@origin.test' }, 2);
  await recorded(relay);
  const done = await queue(relay, 'hold', '--from', 'other@origin.test', '--to', 'example.com');
  assert.equal(done.code, 0);
  assert.deepEqual(
    (await listed(relay)).map(([, status]) => status),
    ['deferred', 'deferred', 'held', 'deferred'],
  );
  await queue(relay, 'bounce', '--held');
  assert.deepEqual(
    (await listed(relay)).filter(([, status]) => status === 'bounced').length,
    1,
    '--held names the recipients that are held',
  );
});

test('an id with --to means that recipient of that message', async (t) => {
  const { relay } = await withMessage(t);
  const [id = ''] = JSON.parse(`[${(await queue(relay, 'list', '--json')).out}]`).map(
    (item: { id: string }) => item.id,
  );
  assert.equal((await queue(relay, 'remove', id, '--to', 'nobody@example.net')).code, 66);
  assert.equal((await queue(relay, 'remove', id, '--to', 'z1@example.net')).out, `${id}\n`);
  assert.deepEqual(
    (await listed(relay)).map(([, status]) => status),
    ['deferred', 'removed'],
  );
});

test('--whole means the whole message, and --dry-run says whom a change touches and leaves', async (t) => {
  const { relay } = await withMessage(t);
  const part = await queue(relay, 'remove', '--to', 'z1@example.net', '--dry-run');
  assert.match(part.out, /^\S+ would be removed: z1@example\.net; not touched: grey1@example\.com\n$/);
  const whole = await queue(relay, 'remove', '--to', 'z1@example.net', '--whole', '--dry-run', '--json');
  const { recipients, unnamed, left } = JSON.parse(whole.out);
  assert.deepEqual(
    { recipients, unnamed, left },
    { recipients: both, unnamed: ['grey1@example.com'], left: [] },
  );
  assert.deepEqual(
    (await listed(relay)).map(([, status]) => status),
    ['deferred', 'deferred'],
    'nothing is done',
  );
  assert.equal((await queue(relay, 'remove', '--to', 'z1@example.net', '--whole')).code, 0);
  assert.deepEqual(await listed(relay), []);
});

test('a terminal is asked before recipients are touched that were not named', async (t) => {
  const { relay } = await withMessage(t);
  const asked: string[] = [];
  const removeWhole = (answer: string, ...more: string[]) => {
    const io = fakeIo({
      isTerminal: { stdin: true, stdout: true, stderr: true },
      ask: async (prompt) => {
        asked.push(prompt);
        return answer;
      },
    });
    return run(['queue', 'remove', '--data', relay.folder, '--to', 'z1@example.net', ...more], io);
  };
  const refused = await removeWhole('', '--whole');
  assert.match(refused.err, /would be removed: grey1@example\.com, z1@example\.net\n/);
  assert.match(asked[0] ?? '', /^1 of these recipients you did not name/);
  assert.equal((await listed(relay)).length, 2);
  await removeWhole('no', '--whole', '--yes');
  assert.equal(asked.length, 1);
  assert.deepEqual(await listed(relay), []);
});
