/** `posthouse queue shape`. */
import { shapeMinutes } from '../operation/commands.ts';
import type { Command } from './command.ts';
import { exitCode } from './exit-code.ts';
import { jsonLine } from './io.ts';
import { connectQueue, locationOptions } from './queue-access.ts';
import { selectorOptions, selectorsOf } from './queue-selector.ts';
import { openTable } from './table.ts';

/** `posthouse queue shape`: where mail waits and for how long, as qshape(1) shows it. */
export const queueShape: Command = {
  name: 'queue shape',
  synopsis: '',
  summary: 'Count waiting recipients by destination and age in minutes.',
  options: { ...locationOptions, ...selectorOptions, json: { help: 'one JSON object per line' } },
  arity: { min: 0, max: 0 },
  async run(args, io) {
    const control = connectQueue(args, io);
    const table = openTable(columns, io);
    const total: number[] = [];
    for await (const selector of selectorsOf(args, io)) {
      for await (const { destination, counts } of control.shape({ selector })) {
        if (args.has('json')) await io.out(jsonLine({ destination, counts, minutes: shapeMinutes }));
        else await table.row(rowOf(destination, counts));
        for (const [index, count] of counts.entries()) total[index] = (total[index] ?? 0) + count;
      }
    }
    if (!args.has('json')) await table.row(rowOf('TOTAL', total));
    return exitCode.ok;
  },
};

const columns = [
  { title: 'DESTINATION', width: 22 },
  { title: 'ALL', width: 5, isNumber: true },
  ...shapeMinutes.map((minutes) => ({ title: String(minutes), width: 3, isNumber: true })),
  { title: `${shapeMinutes.at(-1)}+`, width: 5, isNumber: true },
];

function rowOf(destination: string, counts: readonly number[]): string[] {
  const all = counts.reduce((sum, count) => sum + count, 0);
  const cells = Array.from({ length: shapeMinutes.length + 1 }, (_, index) => String(counts[index] ?? 0));
  return [destination, String(all), ...cells];
}
