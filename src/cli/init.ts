/** `posthouse init`. */
import { writeFile } from 'node:fs/promises';

import { configName, initConfig, initRoles } from '../config/index.ts';
import type { Command } from './command.ts';
import { CliError, exitCode } from './exit-code.ts';
import { resolvePath } from './io.ts';

/** `posthouse init`. */
export const init: Command = {
  name: 'init',
  synopsis: initRoles.join('|'),
  summary: 'Write a commented configuration for a role.',
  options: {
    output: {
      value: 'FILE',
      short: 'o',
      help: `where to write it (default: ${configName}); - is standard output`,
    },
    force: { help: 'replace a file that is there' },
  },
  arity: { min: 1, max: 1 },
  async run(args, io) {
    const made = initConfig(args.rest[0] ?? '');
    if (!made.ok) throw new CliError(exitCode.usage, made.message);
    const output = args.text('output') ?? configName;
    if (output === '-') {
      await io.out(made.text);
      return exitCode.ok;
    }
    const file = resolvePath(io, output);
    try {
      await writeFile(file, made.text, { flag: args.has('force') ? 'w' : 'wx' });
    } catch (error) {
      const isThere = error instanceof Error && 'code' in error && error.code === 'EEXIST';
      const why = isThere
        ? `"${file}" is there already: --force replaces it`
        : `cannot write it: ${error instanceof Error ? error.message : error}`;
      throw new CliError(exitCode.cantCreate, why, { cause: error });
    }
    if (io.isTerminal.stderr) io.err(`wrote ${file}: adapt it, then run "posthouse check"\n`);
    return exitCode.ok;
  },
};
