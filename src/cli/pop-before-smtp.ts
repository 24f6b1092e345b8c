/** `posthouse pop-before-smtp list` and `revoke`. */
import { isIP } from 'node:net';
import { connectControl } from '../admin/index.ts';
import type { Window } from '../identity/commands.ts';
import { windowCommands } from '../identity/commands.ts';
import type { Arguments, Command } from './command.ts';
import { controlPath, dataFolder, locationOptions } from './configuration.ts';
import { CliError, exitCode } from './exit-code.ts';
import { type Io, jsonLine } from './io.ts';
import { formatSpan, printList } from './table.ts';

function connect(args: Arguments, io: Io) {
  return connectControl(controlPath(dataFolder(args, io)), windowCommands);
}

const columns = [
  { title: 'ADDRESS', width: 24 },
  { title: 'ENDS IN', width: 7, isNumber: true },
  { title: 'LAST', width: 4, isNumber: true },
  { title: 'SOURCE', width: 18 },
  { title: 'USER', width: 30 },
];

/** `posthouse pop-before-smtp list`. */
export const popBeforeSmtpList: Command = {
  name: 'pop-before-smtp list',
  synopsis: '',
  summary: 'List the addresses that may relay after a login to a mailbox.',
  options: { ...locationOptions, json: { help: 'one JSON object per line' } },
  arity: { min: 0, max: 0 },
  async run(args, io) {
    const items = connect(args, io).windowsList();
    await printList({ items, columns, rowOf, isJson: args.has('json'), empty: 'no window is open' }, io);
    return exitCode.ok;
  },
};

function rowOf({ address, names, source, lastAt, expiresAt, needsAuth }: Window): string[] {
  const now = Date.now();
  const who = needsAuth ? `${names.length} users: each has to log in` : names.join(', ');
  return [address, formatSpan(expiresAt - now), formatSpan(now - lastAt), source, who];
}

/** `posthouse pop-before-smtp revoke`. */
export const popBeforeSmtpRevoke: Command = {
  name: 'pop-before-smtp revoke',
  synopsis: 'ADDRESS|NAME',
  summary: 'Close the window of an address, or all windows of a user.',
  options: { ...locationOptions, json: { help: 'the number of windows as a JSON object' } },
  notes: 'The next login to a mailbox opens a window again; to prevent that, disable the user first.',
  arity: { min: 1, max: 1 },
  async run(args, io) {
    const [text = ''] = args.rest;
    const isAddress = isIP(text.replace(/\/64$/, '')) !== 0;
    const { windows } = await connect(args, io).windowsRevoke(isAddress ? { address: text } : { name: text });
    if (windows === 0) throw new CliError(exitCode.noInput, `no window of "${text}"`);
    if (args.has('json')) await io.out(jsonLine({ windows }));
    else await io.out(`${windows} ${windows === 1 ? 'window' : 'windows'} revoked\n`);
    return exitCode.ok;
  },
};
