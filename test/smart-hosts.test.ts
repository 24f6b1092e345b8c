import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type LogFields, type ManualClock, manualClock } from '../src/base/index.ts';
import { type Sink, type SinkOptions, sinkCertificate, startSink } from '../src/delivery/testing.ts';
import { tokenEndpoint, tokenIn } from '../src/delivery/testing-bench.ts';
import { endings, type Keys, openRelay, type TestRelay, testFolder } from './support/relay.ts';

const minute = 60_000;
const stepMs = 5_000;

/** A relay on a clock of its own, whose postmaster is reached by a way of its own unless the keys say otherwise. */
async function openHouse(t: TestContext, keys: Keys, files: Readonly<Record<string, string>> = {}) {
  const folder = await testFolder(t);
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
  const clock = manualClock();
  const relay = await openRelay(t, keys, { clock, folder });
  return { relay, clock, begunAt: clock.now() };
}

async function sinkOf(t: TestContext, options: SinkOptions = {}): Promise<Sink> {
  return endings(t).use(await startSink(options));
}

/** Moves the clock in small steps, with time for sockets between them, until the condition holds. */
async function until(clock: ManualClock, what: string, isTrue: () => boolean, maxMs = 3 * 60 * minute) {
  for (let passed = 0; !isTrue(); passed += stepMs) {
    assert.ok(passed < maxMs, `waited in vain for ${what}`);
    clock.advance(stepMs);
    for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
    // A busy machine needs a moment for a socket, too: else the clock runs away from what it is to time.
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

/** The first alarm of the kind, and how long after `begunAt` it came. */
async function alarmOf(
  { relay, clock, begunAt }: { relay: TestRelay; clock: ManualClock; begunAt: number },
  kind: string,
): Promise<{ readonly alarm: LogFields; readonly afterMs: number }> {
  const found = () => relay.log.lines.find((line) => line.event === 'alarm' && line.kind === kind);
  await until(clock, `an alarm ${kind}`, () => found() !== undefined);
  return { alarm: found() ?? {}, afterMs: clock.now() - begunAt };
}

const says = (verb: string, text: string): SinkOptions => ({
  answer: (command) => (command.startsWith(verb) ? text : undefined),
});

test('a smart host that accepts and then fails: mail goes by the next one, and the postmaster hears of it', async (t) => {
  const bad = await sinkOf(t, says('.', '451 4.3.0 later'));
  const good = await sinkOf(t);
  const keeper = await sinkOf(t);
  const house = await openHouse(t, {
    routes: [
      { to: 'relay.test', via: `smtp://127.0.0.1:${keeper.port}` },
      { via: [`smtp://127.0.0.1:${bad.port}`, `smtp://127.0.0.1:${good.port}`] },
    ],
    delivery: { messagesPerSession: 1 },
  });
  for (let i = 1; i <= 4; i++) {
    await house.relay.send({ to: `u${i}@x.test` });
    await house.relay.log.logged('delivered', {}, i);
  }
  assert.equal(good.messages.length, 4);
  assert.equal(bad.sessions, 3, 'it is avoided');
  const { alarm, afterMs } = await alarmOf(house, 'host-failing');
  assert.equal(alarm.subject, `127.0.0.1:${bad.port}`);
  assert.match(String(alarm.because), /451 4\.3\.0 later/);
  assert.ok(afterMs >= 30 * minute && afterMs <= 30 * minute + 20_000, String(afterMs));
  await until(house.clock, 'the letter', () => keeper.messages.length > 0);
  assert.match(
    keeper.messages[0]?.octets.toString() ?? '',
    /Subject: relay\.test: host-failing: 127\.0\.0\.1/,
  );
});

test('a smart host that times out, alone: the alarm is in log and status, for no letter could go; then all is well', async (t) => {
  let isWell = false;
  const sink = await sinkOf(t, {
    answer: (command) => (command === 'CONNECT' && !isWell ? 'silence' : undefined),
  });
  const house = await openHouse(t, { routes: [{ via: `smtp://127.0.0.1:${sink.port}` }] });
  const { relay, clock } = house;
  for (let i = 1; i <= 3; i++) await relay.send({ to: `u${i}@x.test` });
  const { alarm, afterMs } = await alarmOf(house, 'route-failing');
  assert.equal(alarm.subject, `smtp:127.0.0.1:${sink.port}`);
  assert.equal(alarm.waiting, '3');
  const [letter] = await relay.log.logged('alarm-notice');
  assert.equal(letter?.because, 'not sent: it would go by a way that fails');
  // The first failure is the time-out of the greeting, after 5 minutes.
  assert.ok(afterMs >= 35 * minute && afterMs <= 35 * minute + 30_000, String(afterMs));
  const status = await relay.control.status();
  const [told, ...more] = status.alarms ?? [];
  assert.equal(told?.kind, 'route-failing');
  assert.deepEqual(more, []);
  isWell = true;
  await until(clock, 'the mail', () => sink.messages.length === 3);
  const over = () => relay.log.lines.filter(({ event }) => event === 'alarm-over');
  await until(clock, 'the end of the alarm', () => over().length > 0);
  assert.equal(relay.log.lines.filter(({ event }) => event === 'alarm').length, 1);
});

test('a token that cannot be renewed: the alarm comes before mail stops, again when it does, and the fallback carries on', async (t) => {
  const endpoint = await tokenEndpoint(t);
  const smart = await sinkOf(t, {
    tls: 'starttls',
    keywords: ['AUTH OAUTHBEARER'],
    answer: (command) =>
      command.startsWith('AUTH') && tokenIn(command) !== 't1' ? '535 5.7.8 expired' : undefined,
  });
  const spare = await sinkOf(t);
  const keeper = await sinkOf(t);
  const oauth = {
    tokenUrl: endpoint.url,
    grant: 'refresh-token',
    clientId: 'relay',
    refreshToken: { file: 'refresh' },
  };
  const route = {
    via: `smtp://me@localhost:${smart.port}`,
    fallback: `smtp://127.0.0.1:${spare.port}`,
    oauth,
    verify: false,
    addresses: 'ipv4',
  };
  const routes = [{ to: 'relay.test', via: `smtp://127.0.0.1:${keeper.port}` }, route];
  const house = await openHouse(t, { routes }, { refresh: 'r1\n' });
  const { relay, clock } = house;
  await relay.send({ to: 'u1@x.test' });
  await relay.log.logged('delivered');
  endpoint.refusal = { status: 400, body: { error: 'invalid_grant' } };
  const before = await alarmOf(house, 'token');
  assert.ok(before.afterMs >= 45 * minute && before.afterMs <= 45 * minute + 20_000, String(before.afterMs));
  assert.match(String(before.alarm.because), /invalid_grant; mail goes on until/);
  await relay.send({ to: 'u2@x.test' });
  await relay.log.logged('delivered', { to: 'u2@x.test' });
  assert.equal(smart.messages.length, 2, 'the token is still valid');
  const after = await alarmOf(house, 'token-expired');
  assert.ok(after.afterMs >= 60 * minute && after.afterMs <= 60 * minute + 20_000, String(after.afterMs));
  await relay.send({ to: 'u3@x.test' });
  await relay.log.logged('delivered', { to: 'u3@x.test' });
  assert.deepEqual([smart.messages.length, spare.messages.length], [2, 1]);
  await until(clock, 'the letters', () => keeper.messages.length >= 2);
  const log = JSON.stringify(relay.log.lines);
  assert.ok(!log.includes('"r1') && !log.includes('t1"'), 'a secret is in the log');
});

test('a smart host with a certificate for another name does not get the mail; the next one does', async (t) => {
  const [wrong, right] = [await sinkOf(t, { tls: 'starttls' }), await sinkOf(t)];
  const house = await openHouse(
    t,
    {
      routes: [
        {
          via: `smtp://localhost:${wrong.port}`,
          fallback: `smtp://127.0.0.1:${right.port}`,
          ca: 'ca.pem',
          fingerprint: `sha256:${'a'.repeat(64)}`,
          addresses: 'ipv4',
        },
      ],
    },
    { 'ca.pem': sinkCertificate },
  );
  await house.relay.send({ to: 'u@x.test' });
  const [line] = await house.relay.log.logged('host-failed');
  assert.match(String(line?.because), /another one: its fingerprint is sha256:[0-9a-f]{64}/);
  assert.equal(wrong.messages.length, 0);
});

test('credentials of a sender are not for whoever claims to be that sender', async (t) => {
  const shop = await sinkOf(t, { tls: 'implicit', keywords: ['AUTH PLAIN'] });
  const plain = await sinkOf(t);
  const own = {
    from: '*@shop.test',
    via: `smtps://shop@localhost:${shop.port}`,
    password: { file: 'secret' },
    verify: false,
    addresses: 'ipv4',
  };
  const rest = { via: `smtp://127.0.0.1:${plain.port}` };
  const { relay } = await openHouse(t, { routes: [own, rest] }, { secret: 'x' });
  await relay.send({ from: 'a@shop.test', to: 'u@x.test' });
  await relay.log.logged('delivered');
  assert.deepEqual([shop.messages.length, plain.messages.length], [0, 1]);
  await relay.log.logged('route-passed-over', { from: 'a@shop.test', ground: 'network' });
  await relay.log.logged('config-warning', { path: 'routes[0].from' });
});
