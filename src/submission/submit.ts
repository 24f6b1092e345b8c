/** Answers the control command that sends a message. */
import type { LogFields } from '../base/index.ts';
import { type Address, formatReplyText, parseMailbox } from '../mail/index.ts';
import type { Submission, SubmissionControl, SubmitEvent } from './commands.ts';
import type { Followers } from './followers.ts';
import { acceptLocal, type LocalParts } from './local-message.ts';

/** What submitting works with. */
export interface SubmitParts {
  readonly local: LocalParts;
  readonly followers: Followers;
  /** Whom the trace names: the user the relay runs as, who alone may use the socket. */
  readonly user: string;
}

/** One submission with its octets. */
export interface Submitting {
  readonly submission: Submission;
  readonly octets: AsyncIterable<Uint8Array>;
  readonly signal: AbortSignal;
}

/** Answers the command that takes a message. */
export function createSubmissionControl(parts: SubmitParts): SubmissionControl {
  return { submit: (submission, octets, signal) => submit(parts, { submission, octets, signal }) };
}

/** The events of the log that are the fate of a recipient. */
const fates = ['delivered', 'deferred', 'bounced', 'expired', 'held'] as const;

/** Takes in a message of the operator and, when asked, tells of it until every recipient has its fate. */
async function* submit(parts: SubmitParts, submitting: Submitting): AsyncIterable<SubmitEvent> {
  const { submission, octets, signal } = submitting;
  const parsed = parseSubmission(submission);
  if ('refused' in parsed) {
    yield parsed.refused;
    return;
  }
  const events = new EventQueue(signal);
  let stop = () => {};
  const outcome = await acceptLocal(parts.local, {
    ...parsed,
    onBegun: (id) => {
      if (submission.follow) stop = parts.followers.follow(id, (event, fields) => events.push(event, fields));
    },
    recipients: parsed.recipients.map((address) => ({ address })),
    user: parts.user,
    octets,
  });
  if (outcome.kind === 'refused') {
    stop();
    const reply = formatReplyText(outcome.reply);
    yield { event: 'refused', reply, ...(outcome.to === undefined ? {} : { to: outcome.to.text }) };
    return;
  }
  try {
    yield { event: 'accepted', queueId: outcome.id, recipients: outcome.recipients };
    if (submission.follow) yield* tellFates(events, outcome.recipients);
  } finally {
    stop();
  }
}

function parseSubmission(
  submission: Submission,
):
  | { readonly reversePath: Address | null; readonly recipients: readonly Address[] }
  | { readonly refused: SubmitEvent } {
  const bad = (text: string): { refused: SubmitEvent } => ({
    refused: { event: 'refused', to: text, reply: '501 5.1.3 bad address syntax' },
  });
  const reversePath = submission.from === '' ? null : parseMailbox(submission.from, { smtputf8: true });
  if (reversePath === undefined) return bad(submission.from);
  const recipients: Address[] = [];
  for (const text of submission.to) {
    const address = parseMailbox(text, { smtputf8: true });
    if (address === undefined) return bad(text);
    recipients.push(address);
  }
  return { reversePath, recipients };
}

async function* tellFates(events: EventQueue, recipients: number): AsyncIterable<SubmitEvent> {
  const settled = new Set<string>();
  for await (const { event, fields } of events) {
    if (event === 'removed' || event === 'discarded') return;
    const status = fates.find((fate) => fate === event);
    if (status === undefined) continue;
    const to = String(fields.to ?? '');
    yield {
      event: 'fate',
      to,
      status,
      ...(typeof fields.relay === 'string' && { relay: fields.relay }),
      ...(typeof fields.reply === 'string' && { reply: fields.reply }),
      ...(typeof fields.delayMs === 'number' && { delayMs: fields.delayMs }),
    };
    if (status !== 'deferred') settled.add(to);
    if (settled.size >= recipients) return;
  }
}

/** Events between whoever tells them and whoever reads them. Ends when the signal aborts. */
class EventQueue implements AsyncIterable<{ readonly event: string; readonly fields: LogFields }> {
  readonly #waiting: { readonly event: string; readonly fields: LogFields }[] = [];
  readonly #signal: AbortSignal;
  #wake: (() => void) | undefined;

  constructor(signal: AbortSignal) {
    this.#signal = signal;
    signal.addEventListener('abort', () => this.#wake?.());
  }

  push(event: string, fields: LogFields): void {
    this.#waiting.push({ event, fields });
    this.#wake?.();
  }

  async *[Symbol.asyncIterator]() {
    while (!this.#signal.aborted) {
      const next = this.#waiting.shift();
      if (next !== undefined) yield next;
      else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    }
  }
}
