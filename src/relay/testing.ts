/** All commands of a relay in one table, for tests that ask it many things. */
import { type ControlOf, connectControl, serve } from '../admin/index.ts';
import { auditCommands } from '../audit/commands.ts';
import { clearinghouseCommands } from '../clearinghouse/commands.ts';
import { guardCommands } from '../guard/commands.ts';
import { windowCommands } from '../identity/commands.ts';
import { localMailCommands } from '../local-mail/commands.ts';
import { queueCommands, sessionCommands } from '../operation/commands.ts';
import { relayCommands } from './commands.ts';

const table = {
  ...relayCommands,
  ...queueCommands,
  ...sessionCommands,
  ...localMailCommands,
  ...guardCommands,
  ...windowCommands,
  ...clearinghouseCommands,
  ...auditCommands,
};
export type Control = ControlOf<typeof table>;

export function connectAll(path: string): Control {
  return connectControl(path, table);
}

export function serveAll(control: Control) {
  return serve(table, control);
}
