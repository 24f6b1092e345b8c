import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseCidr } from '../base/index.ts';
import { defaultGuard, holdTag } from './index.ts';
import { envelope, guardBench, guardOptions, type Sending } from './testing.ts';

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;

const alice = (to: readonly string[], more: Partial<Sending> = {}): Sending => ({
  ground: 'authenticated',
  identity: 'alice',
  to,
  ...more,
});

function recipients(count: number, name = 'r'): string[] {
  return Array.from({ length: count }, (_, n) => `${name}${n}@there.example`);
}

test('the message that exceeds a budget and those that follow are kept, those before were not', () => {
  const { send, guard } = guardBench();
  const fates = recipients(45).map((to) => send(alice([to])));
  assert.deepEqual(fates, [...new Array(40).fill('pass'), ...new Array(5).fill('hold')]);
  const [hold] = guard.list();
  assert.equal(hold?.subject, 'identity:alice');
  assert.equal(hold?.because, 'more than 40 messages within 1m');
  assert.equal(hold?.messages, 5);
});

test('each budget holds by itself, and names what it counts', () => {
  const cases: [string, readonly Sending[], string][] = [
    ['messages', recipients(41).map((to) => alice([to])), 'more than 40 messages within 1m'],
    [
      'recipients',
      [alice([...recipients(250)]), alice(recipients(250)), alice(recipients(1))],
      'more than 500 recipients within 1h',
    ],
    ['new recipients', [alice(recipients(251))], 'more than 250 recipients not written to before within 1h'],
  ];
  for (const [name, sendings, because] of cases) {
    const { send, guard } = guardBench();
    const fates = sendings.map(send);
    assert.equal(fates.at(-1), 'hold', name);
    assert.ok(
      fates.slice(0, -1).every((fate) => fate === 'pass'),
      name,
    );
    assert.equal(guard.list()[0]?.because, because);
  }
});

test('failed recipients hold the subject, and a stranger who only guesses is not counted', () => {
  const { send, guard } = guardBench();
  const origin = { ground: 'authenticated', identity: 'alice', client: '192.0.2.1' };
  guard.failed(origin, 50);
  assert.equal(send(alice(['r@there.example'])), 'pass');
  guard.failed(origin, 1);
  assert.equal(guard.list()[0]?.because, 'more than 50 recipients that do not exist within 1h');
  assert.equal(send(alice(['r@there.example'])), 'hold');
  const stranger = { ground: 'open', client: '198.51.100.1' };
  guard.failed(stranger, 1000);
  assert.equal(guard.list().length, 1);
  assert.equal(send({ ...stranger, to: ['r@there.example'] }), 'pass');
  guard.failed(stranger, 51);
  assert.equal(guard.list().length, 2);
});

test('verdicts from elsewhere count against a budget of their own', () => {
  const { send, guard, log } = guardBench();
  for (let n = 0; n < 20; n++) guard.report('identity:alice', 'bulk');
  assert.equal(send(alice(['r@there.example'])), 'pass');
  guard.report('identity:alice', 'bulk');
  assert.equal(send(alice(['r@there.example'])), 'hold');
  assert.equal(guard.list()[0]?.because, 'more than 20 verdicts of abuse within 1h');
  assert.equal(log.lines.filter(({ event }) => event === 'guard-reported').length, 21);
});

test('an identity is one subject from all its addresses, and an IPv6 client is its /64', () => {
  const { send } = guardBench();
  for (let n = 0; n < 40; n++) send(alice([`r${n}@there.example`], { client: `192.0.2.${n}` }));
  assert.equal(send(alice(['x@there.example'], { client: '198.51.100.9' })), 'hold');
  const open = (client: string): Sending => ({ ground: 'open', client, to: ['r@there.example'] });
  for (let n = 0; n < 40; n++) assert.equal(send(open(`2001:db8:0:7::${n + 1}`)), 'pass');
  assert.equal(send(open('2001:db8:0:7:ffff::1')), 'hold');
  assert.equal(send(open('2001:db8:0:8::1')), 'pass');
  for (let n = 0; n < 40; n++) assert.equal(send(open('198.51.100.1')), 'pass');
  assert.equal(send(open('198.51.100.1')), 'hold');
  assert.equal(send(open('198.51.100.2')), 'pass');
});

