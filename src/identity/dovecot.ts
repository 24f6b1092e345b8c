/** A client of Dovecot's authentication service. */
import { connect, type Socket } from 'node:net';
import { type Clock, type Log, redactor, type Secrets } from '../base/index.ts';
import { ownPattern } from '../mail/index.ts';
import type { ClientFacts, Identity, SaslStep } from '../receiver/index.ts';
import { type DovecotReply, escapeDovecot, parseDovecotLine } from './dovecot-protocol.ts';
import type { IdentityEvents } from './events.ts';
import { type Credentials, lossyText, type Mechanism } from './mechanism.ts';
import { parseOAuthBearer, parseXoauth2 } from './oauth.ts';
import type { DovecotOptions } from './options.ts';
import { notNow, wrong } from './replies.ts';
import { parseClientFirst } from './scram.ts';

/** The credential of all users that Dovecot let in: it does not report later changes of them. */
export const dovecotCredential = 'dovecot';

const maxLineOctets = 64 * 1024;
const maxPending = 1000;
const maxId = 0x7fff_ffff;
const nothing = Buffer.alloc(0);
/** Mechanisms that are passed on to a Dovecot unchanged. */
const passable = new Set(['SCRAM-SHA-256', 'OAUTHBEARER', 'XOAUTH2']);

type Answer = DovecotReply | 'unavailable';

/**
 * A client of Dovecot's authentication (its protocol 1.x). One connection for all exchanges, opened when it is needed
 * and again when it was lost. An unexpected, late or malformed answer means "not now" for all waiting logins, and
 * never a success.
 */
export class Dovecot implements Disposable {
  readonly #options: DovecotOptions;
  readonly #clock: Clock;
  readonly #log: Log<IdentityEvents>;
  #connection: Connection | undefined;

  constructor(
    options: DovecotOptions,
    { clock, log }: { readonly clock: Clock; readonly log: Log<IdentityEvents> },
  ) {
    this.#options = options;
    this.#clock = clock;
    this.#log = log;
  }

  /** Has a name and a password checked. */
  async check({ mechanism, name, password, client }: Credentials): Promise<SaslStep> {
    if (password === undefined) return wrong('not UTF-8');
    const response = Buffer.from(`\0${name}\0${password}`, 'utf8');
    const answer = await this.#begin('PLAIN', response, client);
    return this.#judge(mechanism, answer === 'unavailable' ? answer : answer.first, {
      plain: [password],
      encoded: [response.toString('base64')],
    });
  }

  /** A mechanism that Dovecot itself carries out. */
  passThrough(mechanism: string): Mechanism {
    const dovecot = this;
    return async function* exchange({ client, throttle, signal }, given) {
      const first = given ?? (yield nothing);
      const said = [first];
      const attempt = await throttle.enter({
        address: client.address,
        ...givenLogin(mechanism, first),
        signal,
      });
      if (attempt === 'busy') return notNow('too many attempts wait');
      using judged = attempt;
      const begun = await dovecot.#begin(mechanism, first, client);
      if (begun === 'unavailable') return notNow('Dovecot cannot be asked');
      let answer: Answer = begun.first;
      while (answer !== 'unavailable' && answer.kind === 'continue') {
        const response: Buffer = yield answer.challenge;
        said.push(response);
        answer = await begun.connection.ask(answer.id, `CONT\t${answer.id}\t${response.toString('base64')}`);
      }
      const step = dovecot.#judge(mechanism, answer, secretsIn(said));
      if (step.kind === 'success') judged.succeeded();
      else if (step.kind === 'failure' && step.reply.code === 535) judged.failed();
      return step;
    };
  }

  /** The mechanisms that it offers, as far as they are known. */
  get mechanisms(): readonly string[] {
    return [...(this.#connection?.mechanisms ?? [])].filter((name) => passable.has(name));
  }

  /** Connects ahead of the first login, so that its mechanisms are known. Never rejects. */
  async prepare(): Promise<void> {
    await this.#ready().catch(() => {});
  }

  async #begin(mechanism: string, response: Buffer, client: ClientFacts) {
    try {
      const connection = await this.#ready();
      const id = connection.nextId();
      const fields = [
        ...[
          'AUTH',
          id,
          escapeDovecot(mechanism),
          'service=smtp',
          `rip=${client.address}`,
          `rport=${client.port}`,
        ],
        // We slow guessers down ourselves.
        ...(client.tls === undefined ? ['no-penalty'] : ['secured', 'no-penalty']),
        // The response is the last field, always (the protocol says so).
        `resp=${response.toString('base64')}`,
      ];
      const line = fields.join('\t');
      return { connection, first: await connection.ask(id, line) };
    } catch (error) {
      this.#log.error('dovecot-unavailable', {
        because: error instanceof Error ? error.message : String(error),
      });
      return 'unavailable' as const;
    }
  }

  /** `secrets` are those that were sent to Dovecot: a reason may quote them, and goes to the log. */
  #judge(mechanism: string, answer: Answer, secrets: Secrets): SaslStep {
    if (answer === 'unavailable') return notNow('Dovecot does not answer');
    switch (answer.kind) {
      case 'ok': {
        const name = answer.fields.get('user');
        if (name === undefined || name === '' || answer.fields.has('nologin'))
          return wrong('Dovecot: no login');
        return { kind: 'success', identity: this.#identity(name, mechanism) };
      }
      case 'fail': {
        const { fields } = answer;
        const reason = fields.get('reason') ?? fields.get('code') ?? 'refused';
        const because = `Dovecot: ${redactor(secrets).redact(reason.slice(0, 1000))}`;
        return fields.has('temp') ? notNow(because) : wrong(because);
      }
      case 'continue':
        return notNow('Dovecot asks for more than was said');
    }
  }

  #identity(name: string, mechanism: string): Identity {
    const { domain } = this.#options;
    const address = name.includes('@') || domain === undefined ? name : `${name}@${domain}`;
    const own = ownPattern(address);
    const senders = own === undefined ? [] : [own];
    return { name, mechanism, senders, credential: dovecotCredential };
  }

  async #ready(): Promise<Connection> {
    if (this.#connection?.isOver !== false) this.#connection = new Connection(this.#options, this.#clock);
    const connection = this.#connection;
    await connection.ready;
    return connection;
  }

  [Symbol.dispose](): void {
    this.#connection?.end('closed');
  }
}

