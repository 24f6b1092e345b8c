/** Users, clients and authenticators for tests. */
import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { memoryLog, systemClock } from '../base/index.ts';
import type { ClientFacts, SaslExchange, SaslStep } from '../receiver/index.ts';
import { type AuthenticatorOptions, createAuthenticator } from './authenticator.ts';
import { hashPassword } from './hash-gate.ts';
import { Throttle } from './throttle.ts';
import { Users } from './users.ts';
import { editUsers, scramValue } from './users-file.ts';
import { hashDevicePassword, makeScramVerifier } from './verifier.ts';

export const binding = Buffer.from('the octets of one handshake');

/** A client under TLS 1.3 at this address. */
export function client(changes: Partial<ClientFacts> = {}): ClientFacts {
  return {
    address: '203.0.113.9',
    port: 1025,
    helo: 'client.example',
    listener: 'submission',
    role: 'submission',
    isVouchedFor: false,
    tls: {
      version: 'TLSv1.3',
      cipher: 'TLS_AES_256_GCM_SHA384',
      channelBinding: (type) => (type === 'tls-exporter' ? binding : undefined),
    },
    ...changes,
  };
}

/** A file of users in the folder: anna with `sesame`, bob who is disabled, and a phone of anna's. */
export async function usersFile(folder: string): Promise<string> {
  const file = join(folder, 'users.yaml');
  const [hash, scram] = await Promise.all([hashPassword('sesame'), makeScramVerifier('sesame')]);
  await editUsers(file, (users) => {
    for (const name of ['anna@example.org', 'bob@example.org']) {
      users.set(name, 'hash', hash);
      users.set(name, 'scram', scramValue(scram));
    }
    users.set('bob@example.org', 'disabled', true);
    users.set('anna@example.org', 'devices', [
      { device: 'phone', hash: hashDevicePassword('only-the-phone', randomBytes(16)) },
    ]);
  });
  return file;
}

export function writeUsers(file: string, text: string): void {
  writeFileSync(file, text);
}

/** An authenticator over a file. */
export function authenticator(
  file: string | undefined,
  changes: Partial<AuthenticatorOptions> & { readonly isExempt?: (address: string) => boolean } = {},
) {
  const { clock = systemClock, log = memoryLog(), isExempt } = changes;
  return createAuthenticator({
    users: file === undefined ? undefined : new Users(file, { clock, log }),
    identityOfCertificate: () => undefined,
    allowPlaintext: () => false,
    throttle: new Throttle(clock, isExempt),
    clock,
    log,
    ...changes,
  });
}

/** A step of an exchange in a few words. */
export function wordsOf(step: SaslStep): string {
  switch (step.kind) {
    case 'challenge':
      return `challenge ${step.octets.toString()}`;
    case 'success':
      return `${step.identity.name} by ${step.identity.mechanism}`;
    case 'failure':
      return `${step.reply.code}`;
  }
}

/** The client's side of SCRAM-SHA-256 (RFC 5802 §3), with everything that an attacker might change. */
export class ScramClient {
  readonly name: string;
  readonly password: string;
  header: string;
  bound: Buffer;
  readonly nonce = randomBytes(12).toString('base64');
  #serverSignature = '';

  constructor(name: string, password: string, plus?: Buffer) {
    this.name = name;
    this.password = password;
    this.header = plus === undefined ? 'n,,' : 'p=tls-exporter,,';
    this.bound = plus ?? Buffer.alloc(0);
  }

  get #bare(): string {
    return `n=${this.name.replaceAll('=', '=3D').replaceAll(',', '=2C')},r=${this.nonce}`;
  }

  first(): Buffer {
    return Buffer.from(this.header + this.#bare);
  }

  last(challenge: Buffer): Buffer {
    const serverFirst = challenge.toString();
    const fields = new Map(serverFirst.split(',').map((part) => [part[0] ?? '', part.slice(2)]));
    const salted = pbkdf2Sync(
      this.password,
      Buffer.from(fields.get('s') ?? '', 'base64'),
      Number(fields.get('i')),
      32,
      'sha256',
    );
    const hmac = (key: Buffer, text: string) => createHmac('sha256', key).update(text).digest();
    const clientKey = hmac(salted, 'Client Key');
    const storedKey = createHash('sha256').update(clientKey).digest();
    const channel = Buffer.concat([Buffer.from(this.header), this.bound]).toString('base64');
    const withoutProof = `c=${channel},r=${fields.get('r')}`;
    const message = `${this.#bare},${serverFirst},${withoutProof}`;
    const signature = hmac(storedKey, message);
    const proof = Buffer.from(clientKey.map((octet, i) => octet ^ (signature[i] ?? 0)));
    this.#serverSignature = hmac(hmac(salted, 'Server Key'), message).toString('base64');
    return Buffer.from(`${withoutProof},p=${proof.toString('base64')}`);
  }

  /** Whether the server has shown that it knows the verifier. */
  trusts(challenge: Buffer): boolean {
    return challenge.toString() === `v=${this.#serverSignature}`;
  }

  /** Goes through an exchange. */
  async run(exchange: SaslExchange | undefined): Promise<SaslStep> {
    if (exchange === undefined) throw new Error('not offered');
    const first = await exchange.step(this.first());
    if (first.kind !== 'challenge') return first;
    const second = await exchange.step(this.last(first.octets));
    if (second.kind !== 'challenge') return second;
    if (!this.trusts(second.octets)) throw new Error('the server does not know the password');
    return await exchange.step(Buffer.alloc(0));
  }
}

/** A folder that goes with the test. */
export async function ownFolder(t: { after(end: () => Promise<void>): void }): Promise<string> {
  const made = await mkdtemp(join(tmpdir(), 'posthouse-identity-'));
  t.after(() => rm(made, { recursive: true, force: true }));
  return made;
}
