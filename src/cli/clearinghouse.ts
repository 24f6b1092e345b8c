/** `posthouse clearinghouse status`, `check`, `report`, `revoke`, `allow` and `disallow`. */
import { existsSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { connectControl } from '../admin/index.ts';
import { harmlessText } from '../base/index.ts';
import type { BulkQuestion, BulkVerdict, ClearinghouseStatus } from '../clearinghouse/commands.ts';
import { clearinghouseCommands } from '../clearinghouse/commands.ts';
import { type Arguments, type Command, usage } from './command.ts';
import { controlPath, dataFolder, locationOptions } from './configuration.ts';
import { CliError, exitCode } from './exit-code.ts';
import { type Io, jsonLine, resolvePath } from './io.ts';
import { formatSpan, openTable } from './table.ts';

function connect(args: Arguments, io: Io) {
  return connectControl(controlPath(dataFolder(args, io)), clearinghouseCommands);
}

const columns = [
  { title: 'DOOR', width: 14 },
  { title: 'ADDRESS', width: 24 },
  { title: 'REQUESTS', width: 9, isNumber: true },
  { title: 'REFUSED', width: 8, isNumber: true },
  { title: 'FAULTS', width: 7, isNumber: true },
];

/** `posthouse clearinghouse status`. */
export const clearinghouseStatus: Command = {
  name: 'clearinghouse status',
  synopsis: '',
  summary: 'Show the clusters, doors and peers of the clearinghouse.',
  options: { ...locationOptions, json: { help: 'one JSON object' } },
  arity: { min: 0, max: 0 },
  async run(args, io) {
    const status = await connect(args, io).clearinghouseStatus();
    if (args.has('json')) await io.out(jsonLine(status));
    else await printStatus(status, io);
    return exitCode.ok;
  },
};

async function printStatus(status: ClearinghouseStatus, io: Io): Promise<void> {
  const { clusters, most, counted, reporters, passedOver, allowed, doors, peers } = status;
  await io.out(
    `${counted} messages counted since the start; ${clusters} of ${most} clusters, ${allowed} allowed; ${reporters} reporters, ${passedOver} of whose reports were passed over\n`,
  );
  for (const { name, isLinked } of peers ?? [])
    await io.out(`peer ${harmlessText(name)}: ${isLinked ? 'linked' : 'no link'}\n`);
  if (doors.length === 0) return;
  const table = openTable(columns, io);
  for (const { name, address, requests, refused, faults } of doors)
    await table.row([name, address, String(requests), String(refused), String(faults)]);
}

type Verb = Exclude<BulkQuestion['verb'], 'learn'>;

const summaries: Readonly<Record<Verb, string>> = {
  check: 'Show the verdict about a message and its reasons. Counts nothing.',
  report: 'Report a message as spam.',
  revoke: 'Report a message as wanted.',
  allow: 'Ignore the counts of a message and its copies.',
  disallow: 'Count a message and its copies again.',
};

/** `posthouse clearinghouse check`, `report`, `revoke`, `allow` and `disallow`. */
export function clearinghouseAsk(verb: Verb): Command {
  const command: Command = {
    name: `clearinghouse ${verb}`,
    synopsis: '[FILE|CLUSTER|-]',
    summary: summaries[verb],
    options: { ...locationOptions, json: { help: 'the verdict as a JSON object' } },
    notes: `
FILE has the message as it came, with its header; - or nothing is standard input. CLUSTER is a name from a verdict, such
as 1r-1; a file of that name comes first.${verb === 'check' ? ' Exit status 1 for bulk, else 0.' : ''}`,
    arity: { min: 0, max: 1 },
    async run(args, io) {
      const [which = '-'] = args.rest;
      const isCluster = /^[0-9a-z]{1,7}-[0-9a-z]{1,7}$/.test(which) && !existsSync(resolvePath(io, which));
      if (which === '-' && io.isTerminal.stdin)
        throw usage(command, 'a file or the name of a cluster is missing');
      const question: BulkQuestion = isCluster ? { verb, cluster: which } : { verb };
      const verdict = await connect(args, io).clearinghouseAsk(
        question,
        isCluster ? nothing() : which === '-' ? io.stdin : await fileOf(resolvePath(io, which)),
        new AbortController().signal,
      );
      if (args.has('json')) await io.out(jsonLine(verdict));
      else await io.out(formatBulkVerdict(verdict, Date.now()));
      return verb === 'check' && verdict.isBulk && !verdict.isAllowed ? 1 : exitCode.ok;
    },
  };
  return command;
}

async function* nothing(): AsyncGenerator<Uint8Array> {}

/** Opened before the relay is asked, so that an unreadable file is reported at once. */
async function fileOf(path: string): Promise<AsyncIterable<Uint8Array>> {
  try {
    const file = await open(path);
    if ((await file.stat()).isDirectory()) {
      await file.close();
      throw new Error('it is a folder');
    }
    return file.createReadStream();
  } catch (error) {
    throw new CliError(
      exitCode.noInput,
      `cannot read "${path}": ${error instanceof Error ? error.message : error}`,
    );
  }
}

/** In words, the verdict first. */
function formatBulkVerdict(verdict: BulkVerdict, now: number): string {
  const { count, exact, reported, revoked, confidence, cluster, firstSeen, lastSeen, matched = [] } = verdict;
  const words = [
    verdict.isBulk ? 'bulk' : 'not bulk',
    ...(verdict.isReported ? ['reported'] : []),
    ...(verdict.isContested ? ['contested'] : []),
    ...(verdict.isAllowed ? ['allowed'] : []),
  ];
  const lines = [`${words.join(', ')} (confidence ${confidence})`];
  if (cluster === undefined) lines.push('nothing like it is known');
  else {
    lines.push(
      `cluster ${cluster}, by ${verdict.via}; copies to ${count} recipients, ${exact} of them identical`,
    );
    lines.push(`reports ${reported.toFixed(1)}, revocations ${revoked.toFixed(1)} (weighed)`);
  }
  if (firstSeen !== undefined && lastSeen !== undefined)
    lines.push(`first seen ${formatSpan(now - firstSeen)} ago, last ${formatSpan(now - lastSeen)} ago`);
  if (matched.length > 0)
    lines.push('in common with the copies:', ...matched.map((text) => `  ${harmlessText(text)}`));
  return `${lines.join('\n')}\n`;
}
