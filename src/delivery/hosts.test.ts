import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FakeZone } from '../dns/testing.ts';
import { attemptFor } from './testing.ts';
import { bench, deadPort, fates, mxOf, never, only, sinkFor, text, to } from './testing-bench.ts';

test('the best exchanger is used, and the next when it does not take connections', async (t) => {
  const mx = await mxOf(t, {});
  const b = await bench(t, mx.options, mx.zone);
  await b.send(to);
  assert.equal(mx.a.messages.length, 1);
  await mx.a[Symbol.asyncDispose]();
  b.clock.advance(20_000);
  const result = await b.send(to);
  assert.deepEqual(fates(result), ['delivered 250 0.0']);
  assert.equal(only(result).relay, `b.test[127.0.0.2]:${mx.a.port}`);
  assert.deepEqual(result.health, { kind: 'alive' });
});

test('4yz and 5yz at greeting or EHLO go to the next host', async (t) => {
  for (const [at, said] of [
    ['CONNECT', '554 5.7.1 go away'],
    ['CONNECT', '421 4.3.2 busy'],
    ['CONNECT', 'drop'],
    ['EHLO', '421 4.3.2 busy'],
  ] as const) {
    const mx = await mxOf(t, { answer: (command) => (command.startsWith(at) ? said : undefined) });
    const b = await bench(t, mx.options, mx.zone);
    assert.deepEqual(fates(await b.send(to)), ['delivered 250 0.0'], `${at} ${said}`);
    assert.equal(mx.b.messages.length, 1);
  }
});

test('a refusal for good by every host is permanent, by some it is not', async (t) => {
  const no = { answer: (command: string) => (command === 'CONNECT' ? '521 5.3.2 no mail here' : undefined) };
  const later = { answer: (command: string) => (command === 'CONNECT' ? '421 4.3.2 busy' : undefined) };
  const all = await mxOf(t, no, no);
  assert.deepEqual(fates(await (await bench(t, all.options, all.zone)).send(to)), ['failed 521 3.2']);
  for (const [first, second] of [
    [no, later],
    [later, no],
  ] as const) {
    const some = await mxOf(t, first, second);
    const result = await (await bench(t, some.options, some.zone)).send(to);
    assert.deepEqual(fates(result), ['pending 421 3.2']);
    assert.equal(result.health.kind, 'throttled');
  }
});

test('5yz in the transaction is not taken to the next host, 4yz is', async (t) => {
  const answer = (command: string) =>
    command.includes('<no@') ? '550 5.1.1 no' : command.includes('<later@') ? '450 4.2.1 later' : undefined;
  const mx = await mxOf(t, { answer });
  const b = await bench(t, mx.options, mx.zone);
  const result = await b.send(['no@dest.test', 'later@dest.test', 'yes@dest.test']);
  assert.deepEqual(fates(result), ['failed 550 1.1', 'delivered 250 0.0', 'delivered 250 0.0']);
  assert.deepEqual(mx.b.messages[0]?.rcpts, ['later@dest.test']);
});

test('no more sessions are opened than the limit', async (t) => {
  const answer = (command: string) => (command.startsWith('RCPT') ? '450 4.2.1 later' : undefined);
  const mx = await mxOf(t, { answer }, { answer });
  const b = await bench(t, { ...mx.options, limits: { sessions: 1 } }, mx.zone);
  assert.deepEqual(fates(await b.send(to)), ['pending 450 2.1']);
  assert.equal(mx.b.sessions, 0);
});

test('a message whose end was in doubt is not sent to another host', async (t) => {
  const mx = await mxOf(t, { answer: (command) => (command === '.' ? 'drop' : undefined) });
  const b = await bench(t, mx.options, mx.zone);
  assert.deepEqual(fates(await b.send(to)), ['pending 451 4.2']);
  assert.equal(mx.b.sessions, 0);
});

test('smart hosts are tried in order, and one that failed is tried last for a while', async (t) => {
  const dead = await deadPort();
  const second = await sinkFor(t);
  const via = [`smtp://127.0.0.1:${dead}`, `smtp://127.0.0.1:${second.port}`];
  const limits = { messagesPerSession: 1, avoidMs: 60_000 };
  const b = await bench(t, { routes: [{ via }], limits });
  assert.deepEqual(fates(await b.send(to)), ['delivered 250 0.0']);
  const first = await sinkFor(t, { port: dead });
  await b.send(to);
  assert.equal(first.messages.length, 0, 'still avoided');
  b.clock.advance(60_000);
  await b.send(to);
  assert.equal(first.messages.length, 1, 'tried again');
});

test('errors of the DNS become statuses', async (t) => {
  const zone: FakeZone = { 'null.test': { MX: [[0, '.']] }, 'broken.test': { fault: 'servfail' } };
  const b = await bench(t, {}, zone);
  assert.deepEqual(fates(await b.send(['a@null.test'])), ['failed 556 1.10']);
  assert.deepEqual(fates(await b.send(['a@gone.test'])), ['failed 550 1.2']);
  const result = await b.send(['a@broken.test']);
  assert.deepEqual(fates(result), ['pending 451 4.3']);
  assert.equal(result.health.kind, 'unavailable');
});

test('octets that cannot be read are our fault: transient, and no other host is tried', async (t) => {
  const mx = await mxOf(t, {});
  const b = await bench(t, mx.options, mx.zone);
  const attempt = attemptFor(text, to, { lane: 'mx:dest.test' });
  const octets = {
    size: 100,
    whole: undefined,
    async *chunks() {
      yield Buffer.from('Subject: x\r\n');
      throw new Error('disk on fire');
    },
  };
  const result = await b.delivery.deliver({ ...attempt, octets }, never);
  assert.deepEqual(fates(result), ['pending 451 3.0']);
  assert.equal(mx.a.messages.length + mx.b.messages.length, 0);
  assert.equal(mx.b.sessions, 0);
});
