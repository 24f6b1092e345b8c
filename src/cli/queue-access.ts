/** Reaches the queue of a running relay, or of a stopped one. */
import { existsSync } from 'node:fs';
import { ControlError, connectControl } from '../admin/index.ts';
import { type QueueControl, queueCommands } from '../operation/commands.ts';
import { relayCommands } from '../relay/commands.ts';
import type { Arguments } from './command.ts';
import { controlPath, dataFolder, locationOptions, spoolPath } from './configuration.ts';
import type { Io } from './io.ts';
import type { OpenQueue } from './stopped-queue.ts';

export { locationOptions };

/** The running relay over the data folder, for commands that need one. */
export function connectQueue(args: Arguments, io: Io): QueueControl {
  return connectControl(controlPath(dataFolder(args, io)), queueCommands);
}

/** The queue of the running relay, else the folder of a stopped one. */
export async function openQueue(args: Arguments, io: Io): Promise<OpenQueue> {
  const data = dataFolder(args, io);
  const control = connectControl(controlPath(data), { ...queueCommands, ...relayCommands });
  try {
    await control.status();
    return { ...control, [Symbol.asyncDispose]: async () => {} };
  } catch (error) {
    const isStopped = error instanceof ControlError && error.code === 'unavailable';
    if (!isStopped || !existsSync(spoolPath(data))) throw error;
    const { openStoppedQueue } = await import('./stopped-queue.ts');
    return openStoppedQueue(spoolPath(data));
  }
}
