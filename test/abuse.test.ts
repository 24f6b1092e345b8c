import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type AnyEvent, type Log, type LogFields, manualClock } from '../src/base/index.ts';
import { hashPassword } from '../src/identity/index.ts';
import { type Relay, startRelay } from '../src/relay/index.ts';
import { SocketPeer } from './support/peer.ts';
import { endings, type Keys, testConfig, testFolder } from './support/relay.ts';

/**
 * Ten minutes of abuse through a whole relay on the default budgets: real sessions at any client address (by the PROXY
 * protocol), a real spool and delivery into a folder; only the clock is ours. What counts is what goes out.
 */
const rate = 20;
const seconds = 600;

const cert = new URL('../src/delivery/testdata/', import.meta.url);

/** Notes when what was sent went out, by recipient. */
class Outcomes implements Log<AnyEvent> {
  readonly isVerbose = false;
  readonly out = new Map<string, number>();
  readonly holds: LogFields[] = [];
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  info(event: string, fields: LogFields = {}): void {
    if (event === 'delivered') for (const to of [fields.to].flat()) this.out.set(String(to), this.#now());
    if (event === 'guard-held') this.holds.push(fields);
  }
  warn(event: string, fields?: LogFields): void {
    this.info(event, fields);
  }
  error(event: string, fields?: LogFields): void {
    this.info(event, fields);
  }

  count(part: string): number {
    return [...this.out.keys()].filter((to) => to.includes(part)).length;
  }
}

async function bench(t: TestContext, keys: Keys) {
  const folder = await testFolder(t);
  await writeFile(join(folder, 'users.yaml'), await usersFile(), { mode: 0o600 });
  const clock = manualClock();
  const log = new Outcomes(() => clock.now());
  const tls = { cert: new URL('cert.pem', cert).pathname, key: new URL('key.pem', cert).pathname };
  const config = testConfig(folder, {
    tls,
    users: { file: 'users.yaml' },
    routes: [{ to: '*', via: 'capture' }],
    capture: { maxMessages: 1_000_000 },
    listeners: [
      { role: 'mx', name: 'mx', address: '127.0.0.1:0', tls: 'none', proxyProtocolFrom: '127.0.0.1' },
      { role: 'submissions', name: 'login', address: '127.0.0.1:0', proxyProtocolFrom: '127.0.0.1' },
    ],
    ...keys,
  });
  const reload = () => Promise.resolve(config);
  const relay = endings(t).use(await startRelay({ config, log, clock, reload }));
  return { relay, clock, log };
}

const password = 'sesame';
const names = ['hijacked', 'news', ...Array.from({ length: 20 }, (_, n) => `person${n}`)];

async function usersFile(): Promise<string> {
  const hash = await hashPassword(password);
  const users = Object.fromEntries(names.map((name) => [`${name}@example.org`, { hash }]));
  return JSON.stringify({ users });
}

/** A client that comes from an address, with a login or without. */
class Client {
  readonly #relay: Relay;
  readonly #address: string;
  readonly #name: string | undefined;
  #peer: SocketPeer | undefined;

  constructor(relay: Relay, address: string, name?: string) {
    this.#relay = relay;
    this.#address = address;
    this.#name = name;
  }

  /** Sends one message; connects again where the relay has closed. */
  async send(to: readonly string[]): Promise<void> {
    const from = this.#name ?? 'bot@spam.example';
    this.#peer ??= await this.#connect();
    const commands = [`MAIL FROM:<${from}>`, ...to.map((one) => `RCPT TO:<${one}>`), 'DATA'];
    this.#peer.send(`${commands.join('\r\n')}\r\n`);
    for (const command of commands) {
      const reply = await this.#peer.reply();
      if (Number(reply.slice(0, 3)) >= 400) {
        if (!reply.startsWith('421')) throw new Error(`${command}: ${reply}`);
        this.#peer = undefined;
        return this.send(to);
      }
    }
    const reply = await this.#peer.command(`From: ${from}\r\nSubject: hello\r\n\r\nhello\r\n.`);
    if (!reply.startsWith('250')) throw new Error(reply);
  }

  async #connect(): Promise<SocketPeer> {
    const name = this.#name === undefined ? 'mx' : 'login';
    const port = this.#relay.addresses.find((listener) => listener.name === name)?.port ?? 0;
    const peer = await SocketPeer.connect(port);
    peer.send(`PROXY TCP4 ${this.#address} 127.0.0.1 50000 25\r\n`);
    if (this.#name !== undefined) await peer.startTls();
    await peer.reply();
    await peer.expect(['EHLO client.test', 250]);
    const response = Buffer.from(`\0${this.#name}\0${password}`).toString('base64');
    if (this.#name !== undefined) await peer.expect([`AUTH PLAIN ${response}`, 235]);
    return peer;
  }
}

/** All other users: one message a minute each, and a newsletter to 200 in the middle. Returns the times of acceptance. */
function others({ relay, clock }: Pick<Awaited<ReturnType<typeof bench>>, 'relay' | 'clock'>) {
  const accepted = new Map<string, number>();
  const people = Array.from({ length: 20 }, (_, n) => {
    const name = `person${n}@example.org`;
    return new Client(relay, `192.0.2.${n + 1}`, name);
  });
  const news = new Client(relay, '192.0.2.200', 'news@example.org');
  const send = async (client: Client, to: readonly string[]) => {
    await client.send(to);
    for (const one of to) accepted.set(one, clock.now());
  };
  const work = async (second: number) => {
    const person = second % 60;
    const client = people[person];
    if (client !== undefined) await send(client, [`friend${second}@people.example`]);
    const subscribers = Array.from({ length: 200 }, (_, n) => `subscriber${n}@club.example`);
    if (second === 300) await send(news, subscribers);
  };
  return { accepted, work };
}

async function abuse(t: TestContext, keys: Keys, clientsOf: (relay: Relay) => readonly Client[]) {
  const place = await bench(t, keys);
  const { relay, clock, log } = place;
  const { accepted, work } = others(place);
  const clients = clientsOf(relay);
  for (let second = 0; second < seconds; second++) {
    clock.advance(1000);
    await work(second);
    for (let n = 0; n < rate; n++) {
      const number = second * rate + n;
      await clients[number % clients.length]?.send([`victim${number}@victims.example`]);
    }
  }
  await relay.drain(AbortSignal.timeout(20_000));
  const late = [...accepted].filter(
    ([to, at]) => (log.out.get(to) ?? Number.POSITIVE_INFINITY) - at > 60_000,
  );
  t.diagnostic(
    `${log.count('@victims')} of ${seconds * rate} abusive messages went out, ${late.length} others late`,
  );
  assert.equal(accepted.size, 400);
  assert.deepEqual(late, [], 'ordinary mail that waited for more than a minute');
  assert.ok(log.count('@victims') < 50);
  assert.equal(log.holds.length, 1);
}

test('an open relay abused from one address lets fewer than fifty out, and delays nobody else', async (t) => {
  const keys = { relay: { open: true, authenticated: true } };
  await abuse(t, keys, (relay) => [new Client(relay, '203.0.113.66')]);
});

test('a hijacked login used from fifty addresses lets fewer than fifty out, and delays nobody else', async (t) => {
  const keys = { relay: { authenticated: true } };
  const addresses = Array.from({ length: 50 }, (_, n) => `203.0.113.${n + 1}`);
  await abuse(t, keys, (relay) =>
    addresses.map((address) => new Client(relay, address, 'hijacked@example.org')),
  );
});
