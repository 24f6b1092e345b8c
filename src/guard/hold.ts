/** The ids of holds, and a hold as it is stored. */
import { randomBytes } from 'node:crypto';
import { identitySubject, type SubjectKey } from './subject.ts';

/** How many messages, and how many octets. */
export interface HeldCounts {
  readonly messages: number;
  readonly octets: number;
}

/**
 * The states of a hold. `holding`: further mail of the subject is held. `ended`: it was quiet for long enough, so that
 * its further mail passes; the held mail waits for a decision. `releasing`: the decision is being carried out.
 */
export type HoldState = 'holding' | 'ended' | 'releasing';

/** A held subject, as it is on disk. */
export interface HoldRecord {
  readonly id: string;
  readonly subject: SubjectKey;
  /** Milliseconds since 1970. */
  readonly since: number;
  readonly because: string;
  readonly state: HoldState;
  /** Messages in the queue since this time belong to the hold. */
  readonly from: number;
  /** Mail accepted before this instant is being removed. */
  readonly removeUntil?: number;
}

/** A hold with the counts of its mail. */
export interface HoldStatus extends HoldRecord, HeldCounts {
  /** When the subject last sent something. */
  readonly lastAt: number;
  /** More is refused for now (452 4.7.1). */
  readonly isFull: boolean;
}

/** An exemption of a subject: its budgets do not count, or, for an open relay, are at their ceiling. */
export interface Allowance {
  readonly subject: SubjectKey;
  readonly since: number;
  /** Milliseconds since 1970. */
  readonly until: number;
}

/** The end of time, where something is for good. */
export const forever = Date.UTC(9999, 0, 1);

const alphabet = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';

/** A name for a hold that a person can type: `H` and seven letters and digits. */
export function newHoldId(): string {
  return `H${[...randomBytes(7)].map((octet) => alphabet[octet & 31]).join('')}`;
}

/** The id that a person typed, in the case that ids have; `undefined` when it is none. */
export function parseHoldId(text: string): string | undefined {
  const upper = text.trim().toUpperCase();
  return /^H[0-9A-HJKMNP-TV-Z]{7}$/.test(upper) ? upper : undefined;
}

/** The prefix of the reason of every queue entry that a hold keeps, by which a walk finds it. */
export function holdTag(id: string): string {
  return `guard ${id}:`;
}

/** The reason that the queue shows. */
export function heldBecause({ id, because }: Pick<HoldRecord, 'id' | 'because'>): string {
  return `${holdTag(id)} ${because}`;
}

/** Reads a record that was kept; `undefined` when another program wrote it. */
export function readHold(value: unknown): HoldRecord | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const of = (key: string): unknown => Reflect.get(value, key);
  const [id, subject, since, because, state] = ['id', 'subject', 'since', 'because', 'state'].map(of);
  const from = of('from');
  const removeUntil = of('removeUntil');
  if (typeof id !== 'string' || parseHoldId(id) !== id) return undefined;
  if (typeof since !== 'number' || typeof because !== 'string' || typeof from !== 'number') return undefined;
  const own = readSubject(subject);
  if (own === undefined) return undefined;
  if (state !== 'holding' && state !== 'ended' && state !== 'releasing') return undefined;
  return {
    id,
    subject: own,
    since,
    because,
    state,
    from,
    ...(typeof removeUntil === 'number' ? { removeUntil } : {}),
  };
}

/** Reads an allowance that was kept. */
export function readAllowance(value: unknown): Allowance | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const subject = readSubject(Reflect.get(value, 'subject'));
  const since: unknown = Reflect.get(value, 'since');
  const until: unknown = Reflect.get(value, 'until');
  if (subject === undefined || typeof since !== 'number' || typeof until !== 'number') return undefined;
  return { subject, since, until };
}

/** Identities were once kept as they were spelled. */
function readSubject(value: unknown): SubjectKey | undefined {
  if (!isSubjectKey(value)) return undefined;
  return value.startsWith('identity:') ? identitySubject(value.slice('identity:'.length)) : value;
}

function isSubjectKey(value: unknown): value is SubjectKey {
  return typeof value === 'string' && /^(?:identity|address|network):./s.test(value);
}
