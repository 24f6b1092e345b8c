/** Opens the small tables beside the spool. */
import { existsSync } from 'node:fs';
import { chown, mkdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import type { Account, Clock, Log } from '../base/index.ts';
import { windowTable } from '../identity/index.ts';
import { Store, StoreError } from '../store/index.ts';
import type { RelayEvents } from './events.ts';

/** The tables of `state`, each with the number that its frames carry for good. */
const stateTables = [windowTable];

const layoutVersion = 1;
/** The tables here are small; mail is refused long before the disk has so little left. */
const floorBytes = 1_000_000;

/** How the state is opened. */
export interface StateOptions {
  /** The data folder of the relay, which is there already. */
  readonly folder: string;
  /** The account of the relay. */
  readonly account: Account | undefined;
  readonly clock: Clock;
  readonly log: Log<RelayEvents>;
}

/**
 * Opens the relay's memory beside mail: one environment for all small tables, in `state` in the data folder, owned
 * like the spool. If it is damaged it is set aside and begun anew: its content can be learnt again, and mail does not
 * wait for that. Rejects with `StoreError`.
 */
export async function openState({ folder, account, clock, log }: StateOptions): Promise<Store> {
  const path = join(folder, 'state');
  const openStore = () =>
    Store.open({ path, tables: stateTables, version: layoutVersion, clock, log, floorBytes });
  const open = async () => {
    try {
      return await openStore();
    } catch (error) {
      if (!(error instanceof StoreError) || error.code !== 'corrupt') throw error;
      const aside = `${path}.damaged-${clock.now()}`;
      await rename(path, aside);
      log.error('state-damaged', { because: error.message, kept: aside });
      return await openStore();
    }
  };
  if (account === undefined || process.getuid?.() !== 0) return open();
  if (!existsSync(path)) await mkdir(path, { mode: 0o700 });
  await chown(path, account.uid, account.gid);
  process.setegid?.(account.gid);
  process.seteuid?.(account.uid);
  try {
    return await open();
  } finally {
    process.seteuid?.(0);
    process.setegid?.(0);
  }
}
