import type { RelayStatus } from '../admin/index.ts';
import { packageVersion } from '../base/index.ts';
import type { Current, Parts } from './parts.ts';

/** The relay at a glance. */
export function relayStatus(
  { spool, receiver }: Pick<Parts, 'spool' | 'receiver'>,
  { config, addresses, isDraining, startedAt }: Current,
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
    listeners: addresses.map(({ name, role, address }) => ({ name, role, address })),
  };
}
