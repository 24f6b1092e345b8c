/** The records and answers of the resolver, and the form of names. */

/** One mail exchanger (RFC 1035 §3.3.9). `exchange` is lower-case without the trailing dot; `.` is null MX. */
export interface MxRecord {
  readonly preference: number;
  readonly exchange: string;
}

/** The values of records by type. Names are lower-case without the trailing dot. */
export interface RecordTypes {
  readonly A: string;
  readonly AAAA: string;
  readonly MX: MxRecord;
  /** The character strings of one record, in order: join them without a space (RFC 7208 §3.3). */
  readonly TXT: readonly string[];
  readonly PTR: string;
  readonly CNAME: string;
}

export type LookupType = keyof RecordTypes;

/** The answer to a question. `unavailable` is always transient: nothing is known about the name. */
export type LookupResult<T extends LookupType = LookupType> =
  | { readonly kind: 'found'; readonly records: readonly RecordTypes[T][]; readonly authenticated: boolean }
  | { readonly kind: 'none'; readonly reason: 'nxdomain' | 'nodata' }
  | { readonly kind: 'unavailable'; readonly because: string };

/** Lower case, no trailing dot; the root stays `.`. */
export function canonicalName(name: string): string {
  const lower = name.toLowerCase();
  return lower.length > 1 && lower.endsWith('.') ? lower.slice(0, -1) : lower;
}

/** Whether the name can be put in a question at all: labels of 1 to 63 octets, 253 in total, ASCII. */
export function isQueryableName(name: string): boolean {
  if (name.length === 0 || name.length > 253) return false;
  return name.split('.').every((label) => /^[\x21-\x5b\x5d-\x7e]{1,63}$/.test(label));
}
