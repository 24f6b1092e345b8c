/** `alarms`: the times after which the postmaster is told that mail does not move. */
import { z } from 'zod';
import { type AlarmOptions, defaultAlarms } from '../../guard/options.ts';
import { section } from '../section.ts';
import { duration, durationText } from '../values/quantity.ts';
import { boolean } from '../values/value.ts';

const { routeFailingMs, stuckMs, heldMs, repeatMs } = defaultAlarms;

const schema = z.strictObject({
  routeFailing: duration({ min: '1m' })
    .prefault(durationText(routeFailingMs))
    .describe(
      'For how long a route takes nothing before it is an alarm; also a single smart host, and delivery by MX as a whole.',
    ),
  stuck: duration({ min: '5m' })
    .prefault(durationText(stuckMs))
    .describe('For how long a message that is due is neither tried nor moved before it is an alarm.'),
  held: duration({ min: '5m' })
    .prefault(durationText(heldMs))
    .describe('For how long a message may be held before it is an alarm.'),
  repeat: duration({ min: '1m' })
    .prefault(durationText(repeatMs))
    .describe('How often the postmaster is written to, and the log tells, of an alarm that lasts.'),
  mail: boolean()
    .prefault(defaultAlarms.mail)
    .describe('Whether the postmaster is written to, where that mail would not go by the way that fails.'),
});

export const alarms = section({
  schema: schema
    .prefault({})
    .describe('When it is an alarm that mail does not move: log, `posthouse status`, and the postmaster.'),
  effect: 'reload',
  resolve: ({ routeFailing, stuck, held, repeat, mail }): AlarmOptions => ({
    routeFailingMs: routeFailing,
    stuckMs: stuck,
    heldMs: held,
    repeatMs: repeat,
    mail,
  }),
});
