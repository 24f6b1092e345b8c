/** Prints tables, sizes and spans of time for people. */
import { harmlessText } from '../base/index.ts';
import { type Io, jsonLine } from './io.ts';

/** One column of a table. */
export interface Column {
  readonly title: string;
  /** Least and, on a terminal, usual width in characters; the last column takes the rest. */
  readonly width: number;
  readonly isNumber?: boolean;
}

/**
 * Prints rows as they come, in columns of fixed width, so that a table of any length needs no memory. On
 * a terminal a line is cut to its width; in a pipe nothing is cut.
 */
export function openTable(
  columns: readonly Column[],
  io: Io,
): { row(cells: readonly string[]): Promise<void> } {
  let hasTitle = false;
  const print = async (cells: readonly string[]) => {
    const padded = cells.map((cell, index) => {
      const { width = 0, isNumber = false } = columns[index] ?? {};
      const text = harmlessText(cell);
      return isNumber ? text.padStart(width) : index === columns.length - 1 ? text : text.padEnd(width);
    });
    const line = padded.join('  ').trimEnd();
    await io.out(`${io.isTerminal.stdout ? fit(line, io.columns) : line}\n`);
  };
  return {
    async row(cells) {
      if (!hasTitle) await print(columns.map(({ title }) => title));
      hasTitle = true;
      await print(cells);
    },
  };
}

/** A list of items: as a table, or one JSON object a line. */
export interface Listing<T> {
  readonly items: AsyncIterable<T>;
  readonly columns: readonly Column[];
  readonly rowOf: (item: T) => readonly string[];
  readonly isJson: boolean;
  /** The line for people in place of an empty table, without its end. */
  readonly empty: string;
}

/** Prints items as they come. */
export async function printList<T>(
  { items, columns, rowOf, isJson, empty }: Listing<T>,
  io: Io,
): Promise<void> {
  const table = openTable(columns, io);
  let isEmpty = true;
  for await (const item of items) {
    isEmpty = false;
    if (isJson) await io.out(jsonLine(item));
    else await table.row(rowOf(item));
  }
  if (isEmpty && !isJson) await io.out(`${empty}\n`);
}

function fit(line: string, columns: number): string {
  return line.length <= columns ? line : `${line.slice(0, Math.max(1, columns - 1))}…`;
}

/** Octets for people, in decimal units: `12.3 MB`. */
export function formatSize(octets: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let value = octets;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${unit === 0 || value >= 99.5 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

/** A span of time for people, in its largest unit: `45s`, `3h`, `2d`. */
export function formatSpan(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 60) return `${seconds}s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m`;
  if (seconds < 48 * 3600) return `${Math.floor(seconds / 3600)}h`;
  return `${Math.floor(seconds / 86400)}d`;
}

/** Why mail waits for a destination that is left alone: `suspended until 2026-01-01T00:00:00Z: 451 …`. */
export function formatSuspension(of: { readonly until: number; readonly reply: string }): string {
  return `suspended until ${new Date(of.until).toISOString().replace(/\.\d+Z/, 'Z')}: ${of.reply}`;
}
