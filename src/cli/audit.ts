/** `posthouse audit`. */
import { connectControl } from '../admin/index.ts';
import type { AuditEvent } from '../audit/commands.ts';
import { auditCommands } from '../audit/commands.ts';
import { harmlessText } from '../base/index.ts';
import type { Command } from './command.ts';
import { controlPath, dataFolder, locationOptions } from './configuration.ts';
import { exitCode } from './exit-code.ts';
import { type Io, jsonLine } from './io.ts';
import { openTable } from './table.ts';

/** Verdicts that are as they should be; others are shown case by case. */
const quiet: ReadonlySet<string> = new Set(['refused', 'auth-required', 'kept']);
const exits = { closed: exitCode.ok, open: exitCode.open, inconclusive: exitCode.tempFail } as const;

/** `posthouse audit`. */
export const audit: Command = {
  name: 'audit',
  synopsis: '',
  summary: 'Attack the running relay as spammers do; the mail that arrives shows whether it is open.',
  options: {
    ...locationOptions,
    verbose: { short: 'v', help: 'show every case, not only those that were not refused' },
    json: { help: 'one JSON object per line: each case with its dialogue, and the verdicts' },
  },
  notes: `
The relay attacks each of its own listeners with the whole battery of open-relay tests, posing as a stranger.
Its mail goes to a domain that exists for the run only and ends in a sink inside the relay: nothing leaves the
machine. Exit 0 when the relay is closed, 1 when it is open, 75 when that could not be shown.`,
  arity: { min: 0, max: 0 },
  async run(args, io) {
    const events = connectControl(controlPath(dataFolder(args, io)), auditCommands).audit();
    const report = args.has('json') ? jsonReport(io) : textReport(io, args.has('verbose'));
    let code: number = exitCode.software;
    for await (const event of events) {
      await report(event);
      if (event.event === 'end') code = exits[event.verdict];
    }
    return code;
  },
};

type Report = (event: AuditEvent) => Promise<void>;

function jsonReport(io: Io): Report {
  return (event) => io.out(jsonLine(event));
}

function textReport(io: Io, isVerbose: boolean): Report {
  const listeners: (AuditEvent & { readonly event: 'listener' })[] = [];
  const cases = openTable(
    [
      { title: 'LISTENER', width: 12 },
      { title: 'OVER', width: 8 },
      { title: 'VERDICT', width: 20 },
      { title: 'TESTS', width: 36 },
      { title: 'TO, ARRIVED', width: 20 },
    ],
    io,
  );
  return async (event) => {
    switch (event.event) {
      case 'begin':
        if (io.isTerminal.stderr) io.err(`audit ${event.run}: ${event.attacks} attacks\n`);
        return;
      case 'case': {
        if (!isVerbose && quiet.has(event.verdict)) return;
        const arrived =
          event.arrived.length === 0 ? '' : ` → ${event.arrived.join(', ')} by ${event.lanes.join(', ')}`;
        await cases.row([event.listener, event.over, event.verdict, event.tests, `${event.to}${arrived}`]);
        return;
      }
      case 'listener':
        listeners.push(event);
        if (io.isTerminal.stderr)
          io.err(`${event.listener} ${event.over} ${event.domain}: ${event.verdict}\n`);
        return;
      case 'end':
        await summary(io, listeners);
        await io.out(`\n${event.verdict}: ${harmlessText(event.because)}\n`);
    }
  };
}

async function summary(
  io: Io,
  listeners: readonly (AuditEvent & { readonly event: 'listener' })[],
): Promise<void> {
  const table = openTable(
    [
      { title: 'LISTENER', width: 12 },
      { title: 'ROLE', width: 11 },
      { title: 'ADDRESS', width: 21 },
      { title: 'OVER', width: 14 },
      { title: 'AS', width: 20 },
      { title: 'CASES', width: 5, isNumber: true },
      { title: 'VERDICT', width: 12 },
      { title: 'BECAUSE', width: 20 },
    ],
    io,
  );
  for (const { listener, role, address, over, domain, verdict, because, counts } of listeners) {
    const count = Object.values(counts).reduce((sum, one) => sum + one, 0);
    await table.row([listener, role, address, over, domain, String(count), verdict, because]);
  }
}
