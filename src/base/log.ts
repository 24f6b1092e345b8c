/** Values a log field may have. Text from a peer is escaped by the writer, never by the caller. */
export type LogFields = Readonly<Record<string, unknown>>;

/**
 * One line per lifecycle fact. `event` is a short kebab-case word that stays stable between versions
 * (`accepted`, `delivered`, `deferred`, `bounced`, `session-closed`, …).
 */
export interface Log {
  info(event: string, fields?: LogFields): void;
  warn(event: string, fields?: LogFields): void;
  error(event: string, fields?: LogFields): void;
  /** Whether `info` lines are written at all, so that a hot path can skip building one. */
  readonly isVerbose: boolean;
}

/** A log that keeps nothing: the default of tests. */
export const silentLog: Log = { info() {}, warn() {}, error() {}, isVerbose: false };

/** A log that keeps its lines in an array, for tests. */
export function memoryLog(): Log & {
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
