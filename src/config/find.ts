/** Finds the configuration file. */
import { lstatSync } from 'node:fs';
import { resolve } from 'node:path';

/** Where the configuration comes from. */
export type FoundConfig =
  | { readonly kind: 'file'; readonly file: string }
  /** No file: `localProfile`. */
  | { readonly kind: 'local' }
  /**
   * One was asked for and is not there (78, EX_CONFIG), or `--config` has no value (64, EX_USAGE). Going on
   * with the local profile would capture production mail.
   */
  | { readonly kind: 'missing'; readonly message: string; readonly exitCode: 64 | 78 };

/** The name that is looked for where the user stands. */
export const configName = 'posthouse.yaml';
/** The folder that is looked at when there is none. */
export const systemFolder = '/etc/posthouse';

/**
 * Finds the configuration: `--config FILE` (or `--config=FILE`; the last one wins), then `posthouse.yaml` in
 * `cwd`, then in /etc/posthouse. A file that exists counts as found even when it cannot be read.
 */
export function findConfig(options: {
  readonly cwd: string;
  readonly argv: readonly string[];
  /** For tests; /etc/posthouse unless given. */
  readonly systemFolder?: string;
}): FoundConfig {
  const named = namedFile(options.argv);
  if (named === '') return { kind: 'missing', message: '--config needs a file', exitCode: 64 };
  if (named !== undefined) {
    const file = resolve(options.cwd, named);
    if (isThere(file)) return { kind: 'file', file };
    return { kind: 'missing', message: `there is no configuration file ${file}`, exitCode: 78 };
  }
  const places = [options.cwd, options.systemFolder ?? systemFolder].map((folder) =>
    resolve(folder, configName),
  );
  const file = places.find(isThere);
  return file === undefined ? { kind: 'local' } : { kind: 'file', file };
}

/** The value of the last `--config`; empty when it has none, `undefined` when there is no such option. */
function namedFile(argv: readonly string[]): string | undefined {
  let named: string | undefined;
  for (const [i, word] of argv.entries()) {
    if (word === '--') break;
    if (word === '--config') {
      const next = argv[i + 1];
      named = next === undefined || next.startsWith('--') ? '' : next;
    } else if (word.startsWith('--config=')) {
      named = word.slice('--config='.length);
    }
  }
  return named;
}

/** A dangling link counts as a file: it was meant to be one. */
function isThere(file: string): boolean {
  try {
    lstatSync(file);
    return true;
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    return code !== 'ENOENT' && code !== 'ENOTDIR';
  }
}
