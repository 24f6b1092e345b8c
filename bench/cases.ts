/** The cases of the benchmark and their names: `k10-s100-one`, `r50-s20-many`. */

export interface Case {
  readonly name: string;
  /** Octets of one message, headers and final CRLF included. */
  readonly size: number;
  readonly sessions: number;
  readonly perConnection: 'one' | 'many';
  readonly recipients: number;
  /** How many domains the recipients are spread over. */
  readonly domains: number;
  readonly messages: number;
}

/** All that a full run measures: three sizes and 50 recipients, 20 and 100 sessions, one and many. */
export const allCases: readonly string[] = ['k1', 'k10', 'k100', 'r50'].flatMap((what) =>
  ['s20', 's100'].flatMap((sessions) => ['one', 'many'].map((many) => `${what}-${sessions}-${many}`)),
);

/** The cases of `--quick`. */
export const quickCases: readonly string[] = ['k1-s20-one', 'k1-s20-many', 'r50-s20-many'];

function defaultMessages(size: number, recipients: number): number {
  if (recipients >= 10) return 600;
  return size >= 100 * 1024 ? 2000 : 2500;
}

/**
 * How many messages go before those that count, so that what runs only once is not in the figures. V8 goes on compiling
 * for tens of thousands of small messages; for large ones and many recipients more of them changed nothing.
 */
export function warmupMessages(what: Case, isCompiledAsItRuns: boolean): number {
  if (what.recipients >= 10) return isCompiledAsItRuns ? 1000 : 50;
  if (!isCompiledAsItRuns) return 300;
  return what.perConnection === 'many' && what.size < 100 * 1024 ? 40_000 : 10_000;
}

/**
 * Parses a name: parts joined by `-`, each a letter and a number (k KiB, r recipients, s sessions, d domains)
 * or `one` / `many`. Throws on anything else.
 */
export function parseCase(name: string, messages?: number): Case {
  const numbers: Record<string, number> = { k: 1, r: 1, s: 20, d: 1 };
  let perConnection: Case['perConnection'] = 'many';
  for (const part of name.split('-')) {
    const match = /^([krsd])([1-9]\d*)$/.exec(part);
    if (match?.[1] !== undefined) numbers[match[1]] = Number(match[2]);
    else if (part === 'one' || part === 'many') perConnection = part;
    else throw new Error(`case "${name}": "${part}" is none of k1 r50 s20 d10 one many`);
  }
  const { k = 1, r: recipients = 1, s: sessions = 20, d: domains = 1 } = numbers;
  const size = k * 1024;
  return {
    name,
    size,
    sessions,
    perConnection,
    recipients,
    domains,
    messages: messages ?? defaultMessages(size, recipients),
  };
}
