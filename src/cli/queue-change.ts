/** `posthouse queue hold`, `release`, `flush`, `remove`, `bounce` and `redirect`. */
import { harmlessText } from '../base/index.ts';
import { parseMailbox } from '../mail/index.ts';
import type { Changed, Planned, QueueChange } from '../operation/commands.ts';
import { type Arguments, type Command, type Option, usage } from './command.ts';
import { exitCode } from './exit-code.ts';
import { type Io, jsonLine } from './io.ts';
import { locationOptions, openQueue } from './queue-access.ts';
import { checkSelection, selectorOptions, selectorsOf } from './queue-selector.ts';
import type { OpenQueue } from './stopped-queue.ts';
import { formatSuspension } from './table.ts';

/** The commands that change messages, each with its arguments besides a selection. */
const verbs: Readonly<
  Record<
    QueueChange['verb'],
    {
      readonly summary: string;
      readonly done: string;
      readonly notes?: string;
      readonly options?: Readonly<Record<string, Option>>;
      readonly change: (args: Arguments, command: Command) => QueueChange;
    }
  >
> = {
  hold: {
    summary: 'Hold recipients of messages: no attempt until they are released.',
    done: 'held',
    options: { because: { value: 'TEXT', help: 'the reason, which the lists show' } },
    change: (args) => ({ verb: 'hold', because: args.text('because') ?? 'held by the operator' }),
  },
  release: {
    summary: 'Release held recipients, and try them now.',
    done: 'released',
    change: () => ({ verb: 'release' }),
  },
  flush: {
    summary: 'Try waiting recipients now, before their due time.',
    done: 'flushed',
    notes: `
Prints the ids that are due now, then waits a few seconds for the destinations. One that takes nothing is named
on standard error (with --json: an object with lane, until, reply); what waits for it is tried at that time.
`,
    change: () => ({ verb: 'flush' }),
  },
  remove: {
    summary: 'Delete messages, or recipients of them, without a notice.',
    done: 'removed',
    change: () => ({ verb: 'remove' }),
  },
  bounce: {
    summary: 'Return messages to their senders, for the selected recipients.',
    done: 'bounced',
    options: { because: { value: 'TEXT', help: 'the reason, which the sender is told' } },
    change: (args) => ({ verb: 'bounce', because: args.text('because') ?? '' }),
  },
  redirect: {
    summary: 'Send messages to another address, instead of the selected recipients.',
    done: 'redirected',
    options: { recipient: { value: 'ADDRESS', help: 'the new recipient (required)' } },
    change: (args, command) => {
      const to = args.text('recipient');
      if (to === undefined) throw usage(command, '--recipient is missing');
      if (parseMailbox(to, { smtputf8: true }) === undefined)
        throw usage(command, `"${to}" is not an address`);
      return { verb: 'redirect', to };
    },
  },
};

const commonNotes = `
Conditions are joined by "and", also with ids; the id "-" reads ids from standard input. --to and --held name
recipients: the others of the same message go on as they were, unless you say --whole.
`;

/** `posthouse queue hold`, `release`, `flush`, `remove`, `bounce`, `redirect`. */
export function queueChange(verb: QueueChange['verb']): Command {
  const { summary, notes = '', options = {}, done, change } = verbs[verb];
  const command: Command = {
    name: `queue ${verb}`,
    synopsis: '[ID …]',
    summary,
    options: {
      ...locationOptions,
      ...selectorOptions,
      ...options,
      whole: { help: 'all waiting recipients of a message of which some are named' },
      'dry-run': { help: 'change nothing; print the change of each message and recipient' },
      yes: { help: 'do not ask' },
      json: { help: 'the ids as JSON strings; with --dry-run an object for each message' },
    },
    notes: `${notes}${commonNotes}`,
    arity: { min: 0, max: Number.POSITIVE_INFINITY },
    run: (args, io) => apply({ command, args, io, change: change(args, command), done }),
  };
  return command;
}

