/** The options that select messages and recipients of the queue. */
import type { Match, Selector } from '../operation/commands.ts';
import type { Arguments, Command, Option } from './command.ts';
import { usage } from './command.ts';
import type { Io } from './io.ts';

/** Messages of one request; the control socket takes no more. */
const maxIds = 1000;

/** The options that choose messages, and recipients of them. */
export const selectorOptions = {
  all: { help: 'every message' },
  to: { value: 'ADDRESS', help: 'waiting recipients at this address or domain' },
  from: { value: 'ADDRESS', help: 'messages from this address or domain; <> for notifications' },
  held: { help: 'recipients that are set aside' },
} as const satisfies Readonly<Record<string, Option>>;

/**
 * Checks the selection of messages before anything is opened. With `needsOne`, a call without a selection is an error
 * and does not mean "everything".
 */
export function checkSelection(command: Command, args: Arguments, needsOne: boolean): void {
  if (args.rest.length > 0 && args.has('all')) throw usage(command, 'give queue ids, or --all, not both');
  const isChoice = args.rest.length > 0 || args.has('all') || Object.keys(matchOf(args)).length > 0;
  if (needsOne && !isChoice) throw usage(command, 'say which messages: queue ids, conditions, or --all');
}

/**
 * The selectors that the arguments mean: queue ids (`-` reads them from standard input, so that lists of
 * any length work), conditions, or both.
 */
export async function* selectorsOf(args: Arguments, io: Io): AsyncGenerator<Selector> {
  const match = matchOf(args);
  if (args.rest.length === 0) {
    yield { match };
    return;
  }
  const hasMatch = Object.keys(match).length > 0;
  for await (const ids of inBatches(args.rest.includes('-') ? wordsOf(io.stdin) : args.rest))
    yield { ids, ...(hasMatch && { match }) };
}

/** The conditions among the arguments. */
export function matchOf(args: Arguments): Match {
  const to = args.text('to');
  const from = args.text('from');
  return {
    ...(to === undefined ? {} : { to }),
    ...(from === undefined ? {} : { from }),
    ...(args.has('held') ? { held: true } : {}),
  };
}

async function* inBatches(words: AsyncIterable<string> | Iterable<string>): AsyncGenerator<string[]> {
  let ids: string[] = [];
  for await (const word of words) {
    ids.push(word.slice(0, 32).toUpperCase());
    if (ids.length < maxIds) continue;
    yield ids;
    ids = [];
  }
  if (ids.length > 0) yield ids;
}

/** The first word of each line, so that the output of `queue list` can be piped back. */
async function* wordsOf(octets: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  let rest = '';
  for await (const chunk of octets) {
    const lines = (rest + Buffer.from(chunk).toString('latin1')).split('\n');
    rest = lines.pop() ?? '';
    yield* lines.map(firstWord).filter((word) => word !== '');
  }
  if (firstWord(rest) !== '') yield firstWord(rest);
}

function firstWord(line: string): string {
  return line.trim().split(/\s/, 1)[0] ?? '';
}
