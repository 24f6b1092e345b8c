/** Watches how many HELO names the clients at a trusted address use. */
import type { Clock, Log } from '../base/index.ts';
import type { PolicyEvents } from './events.ts';

const maxAddresses = 10_000;
/** More names than the machines behind one address of an office usually give. */
const manyNames = 10;
const withinMs = 3_600_000;
const againMs = 86_400_000;

/**
 * Watches the number of HELO names that clients at one trusted address use. Many names mean that a gateway or proxy is
 * there, through which strangers may come. That is an alarm and never a decision, since any client can invent a name.
 */
export function watchNames({ log, clock }: { readonly log: Log<PolicyEvents>; readonly clock: Clock }) {
  const seen = new Map<string, { names: Set<string>; readonly since: number; silentUntil: number }>();
  return (address: string, helo: string): void => {
    const known = seen.get(address);
    if (known?.names.has(helo)) return;
    const now = clock.now();
    if (known === undefined || (known.since + withinMs < now && known.silentUntil < now)) {
      seen.delete(address);
      if (seen.size >= maxAddresses) for (const oldest of seen.keys()) if (seen.delete(oldest)) break;
      seen.set(address, { names: new Set([helo]), since: now, silentUntil: 0 });
      return;
    }
    if (known.names.size <= manyNames) known.names.add(helo);
    if (known.names.size <= manyNames || known.silentUntil > now) return;
    known.silentUntil = now + againMs;
    log.warn('many-names', {
      client: address,
      names: known.names.size,
      because:
        'a trusted address with so many HELO names may be a gateway or proxy: let it send the PROXY protocol',
    });
  };
}
