/** Opens the queue of a relay that does not run. */
import { silentLog } from '../base/index.ts';
import type { StoppedControl } from '../operation/commands.ts';
import { controlStopped } from '../operation/index.ts';
import { openSpool, SpoolError } from '../spool/index.ts';
import { CliError, exitCode } from './exit-code.ts';

/** A queue that can be looked at and changed, whether or not its relay runs. */
export interface OpenQueue extends StoppedControl, AsyncDisposable {}

/**
 * The queue of a stopped relay. The spool is locked while it is open, so a relay that starts in the meantime has to
 * wait; only commands change it, and the repair of an unclean end.
 */
export async function openStoppedQueue(path: string): Promise<OpenQueue> {
  const spool = await openSpool({ path, log: silentLog }).catch((error: unknown) => {
    const isLocked = error instanceof SpoolError && error.code === 'locked';
    if (!isLocked) throw error;
    const because = `the queue is in use, by a relay that starts or by another command: ${error.message}`;
    throw new CliError(exitCode.tempFail, because, { cause: error });
  });
  try {
    const control = await controlStopped(spool);
    return { ...control, [Symbol.asyncDispose]: () => spool[Symbol.asyncDispose]() };
  } catch (error) {
    await spool[Symbol.asyncDispose]();
    throw error;
  }
}
