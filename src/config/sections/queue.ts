/** `queue`: how long and how often delivery is tried. */
import { z } from 'zod';
import { defaultLanes, defaultRetry, type QueueOptions } from '../../queue/options.ts';
import type { Finding } from '../problem.ts';
import { section } from '../section.ts';
import { count, duration, durationText } from '../values/quantity.ts';

const retry = z.strictObject({
  min: duration({ min: '1s' })
    .prefault(durationText(defaultRetry.minMs))
    .describe('The wait after the first failure; it doubles each time.'),
  max: duration({ min: '1s' }).prefault(durationText(defaultRetry.maxMs)).describe('The longest wait.'),
  maxAge: duration({ min: '1s' })
    .prefault(durationText(defaultRetry.maxAgeMs))
    .describe('When a message is given up (RFC 5321: 4 to 5 days).'),
  bounceMaxAge: duration({ min: '1s' })
    .prefault(durationText(defaultRetry.bounceMaxAgeMs))
    .describe('The same for notifications, which have a null reverse-path.'),
  warnAfter: duration()
    .prefault(durationText(defaultRetry.warnAfterMs))
    .describe('When the sender is told of a delay, such as `4h`. `0s`: never.'),
});

const lanes = z.strictObject({
  concurrency: count(1, 1000)
    .prefault(defaultLanes.concurrency)
    .describe('Deliveries at once to one destination.'),
  total: count(1, 100_000).prefault(defaultLanes.total).describe('Deliveries at once in all.'),
  claimsPerLane: count(1, 1_000_000)
    .prefault(defaultLanes.claimsPerLane)
    .describe('Messages of one destination held in memory.'),
  claims: count(1, 1_000_000)
    .prefault(defaultLanes.claims)
    .describe('Messages of all destinations held in memory.'),
});

const schema = z.strictObject({
  retry: retry.prefault({}).describe('When a delivery is tried again.'),
  lanes: lanes.prefault({}).describe('A lane is a destination with its own concurrency and health.'),
});

export const queue = section({
  schema: schema.prefault({}).describe('How long and how often delivery is tried.'),
  effect: 'reload',
  resolve: ({ retry: { min, max, maxAge, bounceMaxAge, warnAfter }, lanes }): QueueOptions => ({
    retry: {
      minMs: min,
      maxMs: max,
      maxAgeMs: maxAge,
      bounceMaxAgeMs: bounceMaxAge,
      warnAfterMs: warnAfter,
    },
    lanes,
  }),
  problems: order,
});

function order({ retry, lanes }: z.output<typeof schema>): Finding[] {
  const path = ['queue', 'retry'];
  return [
    ...(retry.min > retry.max ? [{ path: [...path, 'min'], message: 'is longer than max' }] : []),
    ...(retry.warnAfter >= retry.maxAge
      ? [{ path: [...path, 'warnAfter'], message: 'is not before maxAge', hint: '0s turns the warning off' }]
      : []),
    ...(lanes.concurrency > lanes.total
      ? [{ path: ['queue', 'lanes', 'concurrency'], message: 'is more than total' }]
      : []),
  ];
}
