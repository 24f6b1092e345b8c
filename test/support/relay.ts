/** A whole relay in the process of a test. */
import { EventEmitter, once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { AnyEvent, Clock, Log, LogFields } from '../../src/base/index.ts';
import { type Config, loadConfig } from '../../src/config/index.ts';
import { type Relay, type RelayOptions, startRelay } from '../../src/relay/index.ts';
import { type Control, connectAll } from '../../src/relay/testing.ts';
import { SocketPeer } from './peer.ts';
import { until } from './server.ts';

/** A configuration as a value; JSON is YAML. */
export type Keys = Readonly<Record<string, unknown>>;

export interface TestRelayOptions {
  readonly clock?: Clock;
  readonly freeBytes?: RelayOptions['freeBytes'];
  /** Where a relay before this one kept its data. */
  readonly folder?: string;
  /** Instead of what the keys come to. */
  readonly config?: Config;
}

/** A log that tells of each line as it is written. */
class WatchedLog implements Log<AnyEvent> {
  readonly isVerbose = false;
  readonly lines: LogFields[] = [];
  readonly #events = new EventEmitter();

  info(event: string, fields: LogFields = {}): void {
    this.lines.push({ event, ...fields });
    this.#events.emit('line');
  }
  warn(event: string, fields?: LogFields): void {
    this.info(event, fields);
  }
  error(event: string, fields?: LogFields): void {
    this.info(event, fields);
  }

  /** The first `count` lines of an event that fit, as soon as there are so many. */
  async logged(event: string, fields: LogFields = {}, count = 1): Promise<LogFields[]> {
    for (;;) {
      const found = this.lines.filter(
        (line) => line.event === event && Object.entries(fields).every(([key, value]) => line[key] === value),
      );
      if (found.length >= count) return found;
      const late = AbortSignal.timeout(10_000);
      await once(this.#events, 'line', { signal: late }).catch(() => {
        throw new Error(
          `no ${event} ${JSON.stringify(fields)}; logged:\n${this.lines.map((line) => JSON.stringify(line)).join('\n')}`,
        );
      });
    }
  }
}

export interface Mail {
  readonly from?: string;
  /** The parameters after `<…>` in MAIL. */
  readonly mailParameters?: string;
  readonly to: string | readonly string[];
  /** The parameters after `<…>` in RCPT. */
  readonly rcptParameters?: string;
  readonly content?: string;
}

/** A relay in this process, with its folder and its log. */
export class TestRelay implements AsyncDisposable {
  readonly relay: Relay;
  readonly folder: string;
  readonly log: WatchedLog;
  /** The configuration or error of the next reload. */
  next: Config | Error;

  constructor(relay: Relay, folder: string, parts: { readonly log: WatchedLog; readonly config: Config }) {
    this.relay = relay;
    this.folder = folder;
    this.log = parts.log;
    this.next = parts.config;
  }

  get port(): number {
    return this.relay.addresses[0]?.port ?? 0;
  }

  /** All commands, by its control socket. */
  get control(): Control {
    return connectAll(join(this.folder, 'control.sock'));
  }

  session(): Promise<SocketPeer> {
    return SocketPeer.greeted(this.port);
  }

  /** Sends a message and gives the reply to its end, or the first refusal. */
  async send(mail: Mail): Promise<string> {
    await using peer = await this.session();
    const { from = 'sender@origin.test', mailParameters = '', rcptParameters = '' } = mail;
    const content = mail.content ?? 'Subject: hello\r\n\r\nhello\r\n';
    const commands = [
      'EHLO client.test',
      `MAIL FROM:<${from}>${mailParameters}`,
      ...[mail.to].flat().map((to) => `RCPT TO:<${to}>${rcptParameters}`),
      'DATA',
      `${content}.`,
    ];
    let reply = '';
    for (const command of commands) {
      reply = await peer.command(command);
      if (Number(reply.slice(0, 3)) >= 400) break;
    }
    await peer.command('QUIT');
    return reply;
  }

  async stop(): Promise<void> {
    await this.relay.drain(AbortSignal.timeout(10_000));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.relay[Symbol.asyncDispose]();
  }
}

/** Loads a configuration over the defaults of the tests. */
export function testConfig(folder: string, keys: Keys): Config {
  const defaults = {
    hostname: 'relay.test',
    postmaster: 'keeper@relay.test',
    data: folder,
    listeners: [{ role: 'mx', address: '127.0.0.1:0' }],
    relay: { networks: ['127.0.0.0/8'] },
    spool: { floor: '1KB' },
  };
  const text = JSON.stringify({ ...defaults, ...keys });
  const loaded = loadConfig(text, { file: join(folder, 'posthouse.yaml') });
  if (!loaded.ok)
    throw new Error(loaded.problems.map(({ message, path }) => `${path}: ${message}`).join('\n'));
  return loaded.config;
}

/** Starts a relay that ends with the test. */
export async function openRelay(
  t: TestContext,
  keys: Keys = {},
  options: TestRelayOptions = {},
): Promise<TestRelay> {
  const folder = options.folder ?? (await testFolder(t));
  const config = options.config ?? testConfig(folder, keys);
  const log = new WatchedLog();
  const relay = await startRelay({
    config,
    log,
    ...(options.clock && { clock: options.clock }),
    ...(options.freeBytes && { freeBytes: options.freeBytes }),
    reload: async () => {
      if (test.next instanceof Error) throw test.next;
      return test.next;
    },
  });
  const test = new TestRelay(relay, folder, { log, config });
  endings(t).use(test);
  return test;
}

/** A folder that is gone after the test. */
export async function testFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'posthouse-relay-'));
  endings(t).defer(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

const stacks = new WeakMap<TestContext, AsyncDisposableStack>();

/** The resources that end with the test, the last first: `after` would remove a folder from under its relay. */
export function endings(t: TestContext): AsyncDisposableStack {
  const known = stacks.get(t);
  if (known !== undefined) return known;
  const stack = new AsyncDisposableStack();
  stacks.set(t, stack);
  t.after(() => stack.disposeAsync());
  return stack;
}

/** Waits until what came of the attempts is in the queue: until then messages are under way, and nothing changes them. */
export async function recorded(relay: TestRelay): Promise<void> {
  const { control } = relay;
  await until(async () => {
    for await (const { recipients } of control.list({ selector: { match: {} } }))
      if (!recipients[0]?.reply) return false;
    return true;
  });
}
