/** Mail for the Maildirs of this machine. */
import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, link, mkdir, open, rename, unlink } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import {
  type Address,
  type Envelope,
  formatLane,
  isPermanent,
  type RecipientStatus,
  type Reply,
  reply,
} from '../../mail/index.ts';
import type { Attempt, AttemptResult, Health } from '../../queue/index.ts';
import type { MaildirOwner } from '../options.ts';
import type { Transport, TransportContext, TransportKind, Via } from './kind.ts';

type MaildirParts = Pick<TransportContext, 'now' | 'hasMailbox'>;

/** The place of the files, and their owner. */
export interface MaildirPlace {
  readonly template: string;
  /** Absent: the process. */
  readonly owner?: MaildirOwner;
}

export const maildir: TransportKind = {
  schemes: ['maildir'],
  forms: ['maildir:/path'],
  parse(template, text) {
    if (template === undefined) return undefined;
    const wrong = wrongWith(template, text);
    return wrong ?? viaMaildir(template);
  },
};

/** The Maildirs of a domain of ours are a lane of their own. */
function viaMaildir(template: string): Via {
  return {
    scheme: 'maildir',
    transport({ owner }, domain) {
      const place = { template, ...(owner && { owner }) };
      const transport: Transport & MaildirPlace = {
        ...place,
        lane: formatLane({ scheme: 'maildir', place: domain ?? template }),
        deliver: (attempt, context, signal) => deliverToMaildir(attempt, place, context, signal),
      };
      return transport;
    },
  };
}

function wrongWith(template: string, text: string): string | undefined {
  if (!template.startsWith('/')) return `a Maildir needs an absolute path, found "${text}"`;
  const unknown = /\{(?!local\}|domain\})[^}]*\}?/.exec(template);
  return unknown === null
    ? undefined
    : `unknown "${unknown[0]}" in "${text}": {local} and {domain} are known`;
}

/** Mailboxes written at the same time by one attempt. */
const maxParallel = 8;
/** Octets of one component of a path that every usual file system takes. */
const maxComponentOctets = 255;

const delivered = reply(250, '0.0', 'Delivered to mailbox');
const noMailbox = reply(550, '1.1', 'No mailbox of that name');

/**
 * Writes the message into the Maildir of each recipient: `tmp`, sync, `new`, sync of the folder, so that a
 * mailbox never shows half a message and `delivered` survives a power cut. Lines end in LF, as the readers
 * of Maildirs expect; binary messages stay as they are. Never rejects: errors of the file system are
 * transient, because the mailbox of a recipient we know must be there when somebody has repaired it. A Maildir
 * that no policy grants is never made: its recipient fails.
 */
export async function deliverToMaildir(
  attempt: Attempt,
  { template, owner }: MaildirPlace,
  parts: MaildirParts,
  signal: AbortSignal,
): Promise<AttemptResult> {
  const statuses = new Map<number, RecipientStatus>();
  let health: Health = { kind: 'alive' };
  const one = async (index: number): Promise<void> => {
    const recipient = attempt.envelope.recipients[index];
    if (recipient === undefined) return;
    const path = mailboxPath(template, recipient.address);
    const outcome =
      path === undefined
        ? reply(550, '1.3', 'The address has no mailbox name')
        : await writeMessage(path, recipient.address, { attempt, parts, signal, owner });
    if (outcome.code === 452) health = { kind: 'unavailable', reply: outcome };
    statuses.set(index, statusOf(outcome, parts.now(), path));
  };
  for (let i = 0; i < attempt.recipients.length; i += maxParallel) {
    await Promise.all(attempt.recipients.slice(i, i + maxParallel).map(one));
  }
  return { statuses, health };
}

function statusOf(outcome: Reply, at: number, path: string | undefined): RecipientStatus {
  const relay = `maildir:${path ?? ''}`;
  if (outcome.code < 400) return { status: 'delivered', at, relay, reply: outcome };
  return { status: isPermanent(outcome) ? 'failed' : 'pending', at, relay, reply: outcome };
}

/**
 * The Maildir of an address: `{local}` and `{domain}` of the template filled in, in lower case (local parts
 * that differ only in case share a mailbox). What could leave its place in the path (`/`, NUL and other
 * control characters, a leading dot) and `%` itself are percent-encoded, so two addresses never meet in one
 * mailbox. `undefined` when a component is empty or too long for a file name.
 */
export function mailboxPath(template: string, address: Address): string | undefined {
  if (template.includes('{local}') && address.localPart === '') return undefined;
  // In one pass: braces within an address are no placeholder.
  const path = template.replace(/\{(local|domain)\}/g, (_, name: string) =>
    safeComponent(name === 'local' ? address.localPart : address.domain),
  );
  const isTooLong = path.split('/').some((component) => Buffer.byteLength(component) > maxComponentOctets);
  return isTooLong ? undefined : path;
}

/** The Maildir that a destination has for this address; `undefined` where others' mail goes to the same one. */
export function personalMailbox(destination: string, address: Address): string | undefined {
  if (!destination.startsWith('maildir:')) return undefined;
  const template = destination.slice('maildir:'.length);
  if (wrongWith(template, destination) !== undefined) return undefined;
  return template.includes('{local}') ? mailboxPath(template, address) : undefined;
}

function safeComponent(text: string): string {
  return text
    .toLowerCase()
    .replace(/^\.|[%/\\\p{Cc}\p{Zl}\p{Zp}]/gu, (character) =>
      [...Buffer.from(character)]
        .map((octet) => `%${octet.toString(16).toUpperCase().padStart(2, '0')}`)
        .join(''),
    );
}

interface Writing {
  readonly attempt: Attempt;
  readonly parts: MaildirParts;
  readonly signal: AbortSignal;
  readonly owner: MaildirOwner | undefined;
}

