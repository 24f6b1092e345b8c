/** Whether a host may be tested now (RFC 6471 §3.6), and the record of tests. */
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { canonicalIp, embeddedIpv4, IpSet, isLoopback, isPrivate, parseCidr } from '../base/index.ts';

/** A host that is ours by its address needs no permission; any other is tested with somebody's permission only. */
export type Permission =
  | { readonly kind: 'own' }
  | { readonly kind: 'authorised'; readonly by: string }
  | { readonly kind: 'refused'; readonly because: string };

/** Earlier tests, and targets that opted out. */
export interface ProbeRecord {
  /** When a target was last tested, by address; ISO 8601. */
  readonly tested: Readonly<Record<string, { readonly at: string; readonly authorisedBy: string }>>;
  /** Addresses and networks that asked to be left out. */
  readonly optedOut: readonly string[];
}

/** RFC 6471 §3.6: not more often than once in 24 hours. */
const restMs = 24 * 3600 * 1000;
/** Records of tests are forgotten after this. */
const keepMs = 90 * restMs;

/**
 * Whether a target may be tested now (RFC 6471 §3.6). Loopback and private addresses, and those in `own`, are ours.
 * Any other target needs `authorisedBy`, the person who permitted the test; it is left alone if it opted out, in spite
 * of any permission; and it rests for a day after each test.
 */
export function permission(
  target: string,
  record: ProbeRecord,
  options: {
    readonly authorisedBy: string | undefined;
    readonly own: readonly string[];
    readonly now: number;
  },
): Permission {
  const address = canonicalIp(target);
  if (address === undefined) return { kind: 'refused', because: `"${target}" is not an address` };
  const optedOut = setOf(record.optedOut);
  if ([address, ...embeddedIpv4(address)].some((one) => optedOut.has(one)))
    return { kind: 'refused', because: `${address} opted out of tests` };
  const isOwn =
    isLoopback(address) || isPrivate(address) || options.own.some((own) => canonicalIp(own) === address);
  if (isOwn) return { kind: 'own' };
  const { authorisedBy } = options;
  if (authorisedBy === undefined || authorisedBy.trim().length < 3) {
    return { kind: 'refused', because: `${address} is not ours: say with --authorised who allowed the test` };
  }
  const last = Date.parse(record.tested[address]?.at ?? '');
  if (options.now - last < restMs) {
    const again = new Date(last + restMs).toISOString();
    return { kind: 'refused', because: `${address} was tested already, it may be tested again at ${again}` };
  }
  return { kind: 'authorised', by: authorisedBy.trim() };
}

/** Reads the record; a file that is not there is an empty one. Rejects when it is there and cannot be read. */
export async function readRecord(path: string): Promise<ProbeRecord> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT')
      return { tested: {}, optedOut: [] };
    throw error;
  }
  const value: unknown = JSON.parse(text);
  const { tested, optedOut } = Object(value);
  return { tested: testedOf(tested), optedOut: Array.isArray(optedOut) ? optedOut.map(String) : [] };
}

/** Notes a test before it begins, so that an interrupted one counts too. */
export async function noteTest(
  path: string,
  test: { readonly target: string; readonly authorisedBy: string; readonly now: number },
): Promise<void> {
  const record = await readRecord(path);
  const kept = Object.entries(record.tested).filter(([, { at }]) => test.now - Date.parse(at) < keepMs);
  const address = canonicalIp(test.target) ?? test.target;
  const entry = { at: new Date(test.now).toISOString(), authorisedBy: test.authorisedBy };
  await writeRecord(path, { ...record, tested: { ...Object.fromEntries(kept), [address]: entry } });
}

/** Remembers for good that an address or a network wants no tests. */
export async function noteOptOut(path: string, network: string): Promise<void> {
  const record = await readRecord(path);
  await writeRecord(path, { ...record, optedOut: [...new Set([...record.optedOut, network])] });
}

async function writeRecord(path: string, record: ProbeRecord): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const fresh = `${path}.new`;
  await writeFile(fresh, `${JSON.stringify(record, null, 2)}\n`, { mode: 0o644 });
  await rename(fresh, path);
}

function testedOf(value: unknown): ProbeRecord['tested'] {
  return Object.fromEntries(
    Object.entries(Object(value)).map(([address, entry]) => {
      const { at, authorisedBy } = Object(entry);
      return [address, { at: String(at), authorisedBy: String(authorisedBy) }];
    }),
  );
}

function setOf(networks: readonly string[]): IpSet {
  return new IpSet(networks.flatMap((text) => parseCidr(text) ?? []));
}
