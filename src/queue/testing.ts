/** A queue over a spool in memory, with a destination that gives prepared answers and a clock that is moved. */
import { Background, type ManualClock, manualClock, memoryLog } from '../base/index.ts';
import {
  type Address,
  type Envelope,
  laneName,
  parseMailbox,
  type QueueId,
  type Recipient,
  type RecipientStatus,
  reply,
} from '../mail/index.ts';
import { openMemorySpool, type Spool, SpoolError } from '../spool/index.ts';
import { Operator } from './operator.ts';
import { defaultLanes, defaultRetry, type LaneOptions, type RetryOptions } from './options.ts';
import type { Attempt, AttemptResult, NotifyEvent, QueueParts } from './parts.ts';
import { Queue } from './queue.ts';

export function address(text: string): Address {
  const parsed = parseMailbox(text, { smtputf8: true });
  if (parsed === undefined) throw new Error(`not an address: "${text}"`);
  return parsed;
}

const at = Date.UTC(2026, 0, 1);

export const statuses = {
  delivered: { status: 'delivered', at, relay: 'mx.test', reply: reply(250, '0.0', 'taken') },
  pending: { status: 'pending', at, relay: 'mx.test', reply: reply(451, '3.0', 'later') },
  failed: { status: 'failed', at, relay: 'mx.test', reply: reply(550, '1.1', 'unknown') },
} as const satisfies Record<string, RecipientStatus>;

export type Fate = keyof typeof statuses;

/** The result of an attempt in which every recipient, or each by its place in the attempt, fares so. */
export function result(
  attempt: Attempt,
  fate: Fate | readonly Fate[] = 'delivered',
  health: AttemptResult['health'] = { kind: 'alive' },
): AttemptResult {
  const fateOf = (place: number): Fate => (typeof fate === 'string' ? fate : (fate[place] ?? 'delivered'));
  return {
    health,
    statuses: new Map(attempt.recipients.map((index, place) => [index, statuses[fateOf(place)]])),
  };
}

const refused = reply(451, '4.1', 'connection refused');

export const unavailable = (attempt: Attempt) =>
  result(attempt, 'pending', { kind: 'unavailable', reply: refused });
export const throttled = (attempt: Attempt) =>
  result(attempt, 'pending', { kind: 'throttled', reply: refused });
export const brokenOff = (attempt: Attempt) =>
  result(attempt, 'pending', { kind: 'broken-off', reply: refused });

/** Which calls of the spool fail, by their name. */
export type Faults = Map<'update' | 'commit' | 'octets' | 'envelope' | 'due' | 'lanes', SpoolError>;

/** The spool with prepared failures of its calls. It is `failing` while updates fail with `io`. */
function faulty(spool: Spool, faults: Faults): Spool {
  const check = (name: Parameters<Faults['get']>[0]) => {
    const error = faults.get(name);
    if (error !== undefined) throw error;
  };
  return {
    begin() {
      const draft = spool.begin();
      return {
        get id() {
          return draft.id;
        },
        get size() {
          return draft.size;
        },
        write: (chunk) => draft.write(chunk),
        async commit(envelope, entries, changes) {
          check('commit');
          return await draft.commit(envelope, entries, changes);
        },
        [Symbol.asyncDispose]: () => draft[Symbol.asyncDispose](),
      };
    },
    async update(changes) {
      check('update');
      await spool.update(changes);
    },
    envelope(id) {
      check('envelope');
      return spool.envelope(id);
    },
    octets(id) {
      check('octets');
      return spool.octets(id);
    },
    due(lane, options) {
      check('due');
      return spool.due(lane, options);
    },
    lanes() {
      check('lanes');
      return spool.lanes();
    },
    statuses: (id) => spool.statuses(id),
    entries: (id) => spool.entries(id),
    laneDue: (lane) => spool.laneDue(lane),
    walk: (options) => spool.walk(options),
    count: () => spool.count(),
    health() {
      const fault = faults.get('update');
      return fault?.code === 'io' ? { state: 'failing', because: fault.message } : spool.health();
    },
    [Symbol.asyncDispose]: () => spool[Symbol.asyncDispose](),
  };
}

export const ioError = new SpoolError('io', 'the disk is broken');
export const fullError = new SpoolError('full', 'the disk is full');
export const corruptError = new SpoolError('corrupt', 'the record is damaged');

export interface BenchOptions {
  readonly lanes?: Partial<LaneOptions>;
  readonly retry?: Partial<RetryOptions>;
  /** Default: everything is delivered at once. */
  readonly deliver?: (attempt: Attempt, signal: AbortSignal) => AttemptResult | Promise<AttemptResult>;
  /** The lane of a recipient; default: `mx:` and its domain. */
  readonly laneOf?: (address: Address) => string;
  readonly random?: () => number;
  /** Another queue over the spool and at the time of this bench, as after a restart. */
  readonly after?: Bench;
}

export interface Mail {
  readonly to: string | readonly string[];
  /** `null` is the null reverse-path. */
  readonly from?: string | null;
  readonly notify?: Recipient['notify'];
}

export class Bench {
  readonly clock: ManualClock;
  readonly spool: Spool;
  readonly faults: Faults = new Map();
  readonly log = memoryLog();
  readonly background = new Background(this.log);
  readonly attempts: Attempt[] = [];
  readonly notified: NotifyEvent[] = [];
  readonly queue: Queue;
  readonly operator: Operator;
  readonly parts: QueueParts;
  #generation = 0;
  laneOf: (address: Address) => string;
  deliver: NonNullable<BenchOptions['deliver']>;
  notify: (event: NotifyEvent) => Promise<void> = async () => {};
  /** Attempts under way now, and at most so far. */
  active = 0;
  maxActive = 0;

