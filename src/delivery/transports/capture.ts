/** Mail that stays in the capture inbox of this machine. */
import { formatLane } from '../../mail/index.ts';
import type { Transport, TransportKind, Via } from './kind.ts';

const transport: Transport = {
  lane: formatLane({ scheme: 'capture' }),
  deliver(attempt, { capture: inbox }, signal) {
    if (inbox === undefined) throw new Error('no capture folder is set');
    return inbox.deliver(attempt, signal);
  },
};

const via: Via = {
  scheme: 'capture',
  missing: (options) =>
    options.capture === undefined
      ? ['capture', 'a route leads to capture, but no capture folder is set']
      : undefined,
  transport: () => transport,
};

export const capture: TransportKind = {
  schemes: ['capture'],
  forms: ['capture'],
  parse: (rest) => (rest === undefined ? via : undefined),
};
