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
  /** What to do instead, when that is clear. */
  readonly hint?: string;
}

/** The steps to a key, as zod and YAML name them. */
export type KeyPath = readonly (string | number)[];

/** What a check has to say about a key, before it is known where the key stands. */
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

/** Parses what `formatPath` writes. Keys of the schema have no dots or brackets. */
export function parsePath(text: string): KeyPath {
  return (text.match(/[^.[\]]+/g) ?? []).map((step) => (/^\d+$/.test(step) ? Number(step) : step));
}

/** `posthouse.yaml:3:5: listeners[0].role: unknown role "mix" (did you mean "mx"?)`. */
export function formatProblem({ file, line, column, path, message, hint }: Problem): string {
  const where = path === '' ? '' : `${path}: `;
  return `${file}:${line}:${column}: ${where}${message}${hint === undefined ? '' : ` (${hint})`}`;
}

/** The candidate that is most like `text`, if one is like it at all. */
export function nearest(text: string, candidates: Iterable<string>): string | undefined {
  const limit = Math.max(1, Math.floor(text.length / 3));
  let best: { name: string; distance: number } | undefined;
  for (const name of candidates) {
    const distance = editDistance(text.toLowerCase().slice(0, 60), name.toLowerCase());
    if (distance <= limit && (best === undefined || distance < best.distance)) best = { name, distance };
  }
  return best?.name;
}

/** Insertions, deletions, substitutions and swaps of neighbours (optimal string alignment). */
export function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1;
      let distance = Math.min((last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (last[j - 1] ?? 0) + cost);
      if (a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        distance = Math.min(distance, (beforeLast[j - 2] ?? 0) + 1);
      }
      row.push(distance);
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length] ?? 0;
}
