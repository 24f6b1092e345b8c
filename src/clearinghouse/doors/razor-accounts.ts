import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { rename, writeFile } from 'node:fs/promises';
import { hexBase64 } from '../keys/razor-text.ts';

const maxAccounts = 100_000;
const form = /^[\w.@+-]{1,64}$/;

/**
 * Who registered with Razor. The protocol's proof needs the password itself, so it is kept as it is: the file is for
 * nobody else, and these passwords are good for reporting only.
 */
export class RazorAccounts {
  readonly #path: string | undefined;
  readonly #passwords = new Map<string, string>();
  #writing: Promise<unknown> = Promise.resolve();

  /** Without a path they are forgotten at the end. Throws for a file that is there and is none of accounts. */
  constructor(path?: string) {
    this.#path = path;
    const text = path === undefined ? undefined : readIfThere(path);
    for (const line of text?.split('\n') ?? []) {
      const [user = '', password = ''] = line.split(':');
      if (form.test(user) && password !== '') this.#passwords.set(user, password);
    }
  }

  /** A new account, with what was not given made up; undefined where the name is taken, odd, or there are too many. */
  async register(
    user?: string,
    password?: string,
  ): Promise<{ readonly user: string; readonly password: string } | undefined> {
    const name = user ?? `user${randomBytes(6).toString('hex')}`;
    const secret = password ?? randomBytes(9).toString('hex');
    if (!form.test(name) || !/^[\x21-\x39\x3b-\x7e]{1,64}$/.test(secret)) return undefined;
    if (this.#passwords.has(name) || this.#passwords.size >= maxAccounts) return undefined;
    this.#passwords.set(name, secret);
    await this.#write();
    return { user: name, password: secret };
  }

  has(user: string): boolean {
    return this.#passwords.has(user);
  }

  /** Whether the answer to a challenge proves the password. */
  proves(
    user: string,
    { challenge, answer }: { readonly challenge: string; readonly answer: string },
  ): boolean {
    const password = this.#passwords.get(user);
    if (password === undefined) return false;
    const wanted = Buffer.from(razorProof(password, challenge));
    const given = Buffer.from(answer);
    return given.length === wanted.length && timingSafeEqual(given, wanted);
  }

  async #write(): Promise<void> {
    const path = this.#path;
    if (path === undefined) return;
    const next = this.#writing.then(async () => {
      const text = [...this.#passwords].map(([user, password]) => `${user}:${password}\n`).join('');
      await writeFile(`${path}.new`, text, { mode: 0o600 });
      await rename(`${path}.new`, path);
    });
    this.#writing = next.catch(() => {});
    await next;
  }
}

/** Razor's own form of HMAC: the pads are the other way round, and the inner hash goes on as hexadecimal digits. */
export function razorProof(password: string, challenge: string): string {
  const pad = (octet: number) =>
    Buffer.alloc(64, octet).map(
      (value, at) => value ^ (at < password.length ? password.charCodeAt(at) & 0xff : 0),
    );
  const inner = createHash('sha1').update(pad(0x5c)).update(challenge, 'latin1').digest('hex');
  return hexBase64(createHash('sha1').update(pad(0x36)).update(inner).digest('hex'));
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}
