/**
 * A mailing must not delay a single message to another destination. Time is counted in attempts: the number begun
 * between the acceptance of the message and its own.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Bench, type Mail, openBench, result } from './testing.ts';

const mailings: Readonly<Record<string, (i: number) => Mail>> = {
  'as 50 messages to 1000 recipients each at one destination': (i) => ({
    to: Array.from({ length: 1000 }, (_, n) => `u${i * 1000 + n}@big.test`),
    from: 'list@origin.test',
  }),
  'as 50 messages to 1000 destinations each': (i) => ({
    to: Array.from({ length: 1000 }, (_, n) => `u@d${i * 1000 + n}.test`),
    from: 'list@origin.test',
  }),
  'as 50,000 messages to one destination': (i) => ({ to: `u${i}@big.test`, from: 'list@origin.test' }),
  'as 50,000 messages to as many destinations': (i) => ({ to: `u@d${i}.test`, from: 'list@origin.test' }),
};

for (const [what, mail] of Object.entries(mailings)) {
  test(`a mailing to 50,000 ${what} delays no letter to another destination`, async () => {
    const bench = await openBench();
    // Every attempt takes a few turns, so that the mailing always has as many under way as it may.
    bench.deliver = async (attempt) => {
      for (let i = 0; i < 2; i++) await new Promise<void>((resolve) => setImmediate(resolve));
      return result(attempt);
    };
    const count = what.includes('50,000') ? 50_000 : 50;
    const sent: Promise<unknown>[] = [];
    const waits: number[] = [];
    for (let i = 0; i < count; i++) {
      sent.push(bench.send(mail(i)));
      if (i % (count / 50) !== 0) continue;
      waits.push(await letterWait(bench, waits.length));
      await bench.settle();
    }
    await Promise.all(sent);
    for (let i = 0; i < 20; i++) waits.push(await letterWait(bench, waits.length));
    assert.ok(bench.attempts.length > 0);
    // When every place is taken a single message has the next one, or the next but one when it is a mailing's turn.
    assert.ok(Math.max(...waits) <= 2, String(waits));
  });
}

let domains = 0;

/** The number of attempts at other mail that begin before that of a message sent now. */
async function letterWait(bench: Bench, n: number): Promise<number> {
  const to = `friend@person${domains++}.test`;
  await bench.send({ to, from: `person${n}@origin.test` });
  const before = bench.attempts.length;
  // It is begun in the turn in which it is accepted, or it has waited.
  const place = bench.attempts.findLastIndex(({ envelope }) => envelope.recipients[0]?.address.text === to);
  if (place >= 0) return 0;
  for (;;) {
    await bench.settle();
    const later = bench.attempts.findIndex(({ envelope }) => envelope.recipients[0]?.address.text === to);
    if (later >= 0) return later - before + 1;
  }
}

test('letters leave mailings a quarter of the turns, and mailings leave letters a quarter of the places', async () => {
  const bench = await openBench({ lanes: { total: 8, concurrency: 20 } });
  const kinds: string[] = [];
  bench.deliver = async (attempt) => {
    kinds.push(attempt.envelope.recipients.length > 1 ? 'mailing' : 'letter');
    await new Promise<void>((resolve) => setImmediate(resolve));
    return result(attempt);
  };
  const many = (lane: string) => Array.from({ length: 30 }, (_, n) => `u${n}@${lane}`);
  for (let i = 0; i < 8; i++) await bench.send({ to: many(`m${i}.test`), from: 'list@origin.test' });
  assert.equal(kinds.filter((kind) => kind === 'mailing').length, 6);
  const sends: Promise<unknown>[] = [];
  for (let i = 0; i < 400; i++) {
    sends.push(bench.send({ to: `u@l${i}.test`, from: `p${i}@origin.test` }));
    sends.push(bench.send({ to: many(`n${i}.test`), from: 'list@origin.test' }));
  }
  await Promise.all(sends);
  kinds.length = 0;
  while (kinds.length < 200) await bench.settle();
  const mailingShare = kinds.slice(0, 200).filter((kind) => kind === 'mailing').length / 200;
  assert.ok(mailingShare >= 0.2 && mailingShare <= 0.3, String(mailingShare));
});

test('with nothing else to do mailings have three quarters of the places, not more', async () => {
  const bench = await openBench({ lanes: { total: 8, concurrency: 20 } });
  bench.deliver = () => new Promise(() => {});
  for (let i = 0; i < 20; i++) {
    const to = Array.from({ length: 30 }, (_, n) => `u${n}@m${i}.test`);
    await bench.send({ to, from: 'list@origin.test' });
  }
  assert.equal(bench.active, 6);
});
