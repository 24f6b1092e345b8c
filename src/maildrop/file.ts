/** A file of the maildrop: its format, and its writer. */
import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, open, rename, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { z } from 'zod';

import { ControlError, parseLine, parseValue } from '../admin/index.ts';

/** Text without control characters and line ends, which stays on its line in any file. */
const line = z.string().regex(/^[^\p{Cc}\p{Zl}\p{Zp}]*$/u, 'it holds a control character');
const address = line.max(2048);

/** One recipient, and the notifications that the sender wants for it (RFC 3461). */
const dropRecipientShape = z.strictObject({
  address,
  notify: z
    .union([
      z.literal('never'),
      z
        .array(z.enum(['success', 'failure', 'delay']))
        .min(1)
        .max(3)
        .readonly(),
    ])
    .exactOptional(),
  originalRecipient: z.strictObject({ type: line.max(40), address }).exactOptional(),
});

/**
 * A file of the maildrop: one line of JSON (this envelope), LF, then the octets of the message with CRLF
 * line ends, to the end of the file. Addresses and the like are text here: the relay makes values of them
 * (`readDropped`), the writer is not trusted with it.
 */
const dropEnvelopeShape = z.strictObject({
  version: z.literal(1),
  /** Empty for the null reverse-path. */
  from: address,
  to: z.array(z.unknown()).min(1).max(100_000).readonly(),
  body: z.enum(['7bit', '8bitmime', 'binarymime']),
  /** RFC 6531: header or addresses may be beyond ASCII. Such addresses count also if this is absent. */
  smtputf8: z.boolean().exactOptional(),
  ret: z.enum(['full', 'hdrs']).exactOptional(),
  envid: line.max(100).exactOptional(),
});
export interface DropEnvelope extends Omit<z.infer<typeof dropEnvelopeShape>, 'to'> {
  readonly to: readonly z.infer<typeof dropRecipientShape>[];
}

/** Recipients that are looked at in one go; then everything else has its turn. */
export const recipientsPerTurn = 200;

/**
 * The envelope in the first line of a file. Rejects with `ControlError` `bad-request` and the first thing that is wrong
 * with it.
 */
export async function parseEnvelopeLine(line: string): Promise<DropEnvelope> {
  const { to: given, ...envelope } = parseLine(dropEnvelopeShape, line);
  const to: DropEnvelope['to'][number][] = [];
  for (const each of given) {
    to.push(parseValue(dropRecipientShape, each));
    if (to.length % recipientsPerTurn === 0) await setImmediate();
  }
  return { ...envelope, to };
}

/** Longest first line of a file, in octets: older writers put all recipients of a message into one file. */
export const maxEnvelopeOctets = 8 * 1024 * 1024;

const { O_CREAT, O_EXCL, O_WRONLY, O_NOFOLLOW } = constants;

/** The end of the name of a complete file; anything else is still being written. */
export const dropSuffix = '.mail';
/** The beginning of the name of a file that is being written. */
export const partPrefix = 'part-';

/** Most recipients of one file: reading them takes the relay a few milliseconds. */
export const maxRecipients = 1000;
/** Longest first line of a file that is written here, in octets. */
const maxWrittenOctets = 2 * 1024 * 1024;

/**
 * Puts a message into the maildrop, as several files where it has more than `maxRecipients`, and returns the names of
 * the files. When it resolves, the message survives a power cut and the relay will find it, now or when it next runs.
 * When it rejects nothing is left behind: with `ControlError` `too-large` for addresses that are too long together, else
 * with the system's error. Names are 128 bits of chance: nobody but the relay can list the folder, so nobody else can
 * find the file.
 */
export async function dropMail(
  folder: string,
  envelope: DropEnvelope,
  octets: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): Promise<readonly string[]> {
  const parts: Part[] = [];
  try {
    for (let at = 0; at < envelope.to.length; at += maxRecipients) {
      const to = envelope.to.slice(at, at + maxRecipients);
      const line = Buffer.from(`${JSON.stringify({ ...envelope, to })}\n`);
      if (line.length > maxWrittenOctets)
        throw new ControlError('too-large', 'the addresses of the recipients are too long');
      const part = await beginPart(folder);
      parts.push(part);
      await part.file.writeFile(line);
    }
    for await (const chunk of octets) for (const { file } of parts) await file.writeFile(chunk);
    for (const { file } of parts) await file.sync();
    for (const part of parts) {
      await rename(part.path, part.finalPath);
      part.path = part.finalPath;
    }
    for (const { file } of parts) await syncName(file, folder);
    return parts.map(({ name }) => name);
  } catch (error) {
    for (const { path } of parts) await unlink(path).catch(() => {});
    throw error;
  } finally {
    for (const { file } of parts) await file.close();
  }
}

/** A file that is being written. */
interface Part {
  readonly name: string;
  readonly file: FileHandle;
  readonly finalPath: string;
  /** Where it stands now. */
  path: string;
}

async function beginPart(folder: string): Promise<Part> {
  const name = randomBytes(16).toString('hex');
  const path = join(folder, partPrefix + name);
  const file = await open(path, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW, 0o640);
  return { name, file, path, finalPath: join(folder, name + dropSuffix) };
}

/**
 * Makes the new name durable. A user may write to the folder but not open it, so it cannot be synced
 * itself; syncing the file again takes its rename along on the journaling file systems.
 */
async function syncName(file: FileHandle, folder: string): Promise<void> {
  await file.sync();
  try {
    await using handle = await open(folder, 'r');
    await handle.sync();
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EACCES')) throw error;
  }
}
