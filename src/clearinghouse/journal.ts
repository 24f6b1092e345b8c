/** Encodes the changes of the counts for the journal. */
import { crc32 } from 'node:zlib';
import { registers, type Take } from './flood/tally.ts';

/** One change of the counts, complete: played again in order on the same state, it comes to the same. */
export type Entry =
  /** A copy that was counted; `ref` is the cluster or message that it matched, 0 for none. */
  | {
      readonly kind: 'copy';
      readonly now: number;
      readonly ref: number;
      /** Whether it is a cluster even though nothing is like it. */
      readonly begins: boolean;
      readonly lists: readonly (readonly number[])[];
      readonly recipients: readonly number[];
      /** Keys of others that lead to it, each with the feature that has to be rare for that, or 0. */
      readonly keys: readonly number[];
      readonly keyFeatures: readonly number[];
    }
  /** A report or a revocation; on disk its kind is `word`. */
  | {
      readonly kind: 'report';
      readonly now: number;
      readonly side: 'reported' | 'revoked';
      readonly cluster: number;
      readonly reporter: string;
      readonly isKnown: boolean;
    }
  /** Two clusters were found to be one; nothing is left of `from`. */
  | { readonly kind: 'join'; readonly now: number; readonly from: number; readonly to: number }
  | {
      readonly kind: 'allow';
      readonly now: number;
      readonly cluster: number;
      readonly isAllowed: boolean;
    }
  /** Common words or features that a sender was seen to use for the first time. */
  | {
      readonly kind: 'learn';
      readonly what: 'words' | 'boilerplate';
      readonly by: number;
      readonly things: readonly number[];
    }
  /** A picture that is like none before. */
  | { readonly kind: 'picture'; readonly high: number; readonly low: number }
  /** A tally of another clearinghouse; `ref` is the cluster that it matched, 0 for none. */
  | { readonly kind: 'take'; readonly now: number; readonly ref: number; readonly take: Take };

const headOctets = 8;
/** No entry is longer; a longer length is damage. */
const maxOctets = 1 << 20;

/** Length, CRC-32, and the entry. */
export function encodeEntry(entry: Entry): Buffer {
  const body = encodeBody(entry);
  const head = Buffer.alloc(headOctets);
  head.writeUInt32LE(body.length, 0);
  head.writeUInt32LE(crc32(body), 4);
  return Buffer.concat([head, body]);
}

/** The entries of a journal, and where each ends, up to its end or to where it was broken off or damaged. */
export function* decodeEntries(journal: Buffer): Generator<{ readonly entry: Entry; readonly end: number }> {
  let at = 0;
  while (at + headOctets <= journal.length) {
    const length = journal.readUInt32LE(at);
    const body = journal.subarray(at + headOctets, at + headOctets + length);
    if (length > maxOctets || body.length < length || crc32(body) !== journal.readUInt32LE(at + 4)) return;
    const entry = decodeBody(body);
    if (entry === undefined) return;
    at += headOctets + length;
    yield { entry, end: at };
  }
}

function decodeBody(body: Buffer): Entry | undefined {
  const letter = String.fromCharCode(body[0] ?? 0);
  if (letter === 'C') return decodeCopy(body);
  return letter === 'L' ? decodeLearn(body) : decodeJson(body);
}

function encodeBody(entry: Entry): Buffer {
  if (entry.kind === 'copy') return encodeCopy(entry);
  if (entry.kind === 'learn') return encodeLearn(entry);
  if (entry.kind === 'report') return Buffer.from(`W${JSON.stringify({ ...entry, kind: 'word' })}`);
  if (entry.kind !== 'take') return Buffer.from(`W${JSON.stringify(entry)}`);
  const { tally, ...take } = entry.take;
  const { sketch, ...claim } = tally;
  const octets = Buffer.from(sketch).toString('base64');
  return Buffer.from(
    `T${JSON.stringify({ ...entry, take: { ...take, claim }, sketch: octets } satisfies StoredTake)}`,
  );
}