test('what is for recipients of ours, from this machine or in a trap is not counted', () => {
  const { send, guard } = guardBench();
  for (const ground of ['recipient', 'local', 'trap']) {
    for (let n = 0; n < 500; n++) assert.equal(send({ ground, to: [`r${n}@there.example`] }), 'pass', ground);
  }
  assert.equal(guard.list().length, 0);
  for (const ground of ['local', 'trap']) {
    for (let n = 0; n < 100; n++)
      assert.equal(send({ ground, identity: 'alice', to: ['r@x.example'] }), 'pass');
  }
  // A user who spams colleagues is held like any other.
  for (let n = 0; n < 40; n++) send({ ground: 'recipient', identity: 'alice', to: ['r@here.example'] });
  assert.equal(send({ ground: 'recipient', identity: 'alice', to: ['r@here.example'] }), 'hold');
});

test('a trusted network has budgets of its own, and none on loopback or where it is excepted', () => {
  const networks = ['10.2.0.0/16'].flatMap((text) => parseCidr(text) ?? []);
  const tight = { ...defaultGuard.identity.budgets, messages: [{ max: 3, periodMs: minuteMs }] };
  const { send } = guardBench({ network: { budgets: tight, quietMs: 0, except: networks } });
  const fates = (client: string) =>
    [1, 2, 3, 4].map(() => send({ ground: 'network', client, to: ['r@t.example'] }));
  assert.deepEqual(fates('10.1.0.1'), ['pass', 'pass', 'pass', 'hold']);
  assert.deepEqual(fates('10.2.0.1'), ['pass', 'pass', 'pass', 'pass']);
  assert.deepEqual(fates('127.0.0.1'), ['pass', 'pass', 'pass', 'pass']);
  assert.deepEqual(
    [1, 2, 3, 4].map(() =>
      guardBench().send({ ground: 'network', client: '10.1.0.1', to: recipients(1000) }),
    ),
    ['pass', 'pass', 'pass', 'pass'],
  );
});

test('an open relay is counted on loopback too, and neither configuration nor allowance turns that off', async () => {
  const none = { messages: [], recipients: [], newRecipients: [], failedRecipients: [], reports: [] };
  const { send, guard } = guardBench({ address: { budgets: none, quietMs: 0 } });
  await guard.allow('address:127.0.0.1', Number.MAX_SAFE_INTEGER);
  let passed = 0;
  while (passed < 10_000 && send({ ground: 'open', client: '127.0.0.1', to: ['r@there.example'] }) === 'pass')
    passed++;
  assert.equal(passed, 3000);
});

test('an allowed identity has no budgets until the time is over or it is taken back', async () => {
  const { send, guard, clock } = guardBench();
  await guard.allow('identity:alice', clock.now() + hourMs);
  const burst = () => recipients(60).map((to) => send(alice([to])));
  assert.ok(burst().every((fate) => fate === 'pass'));
  assert.equal(guard.allowances()[0]?.subject, 'identity:alice');
  clock.advance(hourMs);
  assert.equal(guard.allowances().length, 0);
  assert.equal(burst().filter((fate) => fate === 'pass').length, 40);
});

test('a period slides: as much as it allows passes again when it is over, and never more within it', () => {
  const { send, clock } = guardBench();
  let passed = 0;
  for (let n = 0; n < 30; n++) {
    assert.equal(send(alice(['r@there.example'])), 'pass');
    clock.advance(2000);
    passed++;
  }
  assert.equal(passed, 30);
  for (let n = 0; n < 10; n++) assert.equal(send(alice(['r@there.example'])), 'pass');
});

test('a clock that steps back neither forgets nor fails', () => {
  let at = 1_800_000_000_000;
  const clock = { now: () => at, after: () => () => {}, advance: () => {} };
  const { send } = guardBench({}, { clock });
  for (let n = 0; n < 20; n++) send(alice(['r@there.example']));
  at -= 10 * hourMs;
  for (let n = 0; n < 20; n++) assert.equal(send(alice(['r@there.example'])), 'pass');
  assert.equal(send(alice(['r@there.example'])), 'hold');
});

