/** `posthouse reload`. */
import { connectControl } from '../admin/index.ts';
import { relayCommands } from '../relay/commands.ts';
import type { Command } from './command.ts';
import { controlPath, dataFolder, locationOptions } from './configuration.ts';
import { exitCode } from './exit-code.ts';
import { jsonLine } from './io.ts';

/** `posthouse reload`. */
export const reload: Command = {
  name: 'reload',
  synopsis: '',
  summary: 'Reload the configuration of the running relay, and print the changes.',
  options: { ...locationOptions, json: { help: 'the result as one JSON object' } },
  notes: `
The same as SIGHUP, with an answer: the changes, and which of them wait for the next start. Exit 78 with
every problem when the new configuration is not good; then nothing changes.`,
  arity: { min: 0, max: 0 },
  async run(args, io) {
    const result = await connectControl(controlPath(dataFolder(args, io)), relayCommands).reload();
    const isRefused = result.outcome === 'refused';
    if (args.has('json')) await io.out(jsonLine(result));
    else {
      const lines = isRefused ? result.problems : result.changes;
      if (isRefused) io.err('not reloaded, the configuration in force stays:\n');
      await io.out(lines.length === 0 ? 'nothing changed\n' : `${lines.join('\n')}\n`);
    }
    return isRefused ? exitCode.config : exitCode.ok;
  },
};