/** The secrets in the responses of an exchange: the responses themselves, and a token in them. */
function secretsIn(responses: readonly Buffer[]): Secrets {
  const tokens = responses.flatMap((response) => /Bearer (\S+)/i.exec(response.toString())?.[1] ?? []);
  return {
    plain: tokens,
    encoded: responses.map((each) => each.toString('base64')).filter(({ length }) => length > 0),
  };
}

/** One connection and the answers that are waited for on it. */
class Connection {
  readonly mechanisms = new Set<string>();
  readonly ready: Promise<void>;
  readonly #socket: Socket;
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  readonly #pending = new Map<number, (answer: Answer) => void>();
  #serial = 0;
  #rest = '';
  isOver = false;
  #begun: { readonly resolve: () => void; readonly reject: (error: Error) => void };

  constructor({ place, timeoutMs }: DovecotOptions, clock: Clock) {
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.ready = promise;
    this.ready.catch(() => {});
    this.#begun = { resolve, reject };
    this.#socket = connect(place);
    this.#socket.setEncoding('utf8');
    this.#socket.unref();
    this.#socket.on('connect', () => this.#socket.write(`VERSION\t1\t2\nCPID\t${process.pid}\n`));
    this.#socket.on('data', (text: string) => this.#read(text));
    this.#socket.on('error', (error) => this.end(error.message));
    this.#socket.on('close', () => this.end('it closed the connection'));
    const cancel = clock.after(timeoutMs, () => this.end('it does not say hello'));
    this.ready.then(cancel, cancel);
  }

  nextId(): number {
    this.#serial = this.#serial >= maxId ? 1 : this.#serial + 1;
    return this.#serial;
  }

  /** Sends a line about the request and waits for the answer to it. */
  ask(id: number, line: string): Promise<Answer> {
    if (this.isOver || this.#pending.size >= maxPending || this.#pending.has(id))
      return Promise.resolve('unavailable');
    return new Promise((resolve) => {
      // A later answer is to a question that is closed, and ends the connection.
      const cancel = this.#clock.after(this.#timeoutMs, () => this.end('it does not answer'));
      this.#pending.set(id, (answer) => {
        cancel();
        resolve(answer);
      });
      this.#socket.write(`${line}\n`);
    });
  }

  #read(text: string): void {
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) if (!this.isOver) this.#take(line);
    if (this.#rest.length > maxLineOctets) this.end('a line without an end');
  }

  #take(text: string): void {
    const line = text.length > maxLineOctets ? ({ kind: 'invalid' } as const) : parseDovecotLine(text);
    switch (line.kind) {
      case 'version':
        if (line.major !== 1) this.end(`it speaks version ${line.major}`);
        return;
      case 'mechanism':
        if (this.mechanisms.size < 100) this.mechanisms.add(line.name);
        return;
      case 'done':
        this.#begun.resolve();
        return;
      case 'other':
        return;
      case 'invalid':
        this.end('it sent a malformed line');
        return;
      default: {
        const answer = this.#pending.get(line.id);
        this.#pending.delete(line.id);
        if (answer === undefined) this.end('it answered without a question');
        else answer(line);
      }
    }
  }

  end(because: string): void {
    if (this.isOver) return;
    this.isOver = true;
    this.#socket.destroy();
    this.#begun.reject(new Error(because));
    for (const answer of this.#pending.values()) answer('unavailable');
    this.#pending.clear();
  }
}

/**
 * The user and the secret in the client's first message, as far as they can be read: no user is slowed down for
 * another.
 */
function givenLogin(mechanism: string, first: Buffer): { readonly name?: string; readonly secret?: string } {
  const text = lossyText(first);
  if (mechanism === 'SCRAM-SHA-256') {
    const name = parseClientFirst(text)?.name;
    return name === undefined ? {} : { name };
  }
  const bearer = mechanism === 'OAUTHBEARER' ? parseOAuthBearer(text) : parseXoauth2(text);
  return bearer === undefined ? {} : { name: `token of ${bearer.name ?? ''}`, secret: bearer.token };
}
