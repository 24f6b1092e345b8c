/** The form of a command: its options, its arguments and its help. */
import { parseArgs } from 'node:util';

import { nearest } from '../base/index.ts';
import { CliError, exitCode } from './exit-code.ts';
import type { Io } from './io.ts';

/** One option of a command: `value` names its argument (`FILE`); without it the option is a switch. */
export interface Option {
  readonly value?: string;
  readonly short?: string;
  /** It may be given several times. */
  readonly isList?: boolean;
  readonly help: string;
}

/** The options and the other arguments of one call. */
export interface Arguments {
  /** The last value that was given. */
  text(name: string): string | undefined;
  /** All values that were given. */
  texts(name: string): readonly string[];
  has(name: string): boolean;
  readonly rest: readonly string[];
}

/** A subcommand. An exception of it is printed, and becomes the exit code, at the top. */
export interface Command {
  /** The words after `posthouse`: `queue list`. */
  readonly name: string;
  /** The arguments after the name: `ID …`. */
  readonly synopsis: string;
  readonly summary: string;
  readonly options: Readonly<Record<string, Option>>;
  /** More paragraphs for `--help`. */
  readonly notes?: string;
  /** How many arguments it takes besides the options. */
  readonly arity: { readonly min: number; readonly max: number };
  run(args: Arguments, io: Io): Promise<number>;
}

/** Parses the arguments and runs the command, or prints its help. Throws `CliError` `usage`. */
export async function runCommand(command: Command, argv: readonly string[], io: Io): Promise<number> {
  if (asksForHelp(argv)) {
    await io.out(formatHelp(command));
    return exitCode.ok;
  }
  const args = parseArguments(command, argv);
  const { min, max } = command.arity;
  if (args.rest.length < min) throw usage(command, 'an argument is missing');
  if (args.rest.length > max) throw usage(command, `unexpected argument "${args.rest[max]}"`);
  return command.run(args, io);
}

/** A `CliError` that shows how the command is called. */
export function usage(command: Command, problem: string): CliError {
  return new CliError(exitCode.usage, `${problem}\nusage: ${formatUsage(command)}`);
}

function asksForHelp(argv: readonly string[]): boolean {
  const end = argv.indexOf('--');
  return (end < 0 ? argv : argv.slice(0, end)).some((word) => word === '--help' || word === '-h');
}

function parseArguments(command: Command, argv: readonly string[]): Arguments {
  const options = Object.fromEntries(
    Object.entries(command.options).map(([name, { value, short }]) => [
      name,
      {
        type: value === undefined ? ('boolean' as const) : ('string' as const),
        multiple: true,
        ...(short === undefined ? {} : { short }),
      },
    ]),
  );
  try {
    const { values, positionals } = parseArgs({ args: [...argv], options, allowPositionals: true });
    const texts = (name: string) => [values[name] ?? []].flat().map(String);
    for (const [name, option] of Object.entries(command.options)) {
      if (option.value !== undefined && option.isList !== true && texts(name).length > 1) {
        throw new Error(`--${name} is given twice`);
      }
    }
    return {
      text: (name) => texts(name).at(-1),
      texts,
      has: (name) => values[name] !== undefined,
      rest: positionals,
    };
  } catch (error) {
    throw usage(command, mistake(command, error));
  }
}

/** The words of `parseArgs`, with the option that was meant where there is one like it. */
function mistake({ options }: Command, error: unknown): string {
  const text = error instanceof Error ? (error.message.split('. To specify')[0] ?? '') : String(error);
  const unknown = /^Unknown option '--([^']+)'/.exec(text)?.[1];
  const near = unknown === undefined ? undefined : nearest(unknown, Object.keys(options));
  return near === undefined ? text : `${text} (did you mean "--${near}"?)`;
}

function formatUsage({ name, synopsis, options }: Command): string {
  const hasOptions = Object.keys(options).length > 0;
  return ['posthouse', name, hasOptions ? '[options]' : '', synopsis].filter((word) => word !== '').join(' ');
}

function formatHelp(command: Command): string {
  const rows = Object.entries(command.options).map(([name, { short, value, help }]) => {
    const flag = `${short === undefined ? '    ' : `-${short}, `}--${name}${value === undefined ? '' : ` ${value}`}`;
    return [flag, help] as const;
  });
  rows.push(['-h, --help', 'show this text']);
  const width = Math.max(...rows.map(([flag]) => flag.length));
  const lines = rows.map(([flag, help]) => `  ${flag.padEnd(width)}  ${help}`);
  const notes = command.notes === undefined ? '' : `\n${command.notes.trim()}\n`;
  return `${command.summary}\n\nusage: ${formatUsage(command)}\n\n${lines.join('\n')}\n${notes}`;
}
