/** Maildirs, connections and users for tests. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type AnyEvent, type Log, manualClock, memoryLog } from '../base/index.ts';
import type { Identity, SaslStep, TlsFacts } from '../identity/index.ts';
import { reply } from '../mail/index.ts';
import { PopListener, type PopListenerOptions } from './listener.ts';
import { Mailboxes } from './mailbox.ts';
import { PopSession } from './session.ts';
import { defaultPopSessionLimits, type PopServerOptions, type PopWire } from './session-options.ts';

export const tls: TlsFacts = { version: 'TLSv1.3', cipher: 'TLS_AES_256_GCM_SHA384' };

/** Makes a Maildir with these messages in `new`, by the unique parts of their names. */
export function makeMaildir(path: string, messages: Readonly<Record<string, string>> = {}): string {
  for (const folder of ['tmp', 'new', 'cur']) mkdirSync(join(path, folder), { recursive: true });
  for (const [name, text] of Object.entries(messages)) writeFileSync(join(path, 'new', name), text, 'latin1');
  return path;
}

/** A connection in memory. It is read in the pieces in which the client sent them. */
export class MemoryWire implements PopWire {
  readonly facts = { id: 's', listener: 'pop3', address: '203.0.113.9', port: 1025 };
  readonly #draining = new AbortController();
  readonly draining = this.#draining.signal;
  readonly #gone = new AbortController();
  readonly gone = this.#gone.signal;
  tls: TlsFacts | undefined;
  canSecure = true;
  isClosed = false;
  said = '';
  /** Called with the written octets; a promise is a client that has not read them yet. */
  onWrite: (octets: Buffer) => Promise<void> | undefined = () => undefined;
  readonly #sent: Buffer[] = [];
  #isOver = false;
  #wake: () => void = () => {};

  constructor(changes: Partial<Pick<MemoryWire, 'tls' | 'canSecure'>> & { readonly address?: string } = {}) {
    const { address, ...others } = changes;
    if (address !== undefined) this.facts.address = address;
    Object.assign(this, { tls, ...others });
  }

  /** The client sends this. */
  send(octets: string | Buffer): void {
    this.#sent.push(typeof octets === 'string' ? Buffer.from(octets, 'latin1') : octets);
    this.#wake();
  }

  /** The client sends no more. */
  over(): void {
    this.#isOver = true;
    this.#wake();
  }

  drain(): void {
    this.#draining.abort();
    this.#gone.abort();
  }

  async read(): Promise<Buffer | undefined> {
    for (;;) {
      const octets = this.#sent.shift();
      if (octets !== undefined || this.#isOver || this.isClosed) return octets;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  async write(octets: string | Uint8Array): Promise<void> {
    if (this.isClosed) return;
    const buffer = typeof octets === 'string' ? Buffer.from(octets, 'latin1') : Buffer.from(octets);
    this.said += buffer.toString('latin1');
    await this.onWrite(buffer);
  }

  loggedIn(): void {}

  async startTls(): Promise<void> {
    this.tls = tls;
    this.canSecure = false;
  }

  end(lastWord = ''): void {
    if (!this.isClosed) this.said += lastWord;
    this.destroy();
  }

  destroy(): void {
    this.isClosed = true;
    this.#gone.abort();
    this.#wake();
  }
}

/** anna and bob, whose password is `sesame`; `broken` is a backend that fails. */
export const identities: PopServerOptions['identities'] = {
  mechanisms: () => ['PLAIN'],
  renew: (identity) => identity,
  verifyPassword: async ({ name, password }) => judge(name.toString(), password.toString(), 'PASSWORD'),
  begin: (mechanism) =>
    mechanism === 'PLAIN'
      ? {
          takesInitial: true,
          cancel() {},
          async step(response): Promise<SaslStep> {
            if (response === undefined) return { kind: 'challenge', octets: Buffer.alloc(0) };
            const [, name = '', password = ''] = response.toString().split('\0');
            return judge(name, password, mechanism);
          },
        }
      : undefined,
};

function judge(name: string, password: string, mechanism: string): SaslStep {
  const identity: Identity = { name, mechanism, senders: [{ kind: 'any' }] };
  if (name === 'broken') return { kind: 'failure', reply: reply(454, '7.0', 'not now'), because: 'broken' };
  if (password === 'sesame' && ['anna', 'bob', 'nobody'].includes(name)) return { kind: 'success', identity };
  return { kind: 'failure', reply: reply(535, '7.8', 'no'), because: 'wrong' };
}

/** The parts that a session needs; `root` has the Maildirs by name, `nobody` has none. */
export function serverOptions(root: string, changes: Partial<PopServerOptions> = {}) {
  const log = memoryLog();
  const logins: string[] = [];
  const clock = manualClock();
  const options: PopServerOptions = {
    identities,
    mailboxes: new Mailboxes(),
    mailboxOf: (login) => (login === 'nobody' ? undefined : join(root, login)),
    allowPlaintext: false,
    limits: defaultPopSessionLimits,
    onLogin: ({ address, name }) => {
      logins.push(`${name} from ${address}`);
    },
    clock,
    log: log satisfies Log<AnyEvent>,
    ...changes,
  };
  return { options, log, logins, clock };
}

/** Sends everything at once (or in the pieces given), ends, and returns all replies. */
export async function talk(
  options: PopServerOptions,
  sent: string | readonly (string | Buffer)[],
  wire = new MemoryWire(),
): Promise<string> {
  for (const piece of typeof sent === 'string' ? [sent] : sent) wire.send(piece);
  wire.over();
  await new PopSession(wire, options).run();
  return wire.said;
}

/** Binds and serves. Rejects with the system's error (`EADDRINUSE`, `EACCES`, …). */
export async function openPopListener(options: PopListenerOptions): Promise<PopListener> {
  const listener = await PopListener.bind(options);
  listener.serve(options);
  return listener;
}
