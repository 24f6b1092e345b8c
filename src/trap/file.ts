/** The form of a file in the archive. */
import type { Envelope, QueueId } from '../mail/index.ts';

/** The first line of a file: the facts of the session, before the octets. */
export interface TrapRecord {
  readonly version: 1;
  readonly id: QueueId;
  /** The whole envelope as the session had it, client, HELO and listener in its `origin`. */
  readonly envelope: Envelope;
}

/** The line with which a file begins. JSON has no line ends of its own. */
export function encodeRecord(record: TrapRecord): Buffer {
  return Buffer.from(`${JSON.stringify(record)}\n`);
}

/** Reads the line again; `undefined` when it is none of ours. */
export function decodeRecord(line: string): TrapRecord | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return isRecord(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Only we write these files, so the outline is enough to recognise one. */
function isRecord(value: unknown): value is TrapRecord {
  if (typeof value !== 'object' || value === null) return false;
  const envelope: unknown = Reflect.get(value, 'envelope');
  return (
    Reflect.get(value, 'version') === 1 &&
    typeof Reflect.get(value, 'id') === 'string' &&
    typeof envelope === 'object' &&
    envelope !== null &&
    typeof Reflect.get(envelope, 'receivedAt') === 'number' &&
    typeof Reflect.get(envelope, 'origin') === 'object' &&
    Array.isArray(Reflect.get(envelope, 'recipients'))
  );
}

/** The folder of a day: `2026-01-31`, in UTC. */
export function dayOf(at: number): string {
  return new Date(at).toISOString().slice(0, 10);
}

/** Folders of days, and nothing else that may lie there. */
export function isDay(name: string): boolean {
  return /^\d{4}-\d{2}-\d{2}$/.test(name);
}

/** The id of a message's file; `undefined` when it is something else. */
export function idOfFile(name: string): string | undefined {
  return /^([0-9A-HJKMNP-TV-Z]{16})\.eml$/.exec(name)?.[1];
}
