import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, open, rename, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';

import { ControlError, parseLine } from '../admin/index.ts';

/** Text without control characters and line ends: whatever it is put into, it stays on its line. */
const line = z.string().regex(/^[^\p{Cc}\p{Zl}\p{Zp}]*$/u, 'it holds a control character');
const address = line.max(2048);

/** One recipient, with what the sender wants to hear about it (RFC 3461). */
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
 * (`readLetter`), the writer is not trusted with it.
 */
const dropEnvelopeShape = z.strictObject({
  version: z.literal(1),
  /** Empty for the null reverse-path. */
  from: address,
  to: z.array(dropRecipientShape).min(1).max(100_000).readonly(),
  body: z.enum(['7bit', '8bitmime', 'binarymime']),
  /** RFC 6531: header or addresses may be beyond ASCII. Those addresses count also where this is absent. */
  smtputf8: z.boolean().exactOptional(),
  ret: z.enum(['full', 'hdrs']).exactOptional(),
  envid: line.max(100).exactOptional(),
});
export type DropEnvelope = z.infer<typeof dropEnvelopeShape>;

/** The envelope in the first line of a file. Throws `ControlError` `bad-request` with what is wrong with it. */
export function parseLetterLine(line: string): DropEnvelope {
  return parseLine(dropEnvelopeShape, line);
}

/** Longest first line of a file, in octets. */
export const maxEnvelopeOctets = 8 * 1024 * 1024;

const { O_CREAT, O_EXCL, O_WRONLY, O_NOFOLLOW } = constants;

/** The end of the name of a complete file; anything else is still being written. */
export const dropSuffix = '.mail';
/** The beginning of the name of a file that is being written. */
export const partPrefix = 'part-';

/**
 * Puts a message into the maildrop and returns its name. When it resolves, the message survives a power
 * cut and the relay will find it, now or when it next runs. When it rejects nothing is left behind: with
 * `ControlError` `too-large` for an envelope that the relay would not read, else with the system's error. Names
 * are 128 bits of chance: nobody but the relay can list the folder, so nobody else can find the file.
 */
export async function dropMail(
  folder: string,
  envelope: DropEnvelope,
  octets: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): Promise<string> {
  const line = Buffer.from(`${JSON.stringify(envelope)}\n`);
  if (line.length > maxEnvelopeOctets)
    throw new ControlError('too-large', 'too many recipients for one message');
  const name = randomBytes(16).toString('hex');
  const part = join(folder, partPrefix + name);
  const file = await open(part, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW, 0o640);
  try {
    await file.writeFile(line);
    for await (const chunk of octets) await file.writeFile(chunk);
    await file.sync();
    await rename(part, join(folder, name + dropSuffix));
    await syncName(file, folder);
    return name;
  } catch (error) {
    await unlink(part).catch(() => {});
    throw error;
  } finally {
    await file.close();
  }
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
