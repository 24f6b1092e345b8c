/** `posthouse trap list` and `show`. */
import { harmlessText } from '../base/index.ts';
import { listTrapped, openTrapped, type TrappedMessage } from '../trap/index.ts';
import type { Command } from './command.ts';
import { locationOptions, trapFolder } from './configuration.ts';
import { CliError, exitCode } from './exit-code.ts';
import { jsonLine } from './io.ts';
import { formatSize, formatSpan, printList } from './table.ts';

const columns = [
  { title: 'ID', width: 16 },
  { title: 'AGE', width: 4, isNumber: true },
  { title: 'SIZE', width: 7, isNumber: true },
  { title: 'CLIENT', width: 15 },
  { title: 'HELO', width: 20 },
  { title: 'FROM', width: 24 },
  { title: 'TO', width: 30 },
];

/** `posthouse trap list`. It reads the archive, whether the relay runs or not. */
export const trapList: Command = {
  name: 'trap list',
  synopsis: '',
  summary: 'List the messages in the trap, newest first.',
  options: {
    ...locationOptions,
    limit: { value: 'N', help: 'print at most N messages (default: 100)' },
    json: { help: 'one JSON object per line, with the whole envelope' },
  },
  arity: { min: 0, max: 0 },
  async run(args, io) {
    const items = first(Number(args.text('limit') ?? 100), listTrapped(trapFolder(args, io)));
    await printList({ items, columns, rowOf, isJson: args.has('json'), empty: 'the trap is empty' }, io);
    return exitCode.ok;
  },
};

async function* first<T>(limit: number, items: AsyncIterable<T>): AsyncGenerator<T> {
  let count = 0;
  for await (const item of items) {
    if (++count > limit) return;
    yield item;
  }
}

function rowOf({ id, envelope }: TrappedMessage): string[] {
  const { origin, reversePath, recipients, content, receivedAt } = envelope;
  const more = recipients.length > 1 ? ` and ${recipients.length - 1} more` : '';
  return [
    id,
    formatSpan(Date.now() - receivedAt),
    formatSize(content.size),
    origin.client,
    origin.helo,
    reversePath?.text ?? '<>',
    `${recipients[0]?.address.text ?? ''}${more}`,
  ];
}

/** `posthouse trap show`. */
export const trapShow: Command = {
  name: 'trap show',
  synopsis: 'ID',
  summary: 'Show one message of the trap: its client, its envelope and its octets.',
  options: {
    ...locationOptions,
    message: { help: 'print the octets of the message as they came, and nothing else' },
    json: { help: 'the envelope as one JSON object' },
  },
  arity: { min: 1, max: 1 },
  async run(args, io) {
    const id = (args.rest[0] ?? '').toUpperCase();
    const found = await openTrapped(trapFolder(args, io), id);
    if (found === undefined) throw new CliError(exitCode.noInput, `no message "${id}" in the trap`);
    if (args.has('json')) await io.out(jsonLine({ id, envelope: found.envelope }));
    else if (args.has('message')) for await (const chunk of found.octets()) await io.out(chunk);
    else {
      await io.out(`${formatEnvelope(id, found.envelope)}\n`);
      for await (const chunk of found.octets()) await io.out(harmlessOctets(chunk));
    }
    return exitCode.ok;
  },
};

/** A message of a stranger, made safe for the terminal. */
function harmlessOctets(chunk: Buffer): string {
  const lines = chunk.toString('latin1').replaceAll('\t', ' ').split(/\r?\n/);
  return lines.map((line) => harmlessText(line)).join('\n');
}

function formatEnvelope(
  id: string,
  { origin, reversePath, recipients, receivedAt }: TrappedMessage['envelope'],
) {
  const rows: [string, string][] = [
    ['id', id],
    ['received', new Date(receivedAt).toISOString()],
    ['client', origin.client],
    ['helo', origin.helo],
    ['listener', origin.listener],
    ['session', origin.session],
    ['from', reversePath?.text ?? '<>'],
    ...recipients.map(({ address }): [string, string] => ['to', address.text]),
  ];
  return rows.map(([name, value]) => `${name.padEnd(9)}  ${harmlessText(value)}\n`).join('');
}