test('recipients that were written to before are not new, in whatever case they are written', () => {
  const { send, clock } = guardBench();
  assert.equal(send(alice(recipients(200))), 'pass');
  clock.advance(2 * hourMs);
  const again = recipients(200).map((to) => to.toUpperCase());
  assert.equal(send(alice(again)), 'pass');
  clock.advance(2 * hourMs);
  assert.equal(send(alice(recipients(200, 's'))), 'pass');
  clock.advance(2 * hourMs);
  // 400 of the 500 new ones of a day are used; the old ones cost nothing.
  assert.equal(send(alice(recipients(200))), 'pass');
  clock.advance(2 * hourMs);
  assert.equal(send(alice(recipients(101, 't'))), 'hold');
});

test('a hold survives a restart, and its subject stays held', () => {
  const first = guardBench();
  for (let n = 0; n < 41; n++) first.send(alice([`r${n}@there.example`]));
  const again = guardBench({}, { memory: first.memory, clock: first.clock });
  again.clock.advance(30 * 24 * hourMs);
  assert.equal(again.send(alice(['r@there.example'])), 'hold');
  assert.equal(again.guard.list()[0]?.id, first.guard.list()[0]?.id);
});

test('a hold of an address ends when it was quiet for so long; what is kept stays', async () => {
  const { send, guard, clock, background } = guardBench();
  const open: Sending = { ground: 'open', client: '198.51.100.1', to: ['r@there.example'] };
  for (let n = 0; n < 41; n++) send(open);
  clock.advance(5 * hourMs);
  assert.equal(send(open), 'hold');
  clock.advance(6 * hourMs - 1);
  assert.equal(guard.list()[0]?.state, 'holding');
  clock.advance(1);
  assert.equal(guard.list()[0]?.state, 'ended');
  assert.equal(send(open), 'pass');
  await background.drain();
  assert.equal(guard.list()[0]?.messages, 2);
});

test('a release lets everything go, and the subject begins afresh', async () => {
  const { send, guard, asked, log, memory } = guardBench();
  for (let n = 0; n < 45; n++) send(alice([`r${n}@there.example`]));
  const id = guard.list()[0]?.id ?? '';
  assert.equal(await guard.release(id), 5);
  assert.equal(asked.at(-1), `release ${holdTag(id)}`);
  assert.deepEqual(guard.list(), []);
  assert.deepEqual([...memory.rows], []);
  assert.equal(log.lines.filter(({ event }) => event === 'guard-released').length, 1);
  assert.equal(send(alice(['r@there.example'])), 'pass');
  assert.equal(await guard.release(id), undefined);
});

test('a removal leaves the subject held; a release then ends that', async () => {
  const { send, guard } = guardBench();
  for (let n = 0; n < 45; n++) send(alice([`r${n}@there.example`]));
  const id = guard.list()[0]?.id ?? '';
  assert.equal(await guard.remove(id), 5);
  assert.equal(guard.list()[0]?.messages, 0);
  assert.equal(send(alice(['r@there.example'])), 'hold');
  assert.equal(await guard.release(id), 1);
  assert.equal(send(alice(['r@there.example'])), 'pass');
});

test('a release waits for a message that is on its way under the hold', async () => {
  const { send, guard, asked } = guardBench();
  for (let n = 0; n < 40; n++) send(alice([`r${n}@there.example`]));
  const judged = guard.judge(envelope(alice(['late@there.example'])));
  assert.equal(judged.kind, 'hold');
  const released = guard.release(guard.list()[0]?.id ?? '');
  await new Promise((resolve) => setImmediate(resolve));
  assert.ok(!asked.some((what) => what.startsWith('release')));
  if (judged.kind === 'hold') judged.end();
  await released;
  assert.ok(asked.some((what) => what.startsWith('release')));
});

test('a release that a crash cut off goes on at the next start', async () => {
  const first = guardBench();
  for (let n = 0; n < 41; n++) first.send(alice([`r${n}@there.example`]));
  const id = first.guard.list()[0]?.id ?? '';
  // The decision is on disk; then the process dies before any message has gone.
  const record = first.memory.rows.get(`hold:${id}`);
  assert.ok(typeof record === 'object');
  first.memory.rows.set(`hold:${id}`, { ...record, state: 'releasing' });
  const again = guardBench({}, { memory: first.memory, clock: first.clock });
  assert.equal(again.send(alice(['r@there.example'])), 'pass');
  again.guard.start();
  await again.background.drain();
  assert.deepEqual(again.asked, [`release ${holdTag(id)}`]);
  assert.deepEqual(again.guard.list(), []);
});

