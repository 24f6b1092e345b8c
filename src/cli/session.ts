/** `posthouse session list` and `close`. */
import { connectControl } from '../admin/index.ts';
import type { SessionItem } from '../operation/commands.ts';
import { sessionCommands } from '../operation/commands.ts';
import type { Arguments, Command } from './command.ts';
import { controlPath, dataFolder, locationOptions } from './configuration.ts';
import { CliError, exitCode } from './exit-code.ts';
import type { Io } from './io.ts';
import { formatSpan, printList } from './table.ts';

function connect(args: Arguments, io: Io) {
  return connectControl(controlPath(dataFolder(args, io)), sessionCommands);
}

const columns = [
  { title: 'ID', width: 12 },
  { title: 'ADDRESS', width: 24 },
  { title: 'SINCE', width: 5, isNumber: true },
  { title: 'SENT', width: 5, isNumber: true },
  { title: 'LISTENER', width: 18 },
  { title: 'USER', width: 30 },
];

/** `posthouse session list`. */
export const sessionList: Command = {
  name: 'session list',
  synopsis: '',
  summary: 'List the connected clients and their users.',
  options: { ...locationOptions, json: { help: 'one JSON object per line' } },
  arity: { min: 0, max: 0 },
  async run(args, io) {
    const items = connect(args, io).sessionsList();
    await printList({ items, columns, rowOf, isJson: args.has('json'), empty: 'no client is connected' }, io);
    return exitCode.ok;
  },
};

function rowOf({ id, address, since, accepted, listener, user = '' }: SessionItem): string[] {
  const sent = accepted === undefined ? '' : String(accepted);
  return [id, address, formatSpan(Date.now() - since), sent, listener, user];
}

/** `posthouse session close`. */
export const sessionClose: Command = {
  name: 'session close',
  synopsis: 'ID|ADDRESS|USER',
  summary: 'End the sessions of a client: one by its id, or all of an address or a user.',
  options: { ...locationOptions, json: { help: 'the number of sessions as a JSON object' } },
  notes: `
"id:…", "address:…" and "user:…" say what is meant; of IPv6 an address may be a /64. The client is told 421, and a
message that has not been accepted yet is given up. Nothing keeps it from coming back: disable the user or change its
password first.`,
  arity: { min: 1, max: 1 },
  async run(args, io) {
    const [which = ''] = args.rest;
    const { sessions } = await connect(args, io).sessionsClose({ which });
    if (sessions === 0) throw new CliError(exitCode.noInput, `no session of "${which}"`);
    if (args.has('json')) await io.out(`${JSON.stringify({ sessions })}\n`);
    else await io.out(`${sessions} ${sessions === 1 ? 'session' : 'sessions'} closed\n`);
    return exitCode.ok;
  },
};
