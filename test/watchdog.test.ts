import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { Background, type ManualClock, manualClock, memoryLog } from '../src/base/index.ts';
import { loadConfig } from '../src/config/index.ts';
import { createDelivery } from '../src/delivery/index.ts';
import { createResolver } from '../src/dns/index.ts';
import { RouteWatch, Watchdog } from '../src/guard/index.ts';
import type { LocalParts } from '../src/local-mail/index.ts';
import { type Envelope, laneName, parseMailbox, type RecipientStatus, reply } from '../src/mail/index.ts';
import { sendAlarmNotice } from '../src/notices/index.ts';
import type { Suspension } from '../src/queue/index.ts';
import { type NewLaneEntry, openMemorySpool } from '../src/spool/index.ts';

const minute = 60_000;
const hour = 60 * minute;
const lane = 'smtp:127.0.0.1:1';

const text = `
hostname: relay.test
postmaster: keeper@relay.test
routes: { to: "*", via: "smtp://127.0.0.1:1" }
`;

/** A watchdog over a spool that nobody works on. */
async function kennel(t: TestContext) {
  const loaded = loadConfig(text, { file: '/c.yaml' });
  assert.ok(loaded.ok);
  const { config } = loaded;
  const clock = manualClock();
  const log = memoryLog();
  const spool = await openMemorySpool({ clock });
  const resolver = createResolver({ servers: ['127.0.0.1:1'] });
  const delivery = createDelivery({ hostname: 'relay.test', routes: config.routes }, { resolver, clock });
  const suspensions = new Map<string, Suspension>();
  const routeWatch = new RouteWatch(clock);
  const background = new Background(log);
  const local: LocalParts = {
    clock,
    log,
    hostname: () => config.hostname,
    maxMessageBytes: () => 1e6,
    destinationOf: async (to) => ({ kind: 'known', to: [to] }),
    isOurs: () => false,
    intake: {
      refusal: () => reply(452, '3.1', 'no room'),
      begin: () => {
        throw new Error('not begun');
      },
    },
  };
  const watchdog = new Watchdog({
    spool,
    queue: { suspension: (name) => suspensions.get(name), options: config.queue },
    delivery,
    routeWatch,
    clock,
    log,
    background,
    options: () => config.alarms,
    write: (alarm, alarms) => sendAlarmNotice({ local, delivery, config: () => config }, alarm, alarms),
  });
  watchdog.start();
  t.after(async () => {
    await watchdog[Symbol.asyncDispose]();
    await delivery[Symbol.asyncDispose]();
    await resolver[Symbol.asyncDispose]();
  });
  const put = async (entry: Partial<NewLaneEntry>) => {
    await using draft = spool.begin();
    await draft.write(Buffer.from('Subject: x\r\n\r\n'));
    return draft.commit(envelopeAt(clock.now()), [
      { lane: laneName(lane), recipients: 'all', attempts: 0, dueAt: clock.now(), ...entry },
    ]);
  };
  const told = () => log.lines.flatMap(({ event, fields }) => (event === 'alarm' ? [fields] : []));
  return { clock, log, spool, suspensions, routeWatch, watchdog, background, put, told };
}

function envelopeAt(receivedAt: number): Envelope {
  const address = parseMailbox('u@x.test', { smtputf8: false });
  assert.ok(address);
  return {
    reversePath: null,
    recipients: [{ address }],
    body: '7bit',
    smtputf8: false,
    content: { size: 14, hasEightBit: false, hasLeadingDot: false, endsWithCrlf: true, isBinary: false },
    origin: { client: '127.0.0.1', helo: 'h', listener: 'l', ground: 'local', session: 's' },
    receivedAt,
  };
}

/** Moves the clock, letting the watchdog look each time it wants to. */
async function pass(house: { clock: ManualClock; background: Background }, ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 10_000) {
    house.clock.advance(10_000);
    await house.background.drain();
    // The next look is ordered behind the end of this one.
    await new Promise((resolve) => setImmediate(resolve));
  }
}

test('mail that nobody tries is an alarm an hour after it was due, and over once it has moved', async (t) => {
  const house = await kennel(t);
  const id = await house.put({});
  await pass(house, hour - 10_000);
  assert.deepEqual(house.told(), []);
  // The spool is looked through every ten minutes.
  await pass(house, 10 * minute + 20_000);
  const [alarm, ...more] = house.told();
  assert.equal(more.length, 0);
  assert.equal(alarm?.kind, 'stuck');
  assert.match(String(alarm.because), new RegExp(`${id}: it was due at .* in smtp:127`));
  const notice = house.log.lines.find(({ event }) => event === 'alarm-notice');
  assert.equal(notice?.fields.because, 'not sent: it would go by a way that fails');
  await house.spool.update([{ kind: 'remove', id }]);
  await pass(house, 40 * minute);
  assert.ok(house.log.lines.some(({ event }) => event === 'alarm-over'));
  assert.deepEqual(house.watchdog.alarms, []);
});

test('mail of a destination that is left alone for longer is not stuck: it is planned', async (t) => {
  const house = await kennel(t);
  const until = house.clock.now() + 2 * hour;
  house.suspensions.set(lane, { kind: 'suspended', until, because: reply(451, '4.1', 'down') });
  await house.put({});
  await pass(house, 2 * hour);
  assert.deepEqual(house.told(), []);
});

test('held mail is counted and told of by its age, and is not stuck', async (t) => {
  const house = await kennel(t);
  await house.put({ held: 'by hand' });
  await pass(house, 2 * hour);
  assert.equal(house.watchdog.held.count, 1);
  assert.deepEqual(house.told(), []);
  await pass(house, 23 * hour);
  assert.deepEqual(
    house.told().map(({ kind }) => kind),
    ['held'],
  );
});

test('thousands of messages are looked at in slices, and are one alarm', async (t) => {
  const house = await kennel(t);
  for (let i = 0; i < 12_000; i++) await house.put({});
  await pass(house, hour + 11 * minute);
  const [alarm, ...more] = house.told();
  assert.equal(alarm?.waiting, '12000');
  assert.equal(more.length, 0);
});

test('a failing route says how much waits for it', async (t) => {
  const house = await kennel(t);
  const id = await house.put({ dueAt: house.clock.now() + hour });
  const status = { status: 'pending', at: 0, reply: reply(421, '3.2', 'busy') } satisfies RecipientStatus;
  house.routeWatch.note({ id, lane: laneName(lane), statuses: new Map([[0, status]]), isUnavailable: true });
  await pass(house, 30 * minute);
  const [alarm] = house.told();
  assert.equal(alarm?.kind, 'route-failing');
  assert.equal(alarm.waiting, '1');
  assert.match(String(alarm.because), /421 4\.3\.2 busy/);
});