test('a removal that a crash cut off goes on at the next start, and two decisions never mix', async () => {
  const first = guardBench();
  for (let n = 0; n < 41; n++) first.send(alice([`r${n}@there.example`]));
  const id = first.guard.list()[0]?.id ?? '';
  const [removed, twice, released] = await Promise.all([
    first.guard.remove(id),
    first.guard.remove(id),
    first.guard.release(id),
  ]);
  assert.deepEqual([removed, twice, released], [1, 1, 0]);
  assert.deepEqual(first.guard.list(), []);
  assert.deepEqual([...first.memory.rows.keys()], []);
});

test('nothing is kept under a hold that could not be written, and the next message tries again', async () => {
  const { guard, memory } = guardBench();
  for (let n = 0; n < 40; n++) guard.judge(envelope(alice([`r${n}@there.example`])));
  memory.fault = new Error('the disk is full');
  const judged = guard.judge(envelope(alice(['r@there.example'])));
  assert.equal(judged.kind, 'hold');
  if (judged.kind === 'hold') await assert.rejects(judged.durable, /full/);
  memory.fault = undefined;
  const next = guard.judge(envelope(alice(['r@there.example'])));
  assert.equal(next.kind, 'hold');
  if (next.kind === 'hold') await next.durable;
  assert.equal(memory.rows.size, 1);
});

test('beyond its bounds a hold keeps nothing more, and says so already at MAIL', () => {
  const { send, guard } = guardBench({ held: { ...defaultGuard.held, messages: 3 } });
  const origin = { ground: 'authenticated', identity: 'alice', client: '192.0.2.1' };
  const fates = recipients(45).map((to) => send(alice([to])));
  assert.deepEqual(fates.slice(40), ['hold', 'hold', 'hold', 'refuse', 'refuse']);
  assert.equal(guard.refusal(origin)?.code, 452);
  assert.equal(guard.refusal(origin)?.detail, '7.1');
  assert.equal(guard.refusal({ ...origin, identity: 'bob' }), undefined);
  assert.equal(guard.list()[0]?.isFull, true);
});

test('octets bound a hold, and all holds together', () => {
  const bounds = { messages: 1000, octets: 2500, totalOctets: 4000 };
  const { send } = guardBench({ held: bounds });
  const flood = (identity: string) =>
    recipients(45).map((to) => send({ ground: 'authenticated', identity, to: [to], size: 1000 }));
  assert.equal(flood('alice').filter((fate) => fate === 'hold').length, 3);
  assert.equal(flood('bob').filter((fate) => fate === 'hold').length, 1);
});

test('postmaster and owner are told once of each hold', () => {
  const { send, told } = guardBench();
  for (let n = 0; n < 100; n++) send(alice([`r${n}@there.example`]));
  assert.equal(told.length, 1);
});

test('other budgets after a reload begin afresh, and holds stay', () => {
  const { send, guard } = guardBench();
  for (let n = 0; n < 41; n++) send(alice([`r${n}@there.example`]));
  const bob = (n: number): Sending => ({
    ground: 'authenticated',
    identity: 'bob',
    to: [`r${n}@there.example`],
  });
  for (let n = 0; n < 10; n++) send(bob(n));
  const tight = { ...defaultGuard.identity.budgets, messages: [{ max: 5, periodMs: minuteMs }] };
  guard.reload(guardOptions({ identity: { budgets: tight, quietMs: 0 } }));
  assert.equal(send(alice(['r@there.example'])), 'hold');
  assert.deepEqual(
    [1, 2, 3, 4, 5, 6].map((n) => send(bob(n))),
    [...new Array(5).fill('pass'), 'hold'],
  );
});

test('many subjects are forgotten one after the other, the quietest first', () => {
  const { send } = guardBench();
  const open = (n: number): Sending => ({
    ground: 'open',
    client: `198.${n >> 16}.${(n >> 8) & 255}.${n & 255}`,
    to: ['r@there.example'],
  });
  for (let n = 0; n < 39; n++) send(open(0));
  for (let n = 1; n < 19_000; n++) send(open(n));
  assert.equal(send(open(0)), 'pass');
  for (let n = 19_000; n < 38_000; n++) send(open(n));
  assert.equal(send(open(0)), 'hold', 'used again, it was not the quietest');
});
