/** `posthouse queue list`, and `mailq`. */
import type { QueueItem } from '../operation/commands.ts';
import type { Arguments, Command } from './command.ts';
import { exitCode } from './exit-code.ts';
import type { Io } from './io.ts';
import { locationOptions, openQueue } from './queue-access.ts';
import { checkSelection, matchOf, selectorOptions, selectorsOf } from './queue-selector.ts';
import type { OpenQueue } from './stopped-queue.ts';
import { formatSize, formatSpan, formatSuspension, printList } from './table.ts';

/** `posthouse queue list`. Rows are printed as they come, whatever the length of the queue. */
export const queueList: Command = {
  name: 'queue list',
  synopsis: '[ID …]',
  summary: 'List the messages in the queue, oldest first.',
  options: { ...locationOptions, ...selectorOptions, json: { help: 'one JSON object per line' } },
  arity: { min: 0, max: Number.POSITIVE_INFINITY },
  async run(args, io) {
    checkSelection(queueList, args, false);
    await using queue = await openQueue(args, io);
    // Awaited, because the queue is closed when this function returns.
    return await listQueue(args, io, queue);
  },
};

/** The listing itself, also for `mailq`. */
export async function listQueue(args: Arguments, io: Io, queue: OpenQueue): Promise<number> {
  const isAll = args.rest.length === 0 && Object.keys(matchOf(args)).length === 0;
  const empty = isAll ? 'the queue is empty' : 'no such message is in the queue';
  const items = selected(args, io, queue);
  await printList({ items, columns, rowOf, isJson: args.has('json'), empty }, io);
  return exitCode.ok;
}

async function* selected(args: Arguments, io: Io, queue: OpenQueue): AsyncGenerator<QueueItem> {
  for await (const selector of selectorsOf(args, io)) yield* queue.list({ selector });
}

const columns = [
  { title: 'ID', width: 16 },
  { title: 'AGE', width: 4, isNumber: true },
  { title: 'SIZE', width: 7, isNumber: true },
  { title: 'STATUS', width: 8 },
  { title: 'NEXT', width: 4, isNumber: true },
  { title: 'FROM', width: 24 },
  { title: 'TO', width: 30 },
];

function rowOf(item: QueueItem): string[] {
  const waiting = item.recipients.filter(({ status }) => isWaiting(status));
  const first = waiting[0] ?? item.recipients[0];
  const nextAt = Math.min(...waiting.flatMap(({ nextAt }) => (nextAt === undefined ? [] : [nextAt])));
  const more = waiting.length > 1 ? ` and ${waiting.length - 1} more` : '';
  const why = first?.held ?? (first?.suspended ? formatSuspension(first.suspended) : first?.reply);
  return [
    item.id,
    formatSpan(Date.now() - item.receivedAt),
    formatSize(item.size),
    first?.status ?? '',
    Number.isFinite(nextAt) ? formatSpan(nextAt - Date.now()) : '-',
    item.from === '' ? '<>' : item.from,
    `${first?.to ?? ''}${more}${why === undefined ? '' : ` (${why})`}`,
  ];
}

function isWaiting(status: QueueItem['recipients'][number]['status']): boolean {
  return status === 'pending' || status === 'deferred' || status === 'held';
}
