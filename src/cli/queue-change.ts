import type { Changed, QueueChange } from '../admin/index.ts';
import { harmlessText } from '../base/index.ts';
import { parseMailbox } from '../mail/index.ts';
import { type Arguments, type Command, type Option, usage } from './command.ts';
import { exitCode } from './exit-code.ts';
import type { Io } from './io.ts';
import { connectQueue, locationOptions } from './queue-access.ts';
import { selectorOptions, selectorsOf } from './queue-selector.ts';
import { formatSuspension } from './table.ts';

/** The commands that change messages, each with what it takes besides a selection. */
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
    summary: 'Set messages aside: no attempt until they are released.',
    done: 'held',
    options: { because: { value: 'TEXT', help: 'the reason, which the lists show' } },
    change: (args) => ({ verb: 'hold', because: args.text('because') ?? 'held by the operator' }),
  },
  release: {
    summary: 'Release messages that were held, and try them now.',
    done: 'released',
    change: () => ({ verb: 'release' }),
  },
  flush: {
    summary: 'Try messages now, whatever their next time would be.',
    done: 'flushed',
    notes: `
Prints the ids that are due now, then waits a few seconds for the destinations. One that takes nothing is named
on standard error (with --json: an object with lane, until, reply); what waits for it is tried at that time.
`,
    change: () => ({ verb: 'flush' }),
  },
  remove: {
    summary: 'Remove messages. Nobody is told.',
    done: 'removed',
    change: () => ({ verb: 'remove' }),
  },
  bounce: {
    summary: 'Return messages to their senders.',
    done: 'bounced',
    options: { because: { value: 'TEXT', help: 'the reason, which the sender is told' } },
    change: (args) => ({ verb: 'bounce', because: args.text('because') ?? '' }),
  },
  redirect: {
    summary: 'Send messages to another address: recipients that still wait are replaced by it.',
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
      json: { help: 'the ids as JSON strings' },
    },
    notes: `${notes}Conditions are joined by "and". The id "-" reads ids from standard input.`,
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
async function apply({ command, args, io, change, done }: Call): Promise<number> {
  const control = connectQueue(args, io);
  let count = 0;
  for await (const selector of selectorsOf(command, { args, io, needsOne: true })) {
    for await (const changed of control.change(change, selector)) {
      if (typeof changed === 'string') count++;
      if (args.has('json')) await io.out(`${JSON.stringify(changed)}\n`);
      else if (typeof changed === 'string') await io.out(`${changed}\n`);
      else io.err(`${harmlessText(formatUntried(changed))}\n`);
    }
  }
  if (io.isTerminal.stderr) io.err(`${count} ${count === 1 ? 'message' : 'messages'} ${done}\n`);
  return count === 0 && args.rest.length > 0 ? exitCode.noInput : exitCode.ok;
}