interface Call {
  readonly command: Command;
  readonly args: Arguments;
  readonly io: Io;
  readonly change: QueueChange;
  readonly done: string;
}

function formatUntried(of: Exclude<Changed, string>): string {
  return `${of.lane}: what waits there is not tried now, ${formatSuspension(of)}`;
}

/** Exit 66 when there were ids and none of them is in the queue. */
async function apply(call: Call): Promise<number> {
  const { command, args, io, change, done } = call;
  checkSelection(command, args, true);
  await using control = await openQueue(args, io);
  const reach = args.has('whole') ? { whole: true } : {};
  let count = 0;
  for await (const selector of selectorsOf(args, io)) {
    const untouched = new Set('ids' in selector && !args.rest.includes('-') ? selector.ids : []);
    const what = { change, selector, reach };
    if (!args.has('dry-run') && isAsked(call) && !(await agrees(call, control.plan(what)))) continue;
    const reached = args.has('dry-run')
      ? printPlan(call, control.plan(what))
      : printChanges(call, control.change(what));
    for await (const id of reached) {
      count++;
      untouched.delete(id);
    }
    await tellMissing(untouched, control, io);
  }
  if (io.isTerminal.stderr)
    io.err(
      `${count} ${count === 1 ? 'message' : 'messages'} ${args.has('dry-run') ? 'would be ' : ''}${done}\n`,
    );
  return count === 0 && args.rest.length > 0 ? exitCode.noInput : exitCode.ok;
}

/** Prints a plan, and yields the ids of its messages. */
async function* printPlan({ args, io, done }: Call, plan: AsyncIterable<Planned>): AsyncGenerator<string> {
  for await (const planned of plan) {
    await io.out(args.has('json') ? jsonLine(planned) : formatPlan(planned, done));
    yield planned.id;
  }
}

/** Prints changes as they are made, and yields the ids of the changed messages. */
async function* printChanges({ args, io }: Call, changes: AsyncIterable<Changed>): AsyncGenerator<string> {
  for await (const changed of changes) {
    if (args.has('json')) await io.out(jsonLine(changed));
    else if (typeof changed === 'string') await io.out(`${changed}\n`);
    else io.err(`${harmlessText(formatUntried(changed))}\n`);
    if (typeof changed === 'string') yield changed;
  }
}

/** Names those of the ids on standard error that are no message. */
async function tellMissing(ids: ReadonlySet<string>, queue: OpenQueue, io: Io): Promise<void> {
  if (ids.size === 0) return;
  const missing = new Set(ids);
  for await (const { id } of queue.list({ selector: { ids: [...ids] } })) missing.delete(id);
  for (const id of missing) io.err(`posthouse: no message "${harmlessText(id)}" in the queue\n`);
}

function formatPlan({ id, recipients, left }: Planned, done: string): string {
  const others = left.length === 0 ? '' : `; not touched: ${left.join(', ')}`;
  return `${harmlessText(`${id} would be ${done}: ${recipients.join(', ')}${others}`)}\n`;
}

/** Messages of a plan that a person is shown before it is asked. */
const maxShown = 20;

function isAsked({ args, io }: Call): boolean {
  return args.has('whole') && !args.has('yes') && io.isTerminal.stdin && io.isTerminal.stderr;
}

/** Shows the messages and recipients affected beyond the named ones, and asks for confirmation. */
async function agrees({ io, done }: Call, plan: AsyncIterable<Planned>): Promise<boolean> {
  let unnamed = 0;
  let shown = 0;
  for await (const planned of plan) {
    if (planned.unnamed.length === 0) continue;
    unnamed += planned.unnamed.length;
    if (++shown > maxShown) continue;
    io.err(formatPlan(planned, done));
  }
  if (unnamed === 0) return true;
  const more = shown > maxShown ? ` in ${shown} messages` : '';
  const answer = await io.ask(`${unnamed} of these recipients${more} you did not name. Go on? [y/N] `);
  return /^y(?:es)?$/i.test(answer.trim());
}
