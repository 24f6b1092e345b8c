/** Answers the control command that sends a message. */
import type { Line, Subscribable } from '../base/index.ts';
import { type Address, formatReplyText, parseMailbox } from '../mail/index.ts';
import type { QueueEvents } from '../queue/index.ts';
import type { LocalMailControl, SendRequest, SubmitEvent } from './commands.ts';
import type { LocalMailEvents } from './events.ts';
import { acceptLocal, type LocalParts } from './local-message.ts';

/** The parts that request needs. */
export interface SubmitParts {
  readonly local: LocalParts;
  readonly events: Subscribable<Told>;
  /** The user in the trace: the one that the relay runs as, which alone may use the socket. */
  readonly user: string;
}

/** One request with its octets. */
export interface Submitting {
  readonly request: SendRequest;
  readonly octets: AsyncIterable<Uint8Array>;
  readonly signal: AbortSignal;
}

/** Answers the command that takes a message. */
export function createLocalMailControl(parts: SubmitParts): LocalMailControl {
  return { submit: (request, octets, signal) => submit(parts, { request, octets, signal }) };
}

/** The events that report the fate of a message and its recipients. */
const toldEvents = ['delivered', 'deferred', 'bounced', 'expired', 'held', 'removed', 'discarded'] as const;
type Told = Extract<QueueEvents | LocalMailEvents, { readonly event: (typeof toldEvents)[number] }>;

/** Takes in a message of the operator and, on request, reports events until every recipient has its fate. */
async function* submit(parts: SubmitParts, submitting: Submitting): AsyncIterable<SubmitEvent> {
  const { request, octets, signal } = submitting;
  const parsed = parseRequest(request);
  if ('refused' in parsed) {
    yield parsed.refused;
    return;
  }
  const lines = new LineQueue(signal);
  let stop = () => {};
  const outcome = await acceptLocal(parts.local, {
    ...parsed,
    onBegun: (id) => {
      if (!request.follow) return;
      stop = parts.events.subscribe(toldEvents, (...line) => {
        if (line[1].queueId === id) lines.push(line);
      });
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
    if (request.follow) yield* tellFates(lines, outcome.recipients);
  } finally {
    stop();
  }
}

function parseRequest(
  request: SendRequest,
):
  | { readonly reversePath: Address | null; readonly recipients: readonly Address[] }
  | { readonly refused: SubmitEvent } {
  const bad = (text: string): { refused: SubmitEvent } => ({
    refused: { event: 'refused', to: text, reply: '501 5.1.3 bad address syntax' },
  });
  const reversePath = request.from === '' ? null : parseMailbox(request.from, { smtputf8: true });
  if (reversePath === undefined) return bad(request.from);
  const recipients: Address[] = [];
  for (const text of request.to) {
    const address = parseMailbox(text, { smtputf8: true });
    if (address === undefined) return bad(text);
    recipients.push(address);
  }
  return { reversePath, recipients };
}

async function* tellFates(lines: LineQueue, recipients: number): AsyncIterable<SubmitEvent> {
  const settled = new Set<string>();
  for await (const [event, fields] of lines) {
    if (event === 'removed' || event === 'discarded') return;
    const fate = event === 'held' ? { to: '' } : fateOf(fields);
    yield { event: 'fate', status: event, ...fate };
    if (event !== 'deferred') settled.add(fate.to);
    if (settled.size >= recipients) return;
  }
}

function fateOf({ to = '', relay, reply, delayMs }: (Told & { readonly event: 'delivered' })['fields']) {
  return { to, ...(relay !== undefined && { relay }), reply, delayMs };
}

/** Lines of the log between their writer and their reader. Ends when the signal aborts. */
class LineQueue implements AsyncIterable<Line<Told>> {
  readonly #waiting: Line<Told>[] = [];
  readonly #signal: AbortSignal;
  #wake: (() => void) | undefined;

  constructor(signal: AbortSignal) {
    this.#signal = signal;
    signal.addEventListener('abort', () => this.#wake?.());
  }

  push(line: Line<Told>): void {
    this.#waiting.push(line);
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
