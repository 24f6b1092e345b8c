/** Follows a sent message and prints the fate of each recipient. */
import { ControlError } from '../admin/index.ts';
import { harmlessText } from '../base/index.ts';
import type { SubmitEvent } from '../local-mail/commands.ts';
import { CliError, type ExitCode, exitCode } from './exit-code.ts';
import { type Io, jsonLine } from './io.ts';
import { formatSpan } from './table.ts';

type Fate = Extract<SubmitEvent, { readonly event: 'fate' }>;
type Refused = Extract<SubmitEvent, { readonly event: 'refused' }>;

/**
 * Follows a message until every recipient has its fate, and resolves with the exit code. A terminal shows events as
 * they happen; a pipe gets one line for each recipient at the end, the queue id first (`-` where there is none). Once
 * the message was accepted, losing the relay is no failure: repeating the command would send the message twice.
 */
export async function reportFates(
  events: AsyncIterable<SubmitEvent>,
  to: readonly string[],
  { io, isJson }: { readonly io: Io; readonly isJson: boolean },
): Promise<ExitCode> {
  const isLive = !isJson && io.isTerminal.stdout;
  const fates = new Fates(to);
  try {
    for await (const event of events) {
      fates.add(event);
      if (isJson) await io.out(jsonLine(event));
      else if (isLive) await io.out(`${harmlessText(describe(event))}\n`);
      if (fates.areComplete) break;
    }
  } catch (error) {
    if (!(error instanceof ControlError) || fates.queueId === undefined) throw error;
  }
  if (!isJson && !isLive) for (const line of fates.lines()) await io.out(`${harmlessText(line)}\n`);
  if (!fates.areOpen) return fates.exitCode;
  const where = fates.queueId === undefined ? '' : `: ${fates.queueId} is with the relay`;
  throw new CliError(exitCode.tempFail, `not every fate is known yet${where}`);
}

/** The fates of a message's recipients. The relay may report others than were named: those that an alias stands for. */
class Fates {
  readonly #named: ReadonlySet<string>;
  readonly #byRecipient = new Map<string, Fate | Refused>();
  #expected: number;
  queueId: string | undefined;

  constructor(named: readonly string[]) {
    this.#named = new Set(named);
    this.#expected = this.#named.size;
  }

  add(event: SubmitEvent): void {
    switch (event.event) {
      case 'accepted':
        this.queueId = event.queueId;
        this.#expected = event.recipients;
        return;
      case 'fate':
        if (event.status !== 'pending') this.#byRecipient.set(event.to, event);
        return;
      case 'refused':
        for (const to of event.to === undefined ? this.#named : [event.to])
          this.#byRecipient.set(to, { ...event, to });
    }
  }

  get areComplete(): boolean {
    return this.#byRecipient.size >= this.#expected;
  }

  /** A relay refuses a message as a whole, whichever recipient it names; then there is nothing to wait for. */
  get areOpen(): boolean {
    const isRefused = this.queueId === undefined && this.#byRecipient.size > 0;
    return !this.areComplete && !isRefused;
  }

  get exitCode(): ExitCode {
    const codes = new Set([...this.#byRecipient.values()].map(codeOf));
    return [exitCode.unavailable, exitCode.tempFail].find((code) => codes.has(code)) ?? exitCode.ok;
  }

  lines(): readonly string[] {
    const id = this.queueId ?? '-';
    const known = [...this.#byRecipient.values()].map((event) => `${id} ${describe(event)}`);
    if (this.areComplete) return known;
    const others = [...this.#named].filter((to) => !this.#byRecipient.has(to));
    return [...known, ...others.map((to) => `${id} ${to}: ${this.areOpen ? 'pending' : 'not sent'}`)];
  }
}

function codeOf(event: Fate | Refused): ExitCode {
  if (event.event === 'refused')
    return event.reply.startsWith('4') ? exitCode.tempFail : exitCode.unavailable;
  switch (event.status) {
    case 'delivered':
    case 'redirected':
      return exitCode.ok;
    case 'bounced':
    case 'expired':
    case 'removed':
      return exitCode.unavailable;
    case 'deferred':
    case 'held':
    case 'pending':
      return exitCode.tempFail;
  }
}

function describe(event: SubmitEvent): string {
  switch (event.event) {
    case 'accepted':
      return `accepted as ${event.queueId}`;
    case 'refused':
      return `${event.to === undefined ? 'refused' : `${event.to}: refused`}: ${event.reply}`;
    case 'fate': {
      const relay = event.relay === undefined ? '' : ` by ${event.relay}`;
      const after = event.delayMs === undefined ? '' : ` after ${formatDelay(event.delayMs)}`;
      const reply = event.reply === undefined ? '' : `: ${event.reply}`;
      return `${event.to}: ${event.status}${relay}${after}${reply}`;
    }
  }
}

function formatDelay(ms: number): string {
  return ms < 1000 ? `${Math.round(ms)} ms` : formatSpan(ms);
}
