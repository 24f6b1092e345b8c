/** Reads and changes the file of users. */
import { createHash, randomBytes } from 'node:crypto';
import { open, readFile, realpath, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Document, isMap, LineCounter, parseDocument } from 'yaml';
import { z } from 'zod';
import { ownPattern, type Pattern, parsePattern } from '../mail/index.ts';
import { nameKey } from './name.ts';
import type { ScramVerifier } from './verifier.ts';

const base64 = z.base64().transform((text) => Buffer.from(text, 'base64'));
const scramShape = z.looseObject({
  iterations: z.number().int().min(4096).max(10_000_000),
  salt: base64,
  storedKey: base64.refine((octets) => octets.length === 32, 'is not 32 octets'),
  serverKey: base64.refine((octets) => octets.length === 32, 'is not 32 octets'),
});
const deviceShape = z.looseObject({
  device: z.string().min(1),
  hash: z.string().startsWith('sha256$'),
  createdAt: z.string().optional(),
});
const userShape = z.looseObject({
  senders: z.array(z.string()).optional(),
  hash: z.string().startsWith('$argon2id$').optional(),
  scram: scramShape.optional(),
  devices: z.array(deviceShape).optional(),
  disabled: z.boolean().optional(),
});
const fileShape = z.looseObject({
  secret: base64.optional(),
  /** Read one by one: a record of the library forgets a user of the name `__proto__`. */
  users: z.looseObject({}).nullish(),
});

/** An application password: for one device, and taken away with it. */
export interface DevicePassword {
  readonly device: string;
  readonly hash: string;
  /** See `Identity.credential`. */
  readonly credential: string;
  readonly createdAt?: string | undefined;
}

/** A user who may log in. */
export interface User {
  readonly name: string;
  readonly senders: readonly Pattern[];
  readonly senderTexts: readonly string[];
  readonly hash?: string | undefined;
  readonly scram?: ScramVerifier | undefined;
  readonly devices: readonly DevicePassword[];
  /** See `Identity.credential`: of the main password, as PLAIN and as SCRAM know it. */
  readonly credentials: { readonly password?: string | undefined; readonly scram?: string | undefined };
  readonly isDisabled: boolean;
}

/** The users of a file, by the form of their names that is looked up. */
export interface UserList {
  readonly users: ReadonlyMap<string, User>;
  /** The secret from which the salts of users that do not exist are derived. */
  readonly secret?: Buffer | undefined;
}

/** A file that is not one of users; one problem a line, each with `file:line`. */
export class UsersFileError extends Error {
  override readonly name = 'UsersFileError';
}

/** Parses a users file. Throws `UsersFileError` that names every problem. */
export function parseUsers(text: string, file: string): UserList {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines });
  const at = (offset: number) => `${file}:${lines.linePos(offset).line}`;
  const faults = document.errors.map(({ pos, message }) => `${at(pos[0])}: ${message.split('\n')[0]}`);
  if (faults.length > 0) throw new UsersFileError(faults.join('\n'));
  const value: unknown = document.toJS() ?? {};
  const parsed = fileShape.safeParse(value);
  const problems = (parsed.error?.issues ?? []).map(({ path, message }) => ({ path, message }));
  const users = new Map<string, User>();
  for (const [name, raw] of ownEntries(value, 'users')) {
    const find = (path: readonly PropertyKey[], message: string) =>
      problems.push({ path: ['users', name, ...path], message });
    const { data: entry, error } = userShape.nullable().safeParse(raw);
    for (const { path, message } of error?.issues ?? []) find(path, message);
    if (name === '') find([], 'has no name');
    const user = userOf(name, entry ?? {}, find);
    if (users.has(nameKey(name))) problems.push({ path: ['users', name], message: 'is there twice' });
    users.set(nameKey(name), user);
  }
  if (problems.length === 0) return { users, secret: parsed.data?.secret };
  const told = problems.map(
    ({ path, message }) => `${at(offsetOf(document, path))}: ${path.join('.')}: ${message}`,
  );
  throw new UsersFileError(told.join('\n'));
}

function ownEntries(value: unknown, key: string): readonly (readonly [string, unknown])[] {
  const inner: unknown = typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined;
  return typeof inner === 'object' && inner !== null ? Object.entries(inner) : [];
}

