/** A receiver with policy and certificates for tests. */
import { readFileSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { createSecureContext } from 'node:tls';
import {
  type AnyEvent,
  Background,
  type Clock,
  IpSet,
  type Log,
  memoryLog,
  parseCidr,
  systemClock,
} from '../../src/base/index.ts';
import { createPolicy } from '../../src/policy/index.ts';
import { address, domain, localDomain, policyOptions } from '../../src/policy/testing.ts';
import {
  defaultLimits,
  type ListenerOptions,
  type ListeningAddress,
  Receiver,
  type ReceiverLimits,
  type ReceiverSettings,
  type TlsFacts,
} from '../../src/receiver/index.ts';
import { MemoryIntake } from './intake.ts';

const file = (path: string) => readFileSync(new URL(path, import.meta.url));

/** A certificate for `mx.example`, and the one for `renewed.example` that takes its place. */
export const certificates = {
  first: createSecureContext({
    key: file('../../src/client/testdata/key.pem'),
    cert: file('../../src/client/testdata/cert.pem'),
  }),
  renewed: createSecureContext({
    key: file('testdata/renewed-key.pem'),
    cert: file('testdata/renewed-cert.pem'),
  }),
};

/** The networks of the texts. */
export function networks(...texts: readonly string[]): IpSet {
  return new IpSet(texts.flatMap((text) => parseCidr(text) ?? []));
}

/** Waits, but not for ever, for something that no event tells of. */
export async function until(isSo: () => unknown): Promise<void> {
  const last = performance.now() + 10_000;
  while (!(await isSo())) {
    if (performance.now() > last) throw new Error(`waited in vain until ${isSo}`);
    await setImmediate();
  }
}

/** A test's changes to the server. */
export interface ServerOptions {
  readonly limits?: Partial<ReceiverLimits>;
  readonly listener?: Partial<ListenerOptions>;
  readonly settings?: Partial<ReceiverSettings>;
  readonly clock?: Clock;
  readonly log?: Log<AnyEvent>;
}

/** A test's changes to a session in memory. */
export interface MemoryOptions extends ServerOptions {
  readonly address?: string;
  readonly current?: () => ReceiverSettings;
  readonly tls?: TlsFacts;
}

/** `example.org` takes anybody, `example.net` knows `known`; nobody relays. */
export function testPolicy(trusted: readonly string[] = []): ReceiverSettings['policy'] {
  const recipients = { kind: 'list' as const, names: new Set(['known']) };
  return createPolicy(
    policyOptions({
      domains: [localDomain('example.org'), localDomain('example.net', { recipients })],
      networks: trusted,
      postmaster: address('admin@example.org'),
    }),
  );
}

export function testListener(changes: Partial<ListenerOptions> = {}): ListenerOptions {
  return {
    name: 'mx',
    role: 'mx',
    host: '127.0.0.1',
    port: 0,
    tls: 'starttls',
    proxyProtocolFrom: networks(),
    ...changes,
  };
}

export function testSettings(options: ServerOptions = {}): ReceiverSettings {
  return {
    hostname: 'relay.example.org',
    postmasterDomain: domain('example.org'),
    limits: { ...defaultLimits, ...options.limits },
    policy: testPolicy(),
    xclientFrom: networks(),
    secureContext: certificates.first,
    ...options.settings,
  };
}

/** A `Receiver` on a port of its own, with an intake in memory. */
export class TestServer implements AsyncDisposable {
  readonly intake = new MemoryIntake();
  readonly log = memoryLog();
  readonly background: Background;
  readonly receiver: Receiver;
  readonly #options: ServerOptions;
  #address: ListeningAddress | undefined;

  private constructor(options: ServerOptions) {
    this.#options = options;
    const log = options.log ?? this.log;
    this.background = new Background(log);
    const parts = {
      intake: this.intake,
      clock: options.clock ?? systemClock,
      log,
      background: this.background,
    };
    this.receiver = new Receiver(parts, testSettings(options));
  }

  static async start(options: ServerOptions = {}): Promise<TestServer> {
    const server = new TestServer(options);
    server.#address = await server.receiver.listen(testListener(options.listener));
    return server;
  }

  get port(): number {
    return this.#address?.port ?? 0;
  }

  /** Changes the options of sessions that begin from now on. */
  change(options: ServerOptions): void {
    this.receiver.settings = testSettings({ ...this.#options, ...options });
  }

  /** The fields of each line of that event. */
  logged(event: string): readonly Readonly<Record<string, unknown>>[] {
    return this.log.lines.filter((line) => line.event === event).map(({ fields }) => fields);
  }

  /** Waits until no connection is left. */
  async empty(): Promise<void> {
    await until(() => this.receiver.sessionCount === 0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.receiver[Symbol.asyncDispose]();
    await this.background.drain();
    const bugs = [...this.logged('session-failed'), ...this.logged('background-failed')];
    if (bugs.length > 0) throw new Error(`the server had a bug: ${JSON.stringify(bugs)}`);
    if (this.intake.open > 0) throw new Error('a message was neither committed nor discarded');
  }
}
