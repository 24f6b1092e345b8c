/** `posthouse guard list`, `show`, `release`, `remove`, `allow` and `disallow`. */
import { connectControl } from '../admin/index.ts';
import { harmlessText } from '../base/index.ts';
import type { GuardChange, GuardItem } from '../guard/commands.ts';
import { guardCommands } from '../guard/commands.ts';
import { queueCommands } from '../operation/commands.ts';
import { type Arguments, type Command, usage } from './command.ts';
import { controlPath, dataFolder, locationOptions } from './configuration.ts';
import { CliError, exitCode } from './exit-code.ts';
import { type Io, jsonLine } from './io.ts';
import { formatSize, formatSpan, printList } from './table.ts';

type HoldItem = Extract<GuardItem, { kind: 'hold' }>;

function connect(args: Arguments, io: Io) {
  return connectControl(controlPath(dataFolder(args, io)), { ...guardCommands, ...queueCommands });
}

const columns = [
  { title: 'ID', width: 8 },
  { title: 'AGE', width: 4, isNumber: true },
  { title: 'STATE', width: 9 },
  { title: 'MESSAGES', width: 8, isNumber: true },
  { title: 'SIZE', width: 7, isNumber: true },
  { title: 'SUBJECT', width: 30 },
  { title: 'BECAUSE', width: 30 },
];

/** `posthouse guard list`. */
export const guardList: Command = {
  name: 'guard list',
  synopsis: '',
  summary: 'List the holds of the guard, and the allowances.',
  options: { ...locationOptions, json: { help: 'one JSON object per line' } },
  arity: { min: 0, max: 0 },
  async run(args, io) {
    const items = connect(args, io).guardList();
    await printList({ items, columns, rowOf, isJson: args.has('json'), empty: 'no sender is held' }, io);
    return exitCode.ok;
  },
};

function rowOf(item: GuardItem): string[] {
  const age = formatSpan(Date.now() - item.since);
  if (item.kind === 'allowance') {
    const isForGood = item.until - Date.now() > 100 * 365 * 86_400_000;
    const until = isForGood ? '' : ` until ${new Date(item.until).toISOString()}`;
    return ['-', age, 'allowed', '-', '-', item.subject, `by the operator${until}`];
  }
  const state = item.isFull ? 'full' : item.state;
  const { id, messages, octets, subject, because } = item;
  return [id, age, state, String(messages), formatSize(octets), subject, because];
}

/** `posthouse guard show`. */
export const guardShow: Command = {
  name: 'guard show',
  synopsis: 'ID',
  summary: 'Show one hold: the sender, the reason, and the ids of its messages.',
  options: { ...locationOptions, json: { help: 'the hold, then one JSON object per message' } },
  notes: 'One message can be looked at by "posthouse queue show", and released or removed by itself there.',
  arity: { min: 1, max: 1 },
  async run(args, io) {
    const control = connect(args, io);
    const id = (args.rest[0] ?? '').toUpperCase();
    const hold = await findHold(control.guardList(), id);
    if (hold === undefined) throw new CliError(exitCode.noInput, `no hold "${id}"`);
    await io.out(args.has('json') ? jsonLine(hold) : formatHold(hold));
    for await (const item of control.list({ selector: { match: { held: true } } })) {
      if (!item.recipients.some(({ held }) => held?.startsWith(`guard ${id}:`))) continue;
      const to = item.recipients.map((recipient) => recipient.to);
      const more = to.length > 1 ? ` and ${to.length - 1} more` : '';
      const line = `${item.id}  ${formatSize(item.size)}  from ${item.client}  to ${to[0] ?? ''}${more}`;
      await io.out(args.has('json') ? jsonLine(item) : `${harmlessText(line)}\n`);
    }
    return exitCode.ok;
  },
};

async function findHold(items: AsyncIterable<GuardItem>, id: string): Promise<HoldItem | undefined> {
  for await (const item of items) if (item.kind === 'hold' && item.id === id) return item;
  return undefined;
}

function formatHold(hold: HoldItem): string {
  const rows = [
    ['id', hold.id],
    ['subject', hold.subject],
    ['since', new Date(hold.since).toISOString()],
    ['because', hold.because],
    ['state', hold.isFull ? `${hold.state}, full: more is refused with 452` : hold.state],
    ['kept', `${hold.messages} messages, ${formatSize(hold.octets)}`],
    ['last', new Date(hold.lastAt).toISOString()],
  ] as const;
  return rows.map(([name, value]) => `${name.padEnd(9)}  ${harmlessText(value)}\n`).join('');
}

/** The commands that decide about held mail. */
export function guardDecision(verb: 'release' | 'remove'): Command {
  const isRelease = verb === 'release';
  return {
    name: `guard ${verb}`,
    synopsis: 'ID',
    summary: isRelease
      ? 'Deliver all mail of a hold; the sender begins anew.'
      : 'Delete all mail of a hold without a notice; the sender remains held.',
    options: { ...locationOptions, json: { help: 'the number of messages as a JSON object' } },
    notes: 'If a crash interrupts it, it is completed at the next start.',
    arity: { min: 1, max: 1 },
    async run(args, io) {
      const { messages = 0 } = await change(args, io, { verb, id: args.rest[0] ?? '' });
      if (args.has('json')) await io.out(jsonLine({ messages }));
      else await io.out(`${messages} ${messages === 1 ? 'message' : 'messages'} ${verb}d\n`);
      return exitCode.ok;
    },
  };
}

/** `posthouse guard allow`. */
export const guardAllow: Command = {
  name: 'guard allow',
  synopsis: 'SUBJECT',
  summary: 'Exempt a sender from the budgets.',
  options: {
    ...locationOptions,
    for: { value: 'DURATION', help: 'for so long, as 12h or 30d (default: until "guard disallow")' },
    json: { help: 'the subject as a JSON object' },
  },
  notes: `
SUBJECT is a user as in "guard list" (identity:alice), or an IP address (address:192.0.2.1 as a client of an open
relay, network:10.0.0.1 as one in relay.networks). A client of an open relay keeps the highest budgets that there
are: an open relay without a guard is not to be had. A hold that stands already has to be released.
`,
  arity: { min: 1, max: 1 },
  async run(args, io) {
    const forMs = durationOf(args.text('for'));
    const named = args.rest[0] ?? '';
    const made = await change(args, io, { verb: 'allow', subject: named, ...(forMs && { forMs }) });
    await io.out(args.has('json') ? jsonLine(made) : `${harmlessText(made.subject ?? named)} is allowed\n`);
    return exitCode.ok;
  },
};

/** `posthouse guard disallow`. */
export const guardDisallow: Command = {
  name: 'guard disallow',
  synopsis: 'SUBJECT',
  summary: 'End the exemption of a sender.',
  options: { ...locationOptions, json: { help: 'the subject as a JSON object' } },
  arity: { min: 1, max: 1 },
  async run(args, io) {
    const made = await change(args, io, { verb: 'disallow', subject: args.rest[0] ?? '' });
    await io.out(args.has('json') ? jsonLine(made) : `${harmlessText(made.subject ?? '')} has budgets\n`);
    return exitCode.ok;
  },
};

function change(args: Arguments, io: Io, what: GuardChange) {
  return connect(args, io).guardChange(what);
}

const unitMs: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 };

function durationOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const match = /^(\d{1,5})([mhdw])$/.exec(text);
  const ms = Number(match?.[1] ?? 0) * (unitMs[match?.[2] ?? ''] ?? 0);
  if (ms === 0) throw usage(guardAllow, `not a duration: "${text}"`);
  return ms;
}
