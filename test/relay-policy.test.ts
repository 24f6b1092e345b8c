import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { startSink } from '../src/delivery/testing.ts';
import { openRelay, testFolder } from './support/relay.ts';

test('aliases, tags, postmaster and catch-all lead where they should, each recipient once', async (t) => {
  const folder = await testFolder(t);
  const aliases = join(folder, 'aliases');
  await writeFile(aliases, 'team: ann, bob, team\nops: ann@ours.test, out@elsewhere.test\n');
  const relay = await openRelay(t, {
    domains: { name: 'ours.test', deliver: 'capture', recipients: ['ann', 'bob'], aliases },
    routes: { to: '*', via: 'capture' },
    relay: { networks: [] },
  });
  const cases: [string, string[]][] = [
    ['team@ours.test', ['ann@ours.test', 'bob@ours.test', 'team@ours.test']],
    ['ops+night@ours.test', ['ann@ours.test', 'out@elsewhere.test']],
    ['Ann+list@ours.test', ['Ann+list@ours.test']],
    ['postmaster@ours.test', ['keeper@relay.test']],
    ['abuse@ours.test', ['keeper@relay.test']],
  ];
  for (const [to, expected] of cases) {
    const reply = await relay.send({ to });
    const queueId = / queued as (\S+)/.exec(reply)?.[1];
    assert.ok(queueId !== undefined, `${to}: ${reply}`);
    await relay.log.logged('removed', { queueId });
    const delivered = await relay.log.logged('delivered', { queueId });
    assert.deepEqual(delivered.map((line) => String(line.to)).sort(), expected, to);
  }
  assert.match(await relay.send({ to: 'nobody@ours.test' }), /^550 5\.1\.1 /);
  assert.match(await relay.send({ to: 'ann%elsewhere.test@ours.test' }), /^550 5\.7\.1 /);
});

test('a catch-all gets what nobody else does', async (t) => {
  const relay = await openRelay(t, {
    domains: { name: 'ours.test', deliver: 'capture', recipients: ['ann'], catchAll: 'rest@ours.test' },
    routes: { to: '*', via: 'capture' },
  });
  await relay.send({ to: 'whoever@ours.test' });
  await relay.log.logged('delivered', { to: 'rest@ours.test' });
});

test('recipients are verified at their destination once, and its answer counts', async (t) => {
  await using sink = await startSink({
    answer: (command) => {
      if (command.startsWith('RCPT TO:<no')) return '550 5.1.1 no such user';
      if (command.startsWith('RCPT TO:<busy')) return '451 4.2.1 busy';
      return undefined;
    },
  });
  const relay = await openRelay(t, {
    domains: { name: 'ours.test', deliver: `smtp://127.0.0.1:${sink.port}`, recipients: 'verify' },
    relay: { networks: [] },
    routes: { to: '*', via: 'capture' },
  });
  for (let i = 0; i < 3; i++) assert.match(await relay.send({ to: 'no@ours.test' }), /^550 5\.1\.1 /);
  const asked = sink.commands.filter((line) => line.includes('RCPT TO:<no'));
  assert.equal(asked.length, 1);
  assert.match(await relay.send({ to: 'busy@ours.test' }), /^450 4\.1\.1 /);
  assert.match(await relay.send({ to: 'ann@ours.test' }), /^250 /);
  await relay.log.logged('removed');
  assert.equal(sink.messages.length, 1);
});

test('a destination that cannot be asked defers its recipients', async (t) => {
  const sink = await startSink();
  const { port } = sink;
  await sink[Symbol.asyncDispose]();
  const relay = await openRelay(t, {
    domains: { name: 'ours.test', deliver: `smtp://127.0.0.1:${port}`, recipients: 'verify' },
    routes: { to: '*', via: 'capture' },
  });
  assert.match(await relay.send({ to: 'ann@ours.test' }), /^450 4\.1\.1 /);
});

test('a backend that answers about us instead of the recipient defers, and fills no catch-all', async (t) => {
  for (const [verb, text] of [
    ['MAIL', '550 5.7.1 no bounces here'],
    ['RCPT', '530 5.7.0 authentication required'],
    ['RCPT', '554 5.7.1 relay access denied'],
    ['RCPT', '503 5.5.1 bad sequence of commands'],
    ['EHLO', '550 5.1.1 go away'],
  ] as const) {
    await using sink = await startSink({
      answer: (command) => (/^HELO/.test(command) || command.startsWith(verb) ? text : undefined),
    });
    const relay = await openRelay(t, {
      domains: [
        { name: 'ours.test', deliver: `smtp://127.0.0.1:${sink.port}`, recipients: 'verify' },
        {
          name: 'caught.test',
          deliver: `smtp://127.0.0.1:${sink.port}`,
          recipients: 'verify',
          catchAll: 'rest@elsewhere.test',
        },
      ],
      relay: { networks: [] },
      routes: { to: '*', via: 'capture' },
    });
    for (const to of ['ann@ours.test', 'ann@caught.test', 'bob@ours.test'])
      assert.match(await relay.send({ to }), /^450 4\.1\.1 /, `${verb} ${text}`);
    const said = relay.log.lines.filter(({ event }) => event === 'callout-unanswered');
    assert.equal(said.length, 1, 'both domains are one destination, which says the same');
    assert.match(String(said[0]?.because), new RegExp(text.replaceAll('.', '\\.')));
    const { callouts = [] } = await relay.control.status();
    assert.deepEqual([callouts.length, callouts[0]?.count], [1, 3]);
  }
});
