/** The log that the parts of the relay write to: one line per fact. */
import type { AnyEvent, AtLevel, Line, LogFields } from './event-table.ts';

/**
 * One line per lifecycle fact. `E` are the events that may be written (`EventsOf` the table in the module's
 * `events.ts`): a name, a field or a level that is not declared does not compile. A log of more events serves where
 * fewer are needed.
 */
export interface Log<E extends AnyEvent> {
  readonly info: (...line: Line<AtLevel<E, 'info'>>) => void;
  readonly warn: (...line: Line<AtLevel<E, 'warn'>>) => void;
  readonly error: (...line: Line<AtLevel<E, 'error'>>) => void;
  /** Whether `info` lines are written at all, so that a hot path can skip building one. */
  readonly isVerbose: boolean;
}

/** A log that keeps nothing: the default of tests. */
export const silentLog: Log<AnyEvent> = { info() {}, warn() {}, error() {}, isVerbose: false };

/** A log that keeps its lines in an array, for tests. */
export function memoryLog(): Log<AnyEvent> & {
  readonly lines: { level: string; event: string; fields: LogFields }[];
} {
  const lines: { level: string; event: string; fields: LogFields }[] = [];
  const at =
    (level: string) =>
    (event: string, fields: LogFields = {}) => {
      lines.push({ level, event, fields });
    };
  return { lines, info: at('info'), warn: at('warn'), error: at('error'), isVerbose: true };
}
