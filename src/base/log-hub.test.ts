import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EventsOf, EventTable } from './event-table.ts';
import { type Log, memoryLog } from './log.ts';
import { LogHub, type Subscribable } from './log-hub.ts';

const table = {
  arrived: { level: 'info', when: 'a parcel is there', fields: { queueId: 'text', size: 'number?' } },
  lost: { level: ['warn', 'error'], when: 'a parcel is not', fields: { queueId: 'text' } },
  closed: { level: 'info', when: 'the end of the day', fields: {} },
} as const satisfies EventTable;
type Parcels = EventsOf<typeof table>;

test('subscribers are told of the events that they named, after they were written, until they end it', () => {
  const written = memoryLog();
  const hub = new LogHub<Parcels>(written);
  const events: Subscribable<Exclude<Parcels, { event: 'closed' }>> = hub;
  const told: unknown[] = [];
  const stop = events.subscribe(['arrived', 'lost'], (event, fields) => {
    switch (event) {
      case 'arrived':
        told.push([event, fields.queueId, fields.size, written.lines.length]);
        break;
      case 'lost':
        told.push([event, fields.queueId, written.lines.length]);
    }
  });
  const log: Log<Parcels> = hub.log;
  log.info('arrived', { queueId: '0A', size: 3 });
  log.info('closed');
  log.error('lost', { queueId: '0B' });
  stop();
  log.warn('lost', { queueId: '0C' });
  assert.deepEqual(told, [
    ['arrived', '0A', 3, 1],
    ['lost', '0B', 3],
  ]);
  assert.deepEqual(
    written.lines.map(({ level, event }) => `${level} ${event}`),
    ['info arrived', 'info closed', 'error lost', 'warn lost'],
  );
});

test('a function that subscribes twice is told twice, and ends one subscription at a time', () => {
  const hub = new LogHub<Parcels>(memoryLog());
  let count = 0;
  const subscriber = () => {
    count++;
  };
  const [stop] = [hub.subscribe(['closed'], subscriber), hub.subscribe(['closed'], subscriber)];
  hub.log.info('closed');
  stop?.();
  hub.log.info('closed');
  assert.equal(count, 3);
});

test('a mark is added to the lines it is for, and subscribers see it', () => {
  const written = memoryLog();
  const hub = new LogHub<Parcels>(written);
  const told: unknown[] = [];
  hub.subscribe(['arrived', 'closed'], (...line) => void told.push(line[1]));
  const unmark = hub.mark(({ queueId }) => (queueId === '0A' ? { audit: 'run' } : undefined));
  hub.log.info('arrived', { queueId: '0A' });
  hub.log.info('arrived', { queueId: '0B' });
  hub.log.info('closed');
  unmark();
  hub.log.info('arrived', { queueId: '0A' });
  const fields = [{ queueId: '0A', audit: 'run' }, { queueId: '0B' }, {}, { queueId: '0A' }];
  assert.deepEqual(
    written.lines.map((line) => line.fields),
    fields,
  );
  assert.deepEqual(told, [fields[0], fields[1], undefined, fields[3]]);
});

test('what is not declared does not compile', () => {
  const log: Log<Parcels> = memoryLog();
  // @ts-expect-error: no such event
  log.info('opened', {});
  // @ts-expect-error: no such field
  log.info('arrived', { queueId: '0A', weight: 3 });
  // @ts-expect-error: another type
  log.info('arrived', { queueId: '0A', size: '3' });
  // @ts-expect-error: a field is missing
  log.info('arrived', { size: 3 });
  // @ts-expect-error: the fields are missing
  log.info('arrived');
  // @ts-expect-error: another level
  log.info('lost', { queueId: '0A' });
  // @ts-expect-error: it has no fields
  log.info('closed', { queueId: '0A' });
  // @ts-expect-error: a log of fewer events
  const more: Log<Parcels | { event: 'weighed'; level: 'info'; fields: { weight: number } }> = log;
  // @ts-expect-error: in all tables a queue id is a text
  const bad: EventTable = { weighed: { level: 'info', when: '', fields: { queueId: 'number' } } };
  assert.ok(more && bad);
});
