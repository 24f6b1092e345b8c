/** `posthouse status`. */
import { connectControl } from '../admin/index.ts';
import { harmlessText } from '../base/index.ts';
import type { RelayStatus } from '../relay/commands.ts';
import { relayCommands } from '../relay/commands.ts';
import type { Command } from './command.ts';
import { controlPath, dataFolder, locationOptions } from './configuration.ts';
import { exitCode } from './exit-code.ts';
import { jsonLine } from './io.ts';
import { formatSpan } from './table.ts';

/** `posthouse status`. */
export const status: Command = {
  name: 'status',
  synopsis: '',
  summary: 'Show whether the relay runs, since when, and how busy it is.',
  options: { ...locationOptions, json: { help: 'the status as one JSON object' } },
  notes: 'Exit 0 when the relay takes mail, 75 when it runs and takes none, 69 when it does not run.',
  arity: { min: 0, max: 0 },
  async run(args, io) {
    const found = await connectControl(controlPath(dataFolder(args, io)), relayCommands).status();
    await io.out(args.has('json') ? jsonLine(found) : format(found));
    return found.state === 'running' && found.spool === 'ok' ? exitCode.ok : exitCode.tempFail;
  },
};

function format(relay: RelayStatus): string {
  const rows = [
    ['relay', `${relay.hostname}, posthouse ${relay.version}, process ${relay.pid}`],
    ['state', `${relay.state} for ${formatSpan(Date.now() - relay.startedAt)}`],
    ['spool', relay.spool],
    ['messages', String(relay.messages)],
    ['sessions', String(relay.sessions)],
    ['listeners', relay.listeners.map(({ role, address }) => `${role} ${address}`).join(', ')],
    ...heldRow(relay),
    ...calloutRows(relay),
    ...alarmRows(relay),
  ] as const;
  return rows.map(([name, value]) => `${name.padEnd(9)}  ${value}\n`).join('');
}

function heldRow({ held }: RelayStatus): readonly (readonly [string, string])[] {
  if (held?.oldestAt === undefined) return [];
  const age = formatSpan(Date.now() - held.oldestAt);
  return [['held', `${held.count}, the oldest for ${age}: see "posthouse queue list --held"`]];
}

function calloutRows({ callouts = [] }: RelayStatus): readonly (readonly [string, string])[] {
  return callouts.map(({ destination, since, count, because }) => {
    const span = formatSpan(Date.now() - since);
    return [
      'verify',
      harmlessText(`${destination} says of nobody whether they exist, ${count} times in ${span}: ${because}`),
    ];
  });
}

function alarmRows({ alarms = [] }: RelayStatus): readonly (readonly [string, string])[] {
  return alarms.map(({ kind, subject, since, because, waiting }) => {
    const count = waiting === undefined ? '' : `, ${waiting} waiting`;
    const span = formatSpan(Date.now() - since);
    return ['ALARM', harmlessText(`${kind} ${subject} for ${span}${count}: ${because}`)];
  });
}
