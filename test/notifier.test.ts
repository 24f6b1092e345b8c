import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseDsn } from '../src/dsn/index.ts';
import type { RecipientStatus } from '../src/mail/index.ts';
import { createNotifier } from '../src/notices/index.ts';
import type { NotifyEvent } from '../src/queue/index.ts';
import {
  address,
  type Bench,
  fullError,
  gate,
  type Mail,
  openBench,
  statuses,
} from '../src/queue/testing.ts';

const settings = {
  hostname: 'relay.test',
  postmaster: address('keeper@relay.test'),
  maxReturnedBytes: 1000,
};

/** A message under way, and a notifier over the same spool whose `failing`th notification cannot be spooled. */
async function openNotifier(mail: Mail) {
  const bench = await openBench({ deliver: gate().deliver });
  const id = await bench.send(mail);
  await bench.settle();
  const envelope = bench.spool.envelope(id);
  const octets = bench.spool.octets(id);
  assert.ok(envelope !== undefined && octets !== undefined);
  let failing = 0;
  const { clock, log } = bench;
  const notify = createNotifier({
    spool: bench.parts.spool,
    clock,
    log,
    settings: () => settings,
    destinationOf: async (to) => ({ kind: 'known', to: [to] }),
    queue: () => ({
      accept: (...args) => {
        if (--failing === 0) throw fullError;
        return bench.queue.accept(...args);
      },
    }),
  });
  const event = { id, envelope, octets, retryUntil: clock.now() } satisfies Partial<NotifyEvent>;
  return { bench, id, notify, event, failAt: (count: number) => (failing = count) };
}

/** The actions of the notifications in the spool, each with its recipients. */
function notices(bench: Bench, about: string): string[] {
  return [...bench.spool.walk()].flatMap((id) => {
    const dsn = id === about ? undefined : parseDsn(bench.spool.octets(id)?.whole ?? Buffer.alloc(0));
    return dsn === undefined
      ? []
      : [dsn.recipients.map(({ action, finalRecipient }) => `${action} ${finalRecipient}`).join()];
  });
}

test('a fault between two notifications tells nothing twice when it is repeated', async () => {
  const mail = { to: ['bad@x.test', 'good@x.test'], notify: ['success', 'failure'] } as const;
  const { bench, id, notify, event, failAt } = await openNotifier(mail);
  const ends = {
    kind: 'ended',
    statuses: new Map<number, RecipientStatus>([
      [0, statuses.failed],
      [1, statuses.delivered],
    ]),
  } as const;
  failAt(2);
  await assert.rejects(notify({ ...event, ...ends }), { code: 'full' });
  assert.deepEqual(notices(bench, id), ['failed bad@x.test']);
  assert.deepEqual([...bench.spool.statuses(id).keys()], [0], 'what was told is recorded with it');
  await notify({ ...event, ...ends });
  assert.deepEqual(notices(bench, id), ['failed bad@x.test', 'delivered good@x.test']);
  await notify({ ...event, ...ends });
  assert.equal(notices(bench, id).length, 2);
});

test('a notification that cannot be spooled records nothing', async () => {
  const { bench, id, notify, event, failAt } = await openNotifier({ to: 'bad@x.test' });
  failAt(1);
  const ends = { kind: 'ended', statuses: new Map([[0, statuses.failed]]) } as const;
  await assert.rejects(notify({ ...event, ...ends }), { code: 'full' });
  assert.equal(bench.spool.statuses(id).size, 0);
});

test('that a delay was told is recorded with the notification, and also when none is due', async () => {
  for (const from of ['a@origin.test', null]) {
    const { bench, id, notify, event } = await openNotifier({ to: 'a@x.test', from });
    const [entry] = bench.spool.entries(id);
    assert.ok(entry !== undefined);
    const changes = [{ kind: 'reschedule', from: entry, to: { ...entry, warned: true } }] as const;
    await notify({ ...event, kind: 'delayed', statuses: new Map([[0, statuses.pending]]), changes });
    assert.equal(bench.spool.entries(id)[0]?.warned, true);
    assert.deepEqual(notices(bench, id), from === null ? [] : ['delayed a@x.test']);
  }
});
