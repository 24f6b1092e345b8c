/** Reads everything in a spool and reports damage. */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { QueueId } from '../mail/index.ts';
import { decodeEntry, ScheduleKeys } from './layout.ts';
import { findMessage, type MessageRows } from './message-rows.ts';
import { OfflineSpool, type SpoolProblem } from './offline.ts';
import { repairMessage } from './repair.ts';
import { SpoolError } from './spool.ts';

export interface VerifyReport {
  readonly messages: number;
  readonly problems: readonly SpoolProblem[];
}

/**
 * Reads everything in the spool at `path` and reports each thing that is wrong, in a process of its own:
 * it takes as long as reading the disk does. The spool must not be open (`SpoolError` `locked`); nothing
 * is changed.
 */
export async function verifySpool(path: string): Promise<VerifyReport> {
  const name = import.meta.filename.endsWith('.ts') ? 'verify-main.ts' : 'verify-main.js';
  const child = spawn(process.execPath, [fileURLToPath(new URL(name, import.meta.url)), path], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [output, complaint, end] = await Promise.all([
    textOf(child.stdout),
    textOf(child.stderr),
    new Promise<number | NodeJS.Signals | null>((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (code, signal) => resolve(code ?? signal));
    }),
  ]);
  if (end !== 0) throw new SpoolError('io', `verifying ended with ${end}: ${complaint.trim().slice(0, 500)}`);
  const answer = JSON.parse(output) as
    | VerifyReport
    | { readonly code: SpoolError['code']; readonly message: string };
  if ('code' in answer) throw new SpoolError(answer.code, answer.message);
  return answer;
}

async function textOf(stream: AsyncIterable<Buffer>): Promise<string> {
  const pieces: Buffer[] = [];
  for await (const piece of stream) pieces.push(piece);
  return Buffer.concat(pieces).toString();
}

/** `verifySpool` in this process. */
export async function verifyHere(path: string): Promise<VerifyReport> {
  using spool = await OfflineSpool.open(path);
  const problems: SpoolProblem[] = [...spool.problems];
  const keys = new ScheduleKeys();
  const scheduled = new Set(spool.schedule.keys());
  const named = new Set<QueueId>();
  let messages = 0;
  for (const rows of spool.messages()) {
    const found = await findMessage(rows, { path, large: spool.large, checkOctets: true });
    for (const detail of repairMessage(found, 0).found)
      problems.push({ id: rows.id, what: 'message', detail });
    if (rows.envelope !== undefined) messages++;
    named.add(rows.id);
    for (const key of scheduleOf(rows, keys)) {
      if (!scheduled.delete(key))
        problems.push({ id: rows.id, what: 'schedule', detail: 'an entry is missing' });
    }
  }
  if (scheduled.size > 0) {
    problems.push({ what: 'schedule', detail: `${scheduled.size} keys stand for no entry` });
  }
  for (const [id, file] of spool.large) {
    const detail = `${JSON.stringify(file)} belongs to no message`;
    if (!named.has(id)) problems.push({ id, what: 'large-file', detail });
  }
  return { messages, problems };
}

/** The keys that the entries of a message should have in the schedule. */
function* scheduleOf(rows: MessageRows, keys: ScheduleKeys): Generator<string> {
  for (const { key, payload } of rows.entries) {
    const entry = payload === undefined ? undefined : decodeEntry(key, payload);
    if (entry !== undefined && entry.held === undefined) yield keys.key(entry).toString('latin1');
  }
}
