/** `posthouse queue verify` and `salvage`. */
import { harmlessText } from '../base/index.ts';
import { SpoolError, type SpoolProblem, salvageSpool, verifySpool } from '../spool/index.ts';
import type { Command } from './command.ts';
import { dataFolder, locationOptions, spoolPath } from './configuration.ts';
import { CliError, exitCode } from './exit-code.ts';
import { type Io, jsonLine, resolvePath } from './io.ts';

const json = { json: { help: 'the report as one JSON object' } };

/** `posthouse queue verify`. */
export const queueVerify: Command = {
  name: 'queue verify',
  synopsis: '',
  summary: 'Read the whole queue of a stopped relay and report damage. Changes nothing.',
  options: { ...locationOptions, ...json },
  notes: 'Exit 0 when everything is sound, 65 when something is not.',
  arity: { min: 0, max: 0 },
  async run(args, io) {
    const path = spoolPath(dataFolder(args, io));
    const report = await explained(verifySpool(path));
    if (args.has('json')) await io.out(jsonLine({ path, ...report }));
    else {
      await printProblems(io, report.problems);
      await io.out(
        report.problems.length === 0
          ? `${count(report.messages)} in ${path}: sound\n`
          : `${count(report.messages)} in ${path}: damaged, see "posthouse queue salvage --help"\n`,
      );
    }
    return report.problems.length === 0 ? exitCode.ok : exitCode.dataErr;
  },
};

/** `posthouse queue salvage`. */
export const queueSalvage: Command = {
  name: 'queue salvage',
  synopsis: 'FOLDER',
  summary: 'Copy every readable message in the queue of a stopped relay into a new one.',
  options: { ...locationOptions, ...json },
  notes: `
FOLDER is made, and the old queue is only read. What may have been delivered before is held for a person to
look at; what is left of a message that cannot be delivered goes to "salvage" in FOLDER. Run it as the user
of the relay, then put FOLDER in the place of "spool" in the data folder.`,
  arity: { min: 1, max: 1 },
  async run(args, io) {
    const from = spoolPath(dataFolder(args, io));
    const to = resolvePath(io, args.rest[0] ?? '');
    const report = await explained(salvageSpool(from, to));
    if (args.has('json')) await io.out(jsonLine({ from, to, ...report }));
    else {
      await printProblems(io, report.problems);
      await io.out(`${count(report.salvaged)} copied to ${to}, ${report.held} of them held\n`);
    }
    return exitCode.ok;
  },
};

async function printProblems(io: Io, problems: readonly SpoolProblem[]): Promise<void> {
  for (const { id, what, detail } of problems)
    await io.out(`${id ?? what.padEnd(16)}  ${id === undefined ? '' : `${what}: `}${harmlessText(detail)}\n`);
}

function count(messages: number): string {
  return messages === 1 ? '1 message' : `${messages} messages`;
}

/** Explains in an error why a spool cannot be read or written. */
async function explained<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof RangeError) throw new CliError(exitCode.cantCreate, error.message, { cause: error });
    if (!(error instanceof SpoolError)) throw error;
    const cause = { cause: error };
    switch (error.code) {
      case 'locked':
        throw new CliError(exitCode.unavailable, 'the relay is running: stop it first', cause);
      case 'missing':
        throw new CliError(exitCode.noInput, error.message, cause);
      default:
        throw new CliError(exitCode.ioErr, error.message, cause);
    }
  }
}