/** `L`, of words or not, the sender, then all things. */
function encodeLearn({ what, by, things }: Entry & { readonly kind: 'learn' }): Buffer {
  const octets = Buffer.alloc(2 + 8 * (1 + things.length));
  octets.write('L', 0, 'latin1');
  octets[1] = what === 'words' ? 1 : 0;
  let at = 2;
  for (const number of [by, ...things]) at = octets.writeDoubleLE(number, at);
  return octets;
}

function decodeLearn(body: Buffer): Entry | undefined {
  if (body.length < 10 || body.length % 8 !== 2) return undefined;
  const numbers = Array.from({ length: (body.length - 2) / 8 }, (_, at) => body.readDoubleLE(2 + 8 * at));
  const [by = 0, ...things] = numbers;
  return { kind: 'learn', what: body[1] === 1 ? 'words' : 'boilerplate', by, things };
}

/** `C`, flags, time, reference, the lengths of the lists, then all numbers. */
function encodeCopy({
  now,
  ref,
  begins,
  lists,
  recipients,
  keys,
  keyFeatures,
}: Entry & { readonly kind: 'copy' }): Buffer {
  const all = [...lists, recipients, keys, keyFeatures];
  const numbers = all.reduce((sum, list) => sum + list.length, 0);
  const octets = Buffer.alloc(15 + 2 * all.length + 8 * numbers);
  octets.write('C', 0, 'latin1');
  octets[1] = begins ? 1 : 0;
  octets.writeDoubleLE(now, 2);
  octets.writeInt32LE(ref, 10);
  octets[14] = all.length;
  let at = 15;
  for (const list of all) at = octets.writeUInt16LE(list.length, at);
  for (const list of all) for (const number of list) at = octets.writeDoubleLE(number, at);
  return octets;
}

function decodeCopy(body: Buffer): Entry | undefined {
  const count = body[14] ?? 0;
  if (body.length < 15 + 2 * count) return undefined;
  const lengths = Array.from({ length: count }, (_, at) => body.readUInt16LE(15 + 2 * at));
  let at = 15 + 2 * count;
  if (body.length !== at + 8 * lengths.reduce((sum, length) => sum + length, 0)) return undefined;
  const all = lengths.map((length) =>
    Array.from({ length }, () => {
      at += 8;
      return body.readDoubleLE(at - 8);
    }),
  );
  const keyFeatures = all.pop();
  const keys = all.pop();
  const recipients = all.pop();
  if (keyFeatures === undefined || keys === undefined || recipients === undefined) return undefined;
  const begins = body[1] === 1;
  return {
    kind: 'copy',
    begins,
    now: body.readDoubleLE(2),
    ref: body.readInt32LE(10),
    lists: all,
    recipients,
    keys,
    keyFeatures,
  };
}

type TakeEntry = Entry & { readonly kind: 'take' };
type ReportEntry = Entry & { readonly kind: 'report' };
type StoredReport = Omit<ReportEntry, 'kind'> & { readonly kind: 'word' };

/** A tally of another clearinghouse on disk, where it is called a claim. */
interface StoredTake extends Omit<TakeEntry, 'take'> {
  readonly take: Omit<Take, 'tally'> & { readonly claim: Omit<Take['tally'], 'sketch'> };
  /** Base 64. */
  readonly sketch?: string;
}

/** Entries that are written down as they are. */
const jsonKinds: ReadonlySet<Entry['kind']> = new Set(['join', 'allow', 'picture']);

function decodeJson(body: Buffer): Entry | undefined {
  try {
    const entry: Exclude<Entry, TakeEntry | ReportEntry> | StoredTake | StoredReport = JSON.parse(
      body.subarray(1).toString(),
    );
    if (entry.kind === 'word') return { ...entry, kind: 'report' };
    if (entry.kind !== 'take') return jsonKinds.has(entry.kind) ? entry : undefined;
    const sketch = new Uint8Array(Buffer.from(entry.sketch ?? '', 'base64'));
    if (sketch.length !== registers) return undefined;
    const { claim, ...take } = entry.take;
    return { kind: 'take', now: entry.now, ref: entry.ref, take: { ...take, tally: { ...claim, sketch } } };
  } catch {
    return undefined;
  }
}
