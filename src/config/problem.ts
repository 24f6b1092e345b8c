/** Faults of a configuration and their places: findings of checks, and problems with their lines. */

/** One thing that is wrong in a configuration, and where. */
export interface Problem {
  readonly file: string;
  /** From 1. */
  readonly line: number;
  /** From 1. */
  readonly column: number;
  /** `listeners[0].address`; empty for the whole file. */
  readonly path: string;
  readonly message: string;
  /** The remedy, when it is clear. */
  readonly hint?: string;
}

/** The steps to a key, as zod and YAML name them. */
export type KeyPath = readonly (string | number)[];

/** A finding of a check about a key, before the place of the key is known. */
export interface Finding {
  readonly path: KeyPath;
  readonly message: string;
  readonly hint?: string;
  /** It is the key that is wrong, not its value. */
  readonly isKey?: boolean;
  /** When it is about a line of another file than the configuration. */
  readonly at?: { readonly file: string; readonly line: number };
}

/** `listeners[0].address`. */
export function formatPath(path: KeyPath): string {
  return path
    .map((step, i) => (typeof step === 'number' ? `[${step}]` : `${i === 0 ? '' : '.'}${step}`))
    .join('');
}

/** Parses the output of `formatPath`. Keys of the schema have no dots or brackets. */
export function parsePath(text: string): KeyPath {
  return (text.match(/[^.[\]]+/g) ?? []).map((step) => (/^\d+$/.test(step) ? Number(step) : step));
}

/** `posthouse.yaml:3:5: listeners[0].role: unknown role "mix" (did you mean "mx"?)`. */
export function formatProblem({ file, line, column, path, message, hint }: Problem): string {
  const where = path === '' ? '' : `${path}: `;
  return `${file}:${line}:${column}: ${where}${message}${hint === undefined ? '' : ` (${hint})`}`;
}

/** A finding for each value that was there before; an empty one is not compared. */
export function repeated(
  values: readonly string[],
  pathOf: (i: number) => KeyPath,
  what: string,
): readonly Finding[] {
  return values.flatMap((value, i) =>
    value !== '' && values.indexOf(value) < i
      ? [{ path: pathOf(i), message: `${value} ${what} already` }]
      : [],
  );
}
