/** Finds and loads the configuration of a command. */
import { readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { parse } from 'yaml';

import {
  type Config,
  type ConfigCheck,
  findConfig,
  formatProblem,
  type LoadResult,
  loadConfig,
  loadConfigFile,
  localProfile,
} from '../config/index.ts';
import type { Arguments, Option } from './command.ts';
import { CliError, exitCode } from './exit-code.ts';
import { type Io, resolvePath } from './io.ts';

/** A configuration that does not load, with everything that is wrong with it. */
export class ConfigProblems extends CliError {
  /** `file:line:column: key: message`, one for each. */
  readonly problems: readonly string[];
  constructor(problems: readonly string[]) {
    const count = problems.length === 1 ? 'a problem' : `${problems.length} problems`;
    super(exitCode.config, `the configuration has ${count}:\n${problems.join('\n')}`);
    this.problems = problems;
  }
}

/** `--config`, for commands that read the whole configuration. */
export const configOption = {
  config: {
    value: 'FILE',
    short: 'c',
    help: 'the configuration (default: posthouse.yaml here, then /etc/posthouse)',
  },
} as const satisfies Readonly<Record<string, Option>>;

/** The file that a command works with; `undefined` is the local profile. Throws `CliError`. */
export function findConfigFile(io: Io, named: string | undefined): string | undefined {
  const argv = named === undefined ? [] : [`--config=${named}`];
  const found = findConfig({ cwd: io.folder, argv });
  switch (found.kind) {
    case 'file':
      return found.file;
    case 'local':
      return undefined;
    case 'missing':
      throw new CliError(found.exitCode, found.message);
  }
}

/**
 * Loads the whole configuration, or the local profile when `file` is `undefined`. `checks` are those of the
 * relay: they are passed in because `sendmail`, which uses this file too, must not load all of it. Throws
 * `ConfigProblems`.
 */
export function loadConfiguration(io: Io, file: string | undefined, checks: readonly ConfigCheck[]): Config {
  return file === undefined ? localProfile({ cwd: io.folder }) : configOf(loadConfigFile(file, { checks }));
}

const siteKeys = ['hostname', 'postmaster', 'data', 'sendmail', 'limits', 'trap'] as const;

/** The configuration that local users' commands need: it must not depend on files that only the relay may read. */
export type Site = Pick<Config, (typeof siteKeys)[number]>;

/**
 * Loads the few keys that say where the relay is. The others are ignored: a mistake in a route must not stop `queue
 * list`, and an unreadable private key must not stop a user's `sendmail`.
 */
export function loadSite(io: Io, named: string | undefined): Site {
  const file = findConfigFile(io, named);
  if (file === undefined) return localProfile({ cwd: io.folder });
  try {
    const value: unknown = parse(readFileSync(file, 'utf8'));
    const entries = typeof value === 'object' && value !== null ? Object.entries(value) : [];
    const kept = Object.fromEntries(entries.filter(([key]) => siteKeys.some((wanted) => wanted === key)));
    return configOf(loadConfig(JSON.stringify(kept), { file }));
  } catch (error) {
    if (error instanceof CliError) throw error;
    throw new CliError(exitCode.config, `cannot read ${file}: ${String(error)}`, { cause: error });
  }
}

function configOf(result: LoadResult): Config {
  if (result.ok) return result.config;
  throw new ConfigProblems(result.problems.map(formatProblem));
}

/** The options that say which relay a command talks to. */
export const locationOptions = {
  ...configOption,
  data: { value: 'DIR', help: "the relay's data folder, instead of looking it up in the configuration" },
} as const satisfies Readonly<Record<string, Option>>;

/** The data folder of the relay that a command talks to. */
export function dataFolder(args: Arguments, io: Io): string {
  const named = args.text('data');
  return named === undefined ? loadSite(io, args.text('config')).data : resolvePath(io, named);
}

/** Where the relay of a data folder listens for commands. */
export function controlPath(data: string): string {
  return join(data, 'control.sock');
}

/** Where the queue of a data folder is. */
export function spoolPath(data: string): string {
  return join(data, 'spool');
}

/** The folder of the trap's messages in a data folder. */
export function trapFolder(args: Arguments, io: Io): string {
  const named = args.text('data');
  return named === undefined
    ? loadSite(io, args.text('config')).trap.folder
    : join(resolvePath(io, named), 'trap');
}

/** The file of users that the configuration names, or `--file`. Nothing else of the configuration has to be good. */
export function usersFile(args: Arguments, io: Io): string {
  const named = args.text('file');
  if (named !== undefined) return resolvePath(io, named);
  const file = findConfigFile(io, args.text('config'));
  if (file === undefined) return join(localProfile({ cwd: io.folder }).data, 'users.yaml');
  const value: unknown = parse(readFileSync(file, 'utf8'));
  const users = typeof value === 'object' && value !== null && 'users' in value ? value.users : undefined;
  const path = typeof users === 'object' && users !== null && 'file' in users ? users.file : undefined;
  if (typeof path !== 'string') throw new CliError(exitCode.config, `${file} has no users.file`);
  return resolve(dirname(file), path);
}
