/** `posthouse queue show`. */
import { harmlessText } from '../base/index.ts';
import type { QueueItem } from '../operation/commands.ts';
import type { Command } from './command.ts';
import { CliError, exitCode } from './exit-code.ts';
import { jsonLine } from './io.ts';
import { locationOptions, openQueue } from './queue-access.ts';
import { formatSize, formatSuspension } from './table.ts';

/** `posthouse queue show`. */
export const queueShow: Command = {
  name: 'queue show',
  synopsis: 'ID',
  summary: 'Show one message: its envelope, the status of each recipient, and its header.',
  options: {
    ...locationOptions,
    message: { help: 'print the octets of the message, and nothing else' },
    json: { help: 'the envelope as one JSON object' },
  },
  arity: { min: 1, max: 1 },
  async run(args, io) {
    const id = (args.rest[0] ?? '').toUpperCase();
    await using queue = await openQueue(args, io);
    if (args.has('message')) {
      for await (const chunk of queue.octets({ id })) await io.out(chunk);
      return exitCode.ok;
    }
    for await (const item of queue.list({ selector: { ids: [id] } })) {
      if (args.has('json')) await io.out(jsonLine(item));
      else await io.out(`${formatItem(item)}\n${await headerOf(queue.octets({ id }))}`);
      return exitCode.ok;
    }
    throw new CliError(exitCode.noInput, `no message "${id}" in the queue`);
  },
};

function formatItem(item: QueueItem): string {
  const rows: [string, string][] = [
    ['id', item.id],
    ['from', item.from === '' ? '<>' : item.from],
    ['received', `${new Date(item.receivedAt).toISOString()} from ${item.client} (${item.ground})`],
    ['size', formatSize(item.size)],
  ];
  for (const recipient of item.recipients) {
    rows.push(['to', `${recipient.to}: ${recipient.status}`]);
    const details: [string, string | undefined][] = [
      ['held', recipient.held],
      ['waits', recipient.suspended && formatSuspension(recipient.suspended)],
      ['attempts', recipient.attempts?.toString()],
      ['last', recipient.at === undefined ? undefined : new Date(recipient.at).toISOString()],
      ['relay', recipient.relay],
      ['reply', recipient.reply],
      ['next', recipient.nextAt === undefined ? undefined : new Date(recipient.nextAt).toISOString()],
    ];
    for (const [name, value] of details) if (value !== undefined) rows.push([`  ${name}`, value]);
  }
  return rows.map(([name, value]) => `${name.padEnd(10)}  ${harmlessText(value)}\n`).join('');
}

/** The header, made harmless for a terminal; at most 64 KiB of it. */
async function headerOf(octets: AsyncIterable<Uint8Array>): Promise<string> {
  let text = '';
  for await (const chunk of octets) {
    text += Buffer.from(chunk).toString('utf8');
    const end = text.indexOf('\r\n\r\n');
    if (end >= 0) text = text.slice(0, end + 2);
    if (end >= 0 || text.length > 64 * 1024) break;
  }
  return text
    .split('\r\n')
    .map((line) => harmlessText(line.replaceAll('\t', ' ')))
    .join('\n');
}
