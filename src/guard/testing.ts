/** A guard over a clock that is moved, for tests. */
import { Background, manualClock, memoryLog } from '../base/index.ts';
import { type Envelope, parseMailbox } from '../mail/index.ts';
import {
  defaultGuard,
  Guard,
  type GuardMemory,
  type GuardOptions,
  type HeldMail,
  type HoldRecord,
} from './index.ts';

/** The guard as the defaults of the configuration make it. */
export function guardOptions(changes: Partial<GuardOptions> = {}): GuardOptions {
  return { ...defaultGuard, ...changes };
}

/** A table that outlives the guard, as a file would. */
export class TestMemory implements GuardMemory {
  readonly rows = new Map<string, unknown>();
  /** Writes fail with this while it is set. */
  fault: Error | undefined;

  entries() {
    return [...this.rows];
  }

  async put(key: string, value: unknown): Promise<void> {
    if (this.fault !== undefined) throw this.fault;
    this.rows.set(key, JSON.parse(JSON.stringify(value)));
  }

  async remove(key: string): Promise<void> {
    if (this.fault !== undefined) throw this.fault;
    this.rows.delete(key);
  }
}

/** A message as the guard sees it: its sender and its recipients. */
export interface Sending {
  readonly ground: string;
  readonly identity?: string;
  readonly client?: string;
  readonly to: readonly string[];
  readonly size?: number;
}

export function envelope({ ground, identity, client = '192.0.2.1', to, size = 1000 }: Sending): Envelope {
  return {
    reversePath: null,
    recipients: to.map((text) => {
      const address = parseMailbox(text, { smtputf8: true });
      if (address === undefined) throw new Error(`not an address: ${text}`);
      return { address };
    }),
    body: '7bit',
    smtputf8: false,
    content: { size, hasEightBit: false, hasLeadingDot: false, endsWithCrlf: true, isBinary: false },
    origin: {
      client,
      helo: 'client.test',
      listener: 'mx',
      ground,
      session: 's',
      ...(identity === undefined ? {} : { identity }),
    },
    receivedAt: 0,
  };
}

/** A guard with a clock that tests move, and a queue that records its calls. */
export function guardBench(
  changes: Partial<GuardOptions> = {},
  { memory = new TestMemory(), clock = manualClock() } = {},
) {
  const log = memoryLog();
  const background = new Background(log);
  const told: HoldRecord[] = [];
  const asked: string[] = [];
  const held = new Map<string, number>();
  const mail: HeldMail = {
    async hold({ subject }) {
      asked.push(`hold ${subject}`);
      return { messages: 0, octets: 0 };
    },
    async count(tag) {
      return { messages: held.get(tag) ?? 0, octets: 1000 * (held.get(tag) ?? 0) };
    },
    async release(tag) {
      asked.push(`release ${tag}`);
      const messages = held.get(tag) ?? 0;
      held.delete(tag);
      return messages;
    },
    async remove(tag) {
      asked.push(`remove ${tag}`);
      const messages = held.get(tag) ?? 0;
      held.delete(tag);
      return messages;
    },
  };
  const tell = async (hold: HoldRecord) => {
    told.push(hold);
  };
  const guard = new Guard({ memory, mail, tell, clock, log, background }, guardOptions(changes));
  /** Sends one message: whether it goes out, is kept or is refused. */
  const send = (sending: Sending): 'pass' | 'hold' | 'refuse' => {
    const judged = guard.judge(envelope(sending));
    if (judged.kind !== 'hold') return judged.kind;
    const tag = judged.because.slice(0, judged.because.indexOf(':') + 1);
    held.set(tag, (held.get(tag) ?? 0) + 1);
    judged.end();
    return 'hold';
  };
  return { guard, clock, memory, log, background, told, asked, held, send };
}