  constructor(spool: Spool, clock: ManualClock, options: BenchOptions) {
    this.clock = clock;
    this.spool = spool;
    this.deliver = options.deliver ?? ((attempt) => result(attempt));
    this.laneOf = options.laneOf ?? (({ domain }) => `mx:${domain}`);
    this.parts = {
      spool: faulty(spool, this.faults),
      clock,
      log: this.log,
      background: this.background,
      random: options.random ?? (() => 0.5),
      deliver: async (attempt, signal) => {
        this.attempts.push(attempt);
        this.maxActive = Math.max(this.maxActive, ++this.active);
        try {
          return await this.deliver(attempt, signal);
        } finally {
          this.active--;
        }
      },
      routing: routingOf(this),
      notify: async (event) => {
        await this.notify(event);
        this.notified.push(event);
        await this.parts.spool.update(event.changes ?? []);
      },
    };
    const lanes = { ...defaultLanes, patienceMs: 0, ...options.lanes };
    this.queue = new Queue(this.parts, { retry: { ...defaultRetry, ...options.retry }, lanes });
    this.operator = new Operator(this.queue, this.parts);
  }

  /** How often the routes have changed. */
  get generation(): number {
    return this.#generation;
  }

  /** Changes the routes. */
  reroute(laneOf: (address: Address) => string): void {
    this.laneOf = laneOf;
    this.#generation++;
  }

  assign({ recipients }: Envelope) {
    const lanes = Map.groupBy(recipients.keys(), (index) => {
      const recipient = recipients[index];
      return laneName(recipient === undefined ? '' : this.laneOf(recipient.address));
    });
    if (lanes.size === 1) return [...lanes.keys()].map((lane) => ({ lane, recipients: 'all' as const }));
    return [...lanes].map(([lane, indices]) => ({ lane, recipients: indices }));
  }

  envelope(mail: Mail): Envelope {
    const { notify, from = 'sender@origin.test' } = mail;
    return {
      reversePath: from === null ? null : address(from),
      recipients: [mail.to].flat().map((text) => ({ address: address(text), ...(notify && { notify }) })),
      body: '7bit',
      smtputf8: false,
      content: { size: 9, hasEightBit: false, hasLeadingDot: false, endsWithCrlf: true, isBinary: false },
      origin: { client: '192.0.2.1', helo: 'client.test', listener: 'mx', ground: 'network', session: 's' },
      receivedAt: this.clock.now(),
    };
  }

  /** Accepts a message; resolves as soon as it is durable. */
  async send(mail: Mail): Promise<QueueId> {
    await using draft = this.parts.spool.begin();
    await draft.write(Buffer.from('a: b\r\n\r\n.'));
    return await this.queue.accept(draft, this.envelope(mail));
  }

  /** Puts a message on disk as another process would have. */
  async spooled(mail: Mail, entry: { readonly attempts?: number; readonly dueAt?: number } = {}) {
    await using draft = this.spool.begin();
    await draft.write(Buffer.from('a: b\r\n\r\n.'));
    const envelope = this.envelope(mail);
    const entries = this.assign(envelope).map((lane) => ({
      ...lane,
      attempts: 0,
      dueAt: this.clock.now(),
      ...entry,
    }));
    return await draft.commit(envelope, entries);
  }

  /** Lets everything happen that can happen now. */
  async settle(): Promise<void> {
    for (let i = 0; i < 3; i++) {
      this.clock.advance(0);
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
  }

  /** Lets time pass, in steps when there is one, and what falls due in it happen. */
  async pass(ms: number, stepMs = ms): Promise<void> {
    for (let passed = 0; passed < ms; passed += stepMs) {
      this.clock.advance(Math.min(stepMs, ms - passed));
      await this.settle();
    }
  }

  /** The recipients of the attempts so far, in order. */
  get dialled(): readonly string[] {
    return this.attempts.map(({ envelope, recipients }) =>
      recipients.map((index) => envelope.recipients[index]?.address.text).join(' '),
    );
  }

  events(name: string): readonly Readonly<Record<string, unknown>>[] {
    return this.log.lines.filter(({ event }) => event === name).map(({ fields }) => fields);
  }
}

function routingOf(bench: Bench): QueueParts['routing'] {
  return {
    assignLanes: (envelope) => bench.assign(envelope),
    get generation() {
      return bench.generation;
    },
  };
}

/** A started queue. */
export async function openBench(options: BenchOptions = {}): Promise<Bench> {
  const clock = options.after?.clock ?? manualClock(at);
  const spool = options.after?.spool ?? (await openMemorySpool({ clock }));
  const bench = new Bench(spool, clock, options);
  await bench.queue.start();
  return bench;
}

/** Attempts that wait until a test ends them. */
export function gate() {
  const waiting: { readonly attempt: Attempt; readonly end: (result: AttemptResult) => void }[] = [];
  return {
    waiting,
    deliver: (attempt: Attempt, signal: AbortSignal) =>
      new Promise<AttemptResult>((end) => {
        waiting.push({ attempt, end });
        signal.addEventListener('abort', () => end(result(attempt, 'pending')));
      }),
    /** Ends the attempt at this place in line, else the first. */
    end(fate: Fate | readonly Fate[] = 'delivered', place = 0): void {
      const [next] = waiting.splice(place, 1);
      if (next === undefined) throw new Error('no attempt is under way');
      next.end(result(next.attempt, fate));
    },
  };
}
