import type { RelayStatus } from '../admin/index.ts';
import { packageVersion } from '../base/index.ts';
import type { Current, Parts } from './parts.ts';

/** The relay at a glance. */
export function relayStatus(
  {
    spool,
    receiver,
    watchdog,
    windows,
    delivery,
  }: Pick<Parts, 'spool' | 'receiver' | 'watchdog' | 'windows' | 'delivery'>,
  { config, addresses, otherAddresses, isDraining, startedAt }: Current,
): RelayStatus {
  const health = spool.health();
  return {
    version: packageVersion(),
    pid: process.pid,
    hostname: config.hostname,
    startedAt,
    state: isDraining ? 'draining' : 'running',
    spool: health.state === 'ok' ? 'ok' : JSON.stringify(health),
    messages: spool.count(),
    sessions: receiver.sessionCount,
    ...(windows.size === undefined ? {} : { windows: windows.size }),
    held: watchdog.held,
    alarms: watchdog.alarms.map(({ kind, subject, since, because, waiting }) => ({
      kind,
      subject,
      since,
      because,
      ...(waiting === undefined ? {} : { waiting }),
    })),
    callouts: [...delivery.calloutTroubles],
    listeners: [...addresses, ...otherAddresses].map(({ name, role, address }) => ({ name, role, address })),
  };
}