async function writeMessage(path: string, address: Address, writing: Writing): Promise<Reply> {
  const name = uniqueName(writing.parts.now());
  const temporary = join(path, 'tmp', name);
  try {
    const { owner } = writing;
    const file = await openTemporary(path, temporary, writing, address);
    if (file === undefined) return noMailbox;
    try {
      await writeOctets(file, address, writing);
      if (owner !== undefined) await file.chown(owner.uid, owner.gid);
      await file.sync();
    } finally {
      await file.close();
    }
    await publish(temporary, join(path, 'new', name));
    await syncFolder(join(path, 'new'));
    return delivered;
  } catch (error) {
    await unlink(temporary).catch(() => {});
    return replyTo(error);
  }
}

/** Seconds, then a part that is unique on this host, then the host (the Maildir naming rule). */
function uniqueName(now: number): string {
  const host = hostname().replace(/[/:]/g, (character) => (character === '/' ? '\\057' : '\\072'));
  return `${Math.floor(now / 1000)}.M${(now % 1000) * 1000}P${process.pid}R${randomBytes(8).toString('hex')}.${host}`;
}

/**
 * A Maildir that is not there yet is made on the way, when it may be; the usual case costs no look at the folders.
 * `undefined` when it may not.
 */
async function openTemporary(
  path: string,
  temporary: string,
  { owner, parts }: Writing,
  address: Address,
): Promise<FileHandle | undefined> {
  const flags = constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY | constants.O_NOFOLLOW;
  try {
    return await open(temporary, flags, 0o600);
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
  }
  if (!parts.hasMailbox(address)) return undefined;
  await makeMaildir(path, owner);
  return open(temporary, flags, 0o600);
}

/** `tmp` is made last: a Maildir without it is one that is not finished. */
async function makeMaildir(path: string, owner: MaildirOwner | undefined): Promise<void> {
  const first = await mkdir(path, { recursive: true, mode: 0o700 });
  const made = first === undefined ? [path] : foldersBetween(first, path);
  for (const name of ['cur', 'new', 'tmp']) {
    await mkdir(join(path, name), { recursive: true, mode: 0o700 });
    made.push(join(path, name));
  }
  if (owner !== undefined) for (const folder of made) await giveFolder(folder, owner);
  await syncFolder(path);
  if (first === undefined) return;
  // Folders above it that were made too have to last as well.
  for (const folder of foldersBetween(first, path)) await syncFolder(dirname(folder));
}

/** Both ends and what lies between them, from the top. */
function foldersBetween(top: string, path: string): string[] {
  return path.length <= top.length ? [path] : [...foldersBetween(top, dirname(path)), path];
}

/**
 * Gives a folder that the process made to its owner. Never by its path, and never a folder of another owner: the owner
 * of the folder above could have put a link to any place there in the meantime.
 */
async function giveFolder(path: string, { uid, gid }: MaildirOwner): Promise<void> {
  const folder = await open(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  try {
    const found = await folder.stat();
    if (found.uid === process.geteuid?.()) await folder.chown(uid, gid);
  } finally {
    await folder.close();
  }
}

async function writeOctets(file: FileHandle, address: Address, { attempt, signal }: Writing): Promise<void> {
  const { envelope, octets } = attempt;
  await file.write(prefixFor(envelope, address));
  const isVerbatim = envelope.content.isBinary;
  const toLf = lineEnds();
  const pieces = octets.whole === undefined ? octets.chunks() : [octets.whole];
  for await (const piece of pieces) {
    signal.throwIfAborted();
    await file.appendFile(isVerbatim ? piece : toLf(piece));
  }
  if (!isVerbatim) await file.appendFile(toLf(undefined));
}

/** Return-Path is the reverse-path of the envelope (RFC 5321 §4.4), Delivered-To the recipient of this copy. */
function prefixFor(envelope: Envelope, address: Address): string {
  const returnPath = envelope.reversePath?.text ?? '';
  const end = envelope.content.isBinary ? '\r\n' : '\n';
  return `Return-Path: <${returnPath}>${end}Delivered-To: ${address.text}${end}`;
}

/** Turns CRLF into LF, also where it is divided between pieces. `undefined` ends the message. */
function lineEnds(): (piece: Buffer | undefined) => Buffer {
  let hasCr = false;
  return (piece) => {
    const held = hasCr ? Buffer.from('\r') : Buffer.alloc(0);
    if (piece === undefined) return held;
    hasCr = piece.at(-1) === 13;
    const whole = Buffer.concat([held, hasCr ? piece.subarray(0, -1) : piece]);
    let to = 0;
    for (let from = 0; from < whole.length; from++) {
      if (whole[from] === 13 && whole[from + 1] === 10) continue;
      whole[to++] = whole[from] ?? 0;
    }
    return whole.subarray(0, to);
  };
}

/** Moves the file without ever overwriting one: link and unlink, or rename where there are no links. */
async function publish(temporary: string, final: string): Promise<void> {
  try {
    await link(temporary, final);
  } catch (error) {
    if (!['EPERM', 'ENOTSUP', 'ENOSYS', 'EMLINK'].includes(codeOf(error))) throw error;
    await rename(temporary, final);
    return;
  }
  await unlink(temporary);
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

function replyTo(error: unknown): Reply {
  switch (codeOf(error)) {
    case 'ENOSPC':
    case 'EDQUOT':
      return reply(452, '2.2', 'Mailbox full');
    case 'ENAMETOOLONG':
      return reply(550, '1.3', 'The address is too long for a mailbox name');
    default:
      return reply(451, '3.0', `Mailbox cannot be written (${codeOf(error)})`);
  }
}

function codeOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? code : 'unexpected';
}
