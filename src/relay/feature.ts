/** A feature: one part of the relay as the composition root sees it, from its opening to its end. */

import type { ServedCommand } from '../admin/index.ts';
import type { Config } from '../config/index.ts';
import type { ListeningAddress } from '../receiver/index.ts';
import type { RelayStatus } from './commands.ts';
import type { Current } from './parts.ts';

/** The next configuration of a relay, and the parts made of it. */
export type Next = Pick<Current, 'config' | 'resolver' | 'identities'>;

/**
 * Features are opened in the order of their list and drained in the reverse order, so that each finds those before it
 * at work. Every method is optional. A feature that is not configured does nothing.
 */
export interface Feature {
  readonly name: string;
  /** Binds whatever needs privileges, such as ports below 1024; they are given up before anything is opened. */
  bind?(config: Config): Promise<void>;
  /** Begins to work. Rejects when it cannot; the relay then drains everything. */
  open?(config: Config): void | Promise<void>;
  /** The first half of a reload: prepares the next configuration. Changes nothing, and throws if it cannot be had. */
  reload?(next: Next): Prepared | Promise<Prepared> | undefined;
  /** Ends running work until `signal` aborts, and closes. Called once, also when it was not opened. */
  drain?(signal: AbortSignal): void | PromiseLike<void>;
  /** Its part of the status. */
  status?(): Partial<RelayStatus>;
  /** Where it listens. */
  addresses?(): readonly ListeningAddress[];
  /** The commands that the control socket answers for it. */
  readonly commands?: readonly ServedCommand[];
}

/** The prepared state of a feature for the next configuration: exactly one of the two methods is called. */
export interface Prepared {
  /** Takes it over. Cannot fail. */
  commit(): void;
  /** Gives it back, because another feature failed to prepare. */
  abandon?(): void | PromiseLike<void>;
}

/** Binds whatever needs privileges. Nothing else runs yet. */
export async function bindAll(features: readonly Feature[], config: Config): Promise<void> {
  for (const feature of features) await feature.bind?.(config);
}

/** Begins to work. */
export async function openAll(features: readonly Feature[], config: Config): Promise<void> {
  for (const feature of features) await feature.open?.(config);
}

/** Everything that a reload needs, or nothing: rejects when one feature cannot have it. */
export async function prepareAll(features: readonly Feature[], next: Next): Promise<Required<Prepared>> {
  const ready: Prepared[] = [];
  const abandon = async () => {
    for (const prepared of ready.toReversed()) await prepared.abandon?.();
  };
  try {
    for (const feature of features) {
      const prepared = await feature.reload?.(next);
      if (prepared !== undefined) ready.push(prepared);
    }
  } catch (error) {
    await abandon();
    throw error;
  }
  return {
    abandon,
    commit() {
      for (const prepared of ready) prepared.commit();
    },
  };
}

/** The last that was opened ends first. */
export async function drainAll(features: readonly Feature[], signal: AbortSignal): Promise<void> {
  for (const feature of features.toReversed()) await feature.drain?.(signal);
}

/** Two that end together: neither waits for the clients of the other. */
export function together(one: Feature, other: Feature): Feature {
  return {
    name: `${one.name}, ${other.name}`,
    bind: (config) => bindAll([one, other], config),
    open: (config) => openAll([one, other], config),
    reload: (next) => prepareAll([one, other], next),
    async drain(signal) {
      await Promise.all([one.drain?.(signal), other.drain?.(signal)]);
    },
    status: () => ({ ...one.status?.(), ...other.status?.() }),
    addresses: () => [...(one.addresses?.() ?? []), ...(other.addresses?.() ?? [])],
    commands: [...(one.commands ?? []), ...(other.commands ?? [])],
  };
}
