/** `posthouse clearinghouse learn`. */
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { connectControl } from '../admin/index.ts';
import { clearinghouseCommands } from '../clearinghouse/commands.ts';
import { type Command, usage } from './command.ts';
import { controlPath, dataFolder, locationOptions } from './configuration.ts';
import { CliError, exitCode } from './exit-code.ts';
import { jsonLine, resolvePath } from './io.ts';

/** `posthouse clearinghouse learn`. */
export const clearinghouseLearn: Command = {
  name: 'clearinghouse learn',
  synopsis: 'PATH …',
  summary: 'Learn from good mail: text that many of its senders share no longer counts.',
  options: { ...locationOptions, json: { help: 'one JSON object: how many were read' } },
  notes: `
PATH is a message, an mbox, or a folder of either (a Maildir too), with all that is below it. Footers, disclaimers and
phrases that four senders use or more no longer make messages look like copies of each other. Nothing is counted and
nobody is allowed by it.`,
  arity: { min: 0, max: Number.POSITIVE_INFINITY },
  async run(args, io) {
    if (args.rest.length === 0) throw usage(clearinghouseLearn, 'a file or a folder is missing');
    const control = connectControl(controlPath(dataFolder(args, io)), clearinghouseCommands);
    let messages = 0;
    for (const path of args.rest)
      for await (const octets of messagesIn(resolvePath(io, path))) {
        await control.clearinghouseAsk({ verb: 'learn' }, once(octets), new AbortController().signal);
        messages++;
      }
    if (args.has('json')) await io.out(jsonLine({ messages }));
    else await io.out(`${messages} messages read\n`);
    return exitCode.ok;
  },
};

/** Each message of a file or a folder; files that are empty have none. */
async function* messagesIn(path: string): AsyncGenerator<Uint8Array> {
  try {
    if ((await stat(path)).isDirectory()) {
      for (const name of (await readdir(path)).sort()) yield* messagesIn(join(path, name));
      return;
    }
    const octets = await readFile(path);
    if (octets.length > 0)
      yield* octets.subarray(0, 5).toString('latin1') === 'From ' ? inMbox(octets) : [octets];
  } catch (error) {
    if (error instanceof CliError || !(error instanceof Error) || !('syscall' in error)) throw error;
    throw new CliError(exitCode.noInput, `cannot read "${path}": ${error.message}`);
  }
}

/** A message begins at each `From ` that is behind an empty line; those lines themselves are left out. */
function* inMbox(octets: Buffer): Generator<Uint8Array> {
  for (let at = 0; at < octets.length; ) {
    const begin = octets.indexOf(10, at) + 1;
    if (begin === 0) return;
    let end = octets.indexOf('\nFrom ', begin) + 1;
    while (end > 0 && !isBehindEmptyLine(octets, end)) end = octets.indexOf('\nFrom ', end) + 1;
    if (end === 0) end = octets.length;
    if (end > begin) yield octets.subarray(begin, end);
    at = end;
  }
}

/** Whether the line that begins here has an empty one before it. */
function isBehindEmptyLine(octets: Buffer, at: number): boolean {
  const before = octets[at - 2] === 13 ? at - 2 : at - 1;
  return octets[before - 1] === 10;
}

async function* once(octets: Uint8Array): AsyncGenerator<Uint8Array> {
  yield octets;
}
