/** A delivery side with its own DNS, for tests. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { createServer } from 'node:net';
import type { TestContext } from 'node:test';
import { type ManualClock, manualClock, memoryLog } from '../base/index.ts';
import { createResolver } from '../dns/index.ts';
import { type FakeZone, startFakeDns } from '../dns/testing.ts';
import { laneName, type RecipientStatus } from '../mail/index.ts';
import type { AttemptResult } from '../queue/index.ts';
import { createDelivery, type DeliveryOptions } from './index.ts';
import { type AttemptChanges, attemptFor, type Sink, type SinkOptions, startSink } from './testing.ts';

/** The content of messages unless a test gives another. */
export const text = 'Subject: hello\r\n\r\n.dot\r\nbody\r\n';
export const never = new AbortController().signal;

/** A delivery side to send by. */
export interface Bench {
  readonly clock: ManualClock;
  readonly log: ReturnType<typeof memoryLog>;
  send(
    to: readonly string[],
    changes?: AttemptChanges & { readonly text?: string | Buffer },
  ): Promise<AttemptResult>;
  readonly delivery: ReturnType<typeof createDelivery>;
  readonly questions: readonly string[];
}

/** A delivery side with its own DNS; everything ends with the test. */
export async function bench(
  t: TestContext,
  options: Partial<DeliveryOptions>,
  zone: FakeZone = {},
): Promise<Bench> {
  const dns = await startFakeDns(zone);
  const clock = manualClock();
  const resolver = createResolver({ servers: [dns.address], attempts: 1 });
  const settings = {
    hostname: 'relay.test',
    ownAddresses: [],
    refusePrivateMx: false,
    timeouts: { quit: 500 },
    ...options,
  };
  const log = memoryLog();
  const delivery = createDelivery(settings, { resolver, clock, log, random: () => 0 });
  t.after(async () => {
    await delivery[Symbol.asyncDispose]();
    await resolver[Symbol.asyncDispose]();
    await dns[Symbol.asyncDispose]();
  });
  return {
    clock,
    log,
    delivery,
    questions: dns.questions,
    send(to, changes = {}) {
      const attempt = attemptFor(changes.text ?? text, to, changes);
      const lane = changes.lane ?? delivery.assignLanes(attempt.envelope)[0]?.lane ?? '';
      return delivery.deliver({ ...attempt, lane: laneName(lane) }, never);
    },
  };
}

/** A sink that ends with the test. */
export async function sinkFor(t: TestContext, options: SinkOptions = {}): Promise<Sink> {
  const sink = await startSink(options);
  t.after(() => sink[Symbol.asyncDispose]());
  return sink;
}

/** The statuses as text in order: `delivered 250`, `failed 550 1.1`. */
export function fates({ statuses }: AttemptResult): string[] {
  return [...statuses]
    .sort(([a], [b]) => a - b)
    .map(
      ([, { status, reply }]) =>
        `${status} ${reply.code}${reply.detail === undefined ? '' : ` ${reply.detail}`}`,
    );
}

/** The status of the only recipient. */
export function only({ statuses }: AttemptResult): RecipientStatus {
  const [first] = statuses.values();
  assert.equal(statuses.size, 1);
  assert.ok(first);
  return first;
}

/** A port at which no program listens. */
export async function deadPort(host = '127.0.0.1'): Promise<number> {
  const server = createServer();
  await once(server.listen(0, host), 'listening');
  const address = server.address();
  await once(server.close(), 'close');
  return typeof address === 'object' && address !== null ? address.port : 0;
}

/** The usual recipient. */
export const to = ['a@dest.test'];

/** Sinks of one MX on addresses of loopback that share a port. */
export async function mxOf(t: TestContext, first: SinkOptions, second: SinkOptions = {}) {
  const a = await sinkFor(t, first);
  const b = await sinkFor(t, { ...second, host: '127.0.0.2', port: a.port });
  const zone: FakeZone = {
    'dest.test': {
      MX: [
        [10, 'a.test'],
        [20, 'b.test'],
      ],
    },
    'a.test': { A: ['127.0.0.1'] },
    'b.test': { A: ['127.0.0.2'] },
  };
  return { a, b, zone, options: { mxPort: a.port } };
}

/** A token endpoint on loopback. It hands out `t1`, `t2` and so on. */
export interface TokenEndpoint {
  readonly url: string;
  /** The forms that were sent. */
  readonly asked: readonly URLSearchParams[];
  /** Instead of a token, until it is taken back. */
  refusal: { readonly status: number; readonly body: object } | undefined;
}

export async function tokenEndpoint(t: TestContext, lifeSeconds = 3600): Promise<TokenEndpoint> {
  const asked: URLSearchParams[] = [];
  const server = createHttpServer(async (request, response) => {
    const pieces: Buffer[] = [];
    for await (const piece of request) pieces.push(Buffer.from(piece));
    asked.push(new URLSearchParams(Buffer.concat(pieces).toString()));
    const { status = 200, body } = endpoint.refusal ?? {};
    response.writeHead(status, { 'content-type': 'application/json', connection: 'close' });
    response.end(JSON.stringify(body ?? { access_token: `t${asked.length}`, expires_in: lifeSeconds }));
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  t.after(() => server.close());
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const endpoint: TokenEndpoint = { url: `http://127.0.0.1:${port}/token`, asked, refusal: undefined };
  return endpoint;
}

/** The token in a command of AUTH OAUTHBEARER; empty where there is none. */
export function tokenIn(command: string): string {
  const [, response = ''] = /^AUTH OAUTHBEARER (\S+)$/.exec(command) ?? [];
  const parts = Buffer.from(response, 'base64').toString().split('\x01');
  return parts.find((part) => part.startsWith('auth='))?.slice('auth=Bearer '.length) ?? '';
}
