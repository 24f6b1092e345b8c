/** Results: raw lines and a summary per case in a file, and a table for people. */
import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Case } from './cases.ts';
import type { Machine } from './machine.ts';
import type { Measurement } from './measure.ts';

/** Medians over the rounds of one relay in one case. */
export interface Summary {
  readonly relay: string;
  readonly family: Measurement['family'];
  readonly rounds: number;
  readonly rate: number;
  readonly rates: readonly number[];
  readonly acceptRate: number;
  readonly acceptP50Ms: number;
  readonly acceptP99Ms: number;
  readonly transactionP50Ms: number;
  readonly transactionP99Ms: number;
  readonly cpuMs: number;
  readonly loadCpuMs: number;
  readonly sinkCpuMs: number;
  readonly peakAnonymous: number;
  readonly proportional: number;
  readonly processes: number;
  readonly sinkConnections: number;
  readonly complete: boolean;
}

/** The middle value; of an even number, the mean of the two in the middle. NaN of nothing. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const half = sorted.length / 2;
  const [low = Number.NaN, high = low] = sorted.slice(Math.ceil(half) - 1, Math.floor(half) + 1);
  return (low + high) / 2;
}

function summarise(measurements: readonly Measurement[]): Summary | undefined {
  const [first] = measurements;
  if (first === undefined) return undefined;
  const of = (pick: (one: Measurement) => number): number => median(measurements.map(pick));
  return {
    relay: first.relay,
    family: first.family,
    rounds: measurements.length,
    rate: of((one) => one.rate),
    rates: measurements.map((one) => one.rate),
    acceptRate: of((one) => one.acceptRate),
    acceptP50Ms: of((one) => one.load.accept.p50),
    acceptP99Ms: of((one) => one.load.accept.p99),
    transactionP50Ms: of((one) => one.load.transaction.p50),
    transactionP99Ms: of((one) => one.load.transaction.p99),
    cpuMs: of((one) => one.cpuMs),
    loadCpuMs: of((one) => (one.load.cpuSeconds * 1e3) / Math.max(1, one.load.accepted)),
    sinkCpuMs: of((one) => (one.sink.cpuSeconds * 1e3) / Math.max(1, one.load.accepted)),
    peakAnonymous: of((one) => one.peakMemory.anonymous),
    proportional: of((one) => one.memoryAfter.proportional ?? 0),
    processes: of((one) => one.peakMemory.processes),
    sinkConnections: of((one) => one.sink.connections),
    complete: measurements.every((one) => one.problem === undefined),
  };
}

/** The file of one case: a line of machine facts, a line per measurement, a line per summary. */
export class Results {
  readonly file: string;

  constructor(folder: string, what: Case, facts: Machine) {
    mkdirSync(folder, { recursive: true });
    this.file = join(folder, `${facts.date.slice(0, 16).replaceAll(':', '')}-${what.name}.jsonl`);
    writeFileSync(this.file, `${JSON.stringify({ kind: 'machine', case: what, ...facts })}\n`);
  }

  add(measurement: Measurement): void {
    appendFileSync(this.file, `${JSON.stringify({ kind: 'measurement', ...measurement })}\n`);
  }

  finish(measurements: readonly Measurement[]): readonly Summary[] {
    const names = [...new Set(measurements.map((one) => one.relay))];
    const summaries = names
      .map((name) => summarise(measurements.filter((one) => one.relay === name)))
      .filter((one) => one !== undefined);
    for (const one of summaries)
      appendFileSync(this.file, `${JSON.stringify({ kind: 'summary', ...one })}\n`);
    return summaries;
  }
}

/** Pads the cells of each column to the same width; the first column to the left, the others to the right. */
export function formatTable(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]): string =>
    row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))).join('  ');
  return rows.map(line).join('\n');
}

const megabytes = (octets: number): string => (octets / 1e6).toFixed(0);

/** The best end-to-end rate of a family, or `undefined` when it did not run. */
function best(summaries: readonly Summary[], family: Summary['family']): number | undefined {
  const rates = summaries.filter((one) => one.family === family).map((one) => one.rate);
  return rates.length === 0 ? undefined : Math.max(...rates);
}

const head = [
  ...['relay', 'msg/s', 'min', 'max', '× Postfix', '× Haraka', '× ceiling', 'accept/s', 'accept p50/p99 ms'],
  ...['MAIL→250 p50/p99', 'CPU ms/msg', 'load+sink', 'peak anon MB', 'PSS MB', 'procs', 'conns', 'counts'],
];

/** The table of one case on standard output. */
export function printCase(what: Case, summaries: readonly Summary[]): void {
  const ratio = (rate: number, base: number | undefined): string =>
    base === undefined ? '–' : (rate / base).toFixed(2);
  const rows = summaries.map((one) => [
    one.relay,
    one.rate.toFixed(0),
    Math.min(...one.rates).toFixed(0),
    Math.max(...one.rates).toFixed(0),
    ratio(one.rate, best(summaries, 'postfix')),
    ratio(one.rate, best(summaries, 'haraka')),
    ratio(one.rate, best(summaries, 'ceiling')),
    one.acceptRate.toFixed(0),
    `${one.acceptP50Ms.toFixed(1)} / ${one.acceptP99Ms.toFixed(1)}`,
    `${one.transactionP50Ms.toFixed(1)} / ${one.transactionP99Ms.toFixed(1)}`,
    one.cpuMs.toFixed(3),
    (one.loadCpuMs + one.sinkCpuMs).toFixed(3),
    megabytes(one.peakAnonymous),
    megabytes(one.proportional),
    one.processes.toFixed(0),
    one.sinkConnections.toFixed(0),
    one.complete ? 'equal' : 'WRONG',
  ]);
  const recipients = what.recipients === 1 ? '' : `, ${what.recipients} recipients`;
  console.log(
    `\n${what.name}: ${what.messages} × ${what.size} octets${recipients}, ${what.sessions} sessions, ${what.perConnection} per connection`,
  );
  console.log(formatTable([head, ...rows]));
}

/** Beside an older build: its processor time and rate in each round against ours, and the medians of the ratios. */
export function printAgainstOlder(measurements: readonly Measurement[]): void {
  const pairs = measurements.flatMap((ours) => {
    const older = measurements.find((one) => one.family === 'older' && one.round === ours.round);
    return ours.family === 'posthouse' && older !== undefined ? [{ ours, older }] : [];
  });
  if (pairs.length === 0) return;
  for (const [what, of] of [
    ['CPU per message', (one: Measurement) => one.cpuMs],
    ['messages per second', (one: Measurement) => one.rate],
  ] as const) {
    const ratios = pairs.map(({ ours, older }) => of(ours) / of(older));
    const each = ratios.map((ratio) => ratio.toFixed(3)).join(' ');
    console.log(`${what} × the older build: median ${median(ratios).toFixed(3)} (${each})`);
  }
}