/** Where the nearest thing that there is begins. */
function offsetOf(document: Document.Parsed, path: readonly PropertyKey[]): number {
  for (let length = path.length; length > 0; length--) {
    const found: unknown = document.getIn(path.slice(0, length), true);
    if (typeof found === 'object' && found !== null && 'range' in found && Array.isArray(found.range))
      return Number(found.range[0]);
  }
  return 0;
}

function userOf(
  name: string,
  entry: z.infer<typeof userShape>,
  find: (path: readonly PropertyKey[], message: string) => void,
): User {
  const texts = entry.senders ?? (name.includes('@') ? [name] : []);
  const senders = texts.flatMap((text, i): Pattern[] => {
    const pattern = entry.senders === undefined ? ownPattern(text) : parsePattern(text);
    if (pattern === undefined) find(['senders', i], `not an address or a pattern of addresses: "${text}"`);
    return pattern === undefined ? [] : [pattern];
  });
  return {
    name,
    senders,
    senderTexts: texts,
    hash: entry.hash,
    scram: entry.scram,
    devices: (entry.devices ?? []).map((device) => ({ ...device, credential: credentialOf(device.hash) })),
    credentials: {
      password: entry.hash && credentialOf(entry.hash),
      scram: entry.scram && credentialOf(entry.scram.storedKey),
    },
    isDisabled: entry.disabled ?? false,
  };
}

/** Distinguishes two hashes without revealing them. */
function credentialOf(kept: string | Buffer): string {
  return createHash('sha256').update(kept).digest('base64url');
}

/**
 * Changes the file as a whole or not at all: the result of `edit` is written beside it, synced and put in its place,
 * of the same owner and with no more readers than before. Comments and unknown keys stay. A missing file is created.
 */
export async function editUsers(file: string, edit: (users: UsersEdit) => void): Promise<void> {
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return '';
    throw error;
  });
  parseUsers(text, file);
  const document = text.trim() === '' ? new Document({ users: {} }) : parseDocument(text);
  if (!isMap(document.get('users', true))) document.set('users', document.createNode({}));
  if (!document.has('secret')) document.set('secret', randomBytes(32).toString('base64'));
  edit(new UsersEdit(document));
  const made = document.toString({ lineWidth: 0 });
  parseUsers(made, file);
  await replaceFile(file, made);
}

/** The operations of a change to a users file. */
class UsersEdit {
  readonly #document: Document;

  constructor(document: Document) {
    this.#document = document;
  }

  has(name: string): boolean {
    return this.#document.hasIn(['users', name]);
  }

  set(name: string, key: string, value: unknown): void {
    const path = ['users', name];
    if (!isMap(this.#document.getIn(path, true))) this.#document.setIn(path, this.#document.createNode({}));
    this.#document.setIn([...path, key], this.#document.createNode(value));
  }

  remove(name: string, key?: string): void {
    this.#document.deleteIn(key === undefined ? ['users', name] : ['users', name, key]);
  }
}

/**
 * Replaces the file, also behind a symbolic link. Owner and group stay as they were, so that a relay that is not root
 * can read it after root changed it; the mode too, but without rights of others. Rejects if the owner cannot be kept.
 */
async function replaceFile(named: string, text: string): Promise<void> {
  const file = await realpath(named).catch(() => named);
  const beside = `${file}.${process.pid}.${randomBytes(4).toString('hex')}`;
  const before = await stat(file).catch(() => undefined);
  try {
    const handle = await open(beside, 'wx', 0o600);
    try {
      const made = await handle.stat();
      if (before && (before.uid !== made.uid || before.gid !== made.gid))
        await handle.chown(before.uid, before.gid);
      await handle.chmod(before === undefined ? 0o600 : before.mode & 0o660);
      await handle.writeFile(text);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(beside, file);
  } catch (error) {
    await rm(beside, { force: true });
    throw error;
  }
  const folder = await open(dirname(file), 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** How a verifier stands in the file. */
export function scramValue(verifier: ScramVerifier): Record<string, unknown> {
  const { iterations, salt, storedKey, serverKey } = verifier;
  return {
    iterations,
    salt: salt.toString('base64'),
    storedKey: storedKey.toString('base64'),
    serverKey: serverKey.toString('base64'),
  };
}
