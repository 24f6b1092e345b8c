/** A window of POP before SMTP as it is stored, and its changes. */

/** One login within a window; instants are milliseconds since 1970. */
export interface WindowName {
  readonly name: string;
  readonly source: string;
  /** The digest of a local user's credential; the window ends with it. */
  readonly credential?: string;
  readonly openedAt: number;
  readonly lastAt: number;
  readonly expiresAt: number;
}

/** A window as it is stored: the users who logged in, the latest last. */
export interface StoredWindow {
  readonly names: readonly WindowName[];
}

/** The number of names that one window keeps; the oldest goes, and so many need a login of their own anyway. */
export const maxNames = 50;

/** The largest set-back of the clock after which the age of a login is still known. */
const maxSetBackMs = 60_000;

/** The names that count at this time. A login of the future means that the clock was set back: then it ends. */
export function namesAt({ names }: StoredWindow, now: number): readonly WindowName[] {
  const isOpen = ({ lastAt, expiresAt }: WindowName) => now < expiresAt && lastAt - now <= maxSetBackMs;
  // Usually there is one, and this is asked for every recipient.
  return names.every(isOpen) ? names : names.filter(isOpen);
}

/** The window with one more login, or a login renewed; ended logins are removed. */
export function withLogin(
  before: StoredWindow | undefined,
  login: Pick<WindowName, 'name' | 'source' | 'credential'>,
  {
    now,
    windowMs,
    maxLifeMs,
  }: { readonly now: number; readonly windowMs: number; readonly maxLifeMs: number },
): { readonly row: StoredWindow; readonly added: boolean } {
  const { name, source, credential } = login;
  const open = before === undefined ? [] : namesAt(before, now);
  const known = open.find((other) => isSame(other.name, name));
  const openedAt = Math.min(known?.openedAt ?? now, now);
  const expiresAt = Math.min(now + windowMs, openedAt + maxLifeMs);
  const others = open.filter((other) => other !== known).slice(1 - maxNames);
  const own = { name, source, ...(credential !== undefined && { credential }) };
  const names = [...others, { ...own, openedAt, lastAt: now, expiresAt }];
  return { row: { names }, added: known === undefined };
}

/** The window without a name: the same one if the name is not in it, undefined if no name is left. */
export function withoutName(row: StoredWindow, name: string): StoredWindow | undefined {
  const names = row.names.filter((other) => !isSame(other.name, name));
  if (names.length === row.names.length) return row;
  return names.length === 0 ? undefined : { names };
}

/** Reads a row as it was stored. */
export function decodeWindow(value: unknown): StoredWindow | undefined {
  const names = property(value, 'names');
  if (!Array.isArray(names) || names.length === 0 || names.length > maxNames) return undefined;
  const decoded = names.map(decodeName);
  return decoded.every((name) => name !== undefined) ? { names: decoded } : undefined;
}

function decodeName(value: unknown): WindowName | undefined {
  const [name, source] = [property(value, 'name'), property(value, 'source')];
  const openedAt = property(value, 'openedAt');
  const lastAt = property(value, 'lastAt');
  const expiresAt = property(value, 'expiresAt');
  const credential = property(value, 'credential');
  if (typeof name !== 'string' || typeof source !== 'string') return undefined;
  if (credential !== undefined && typeof credential !== 'string') return undefined;
  if (typeof openedAt !== 'number' || typeof lastAt !== 'number' || typeof expiresAt !== 'number')
    return undefined;
  return { name, source, ...(credential !== undefined && { credential }), openedAt, lastAt, expiresAt };
}

function property(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined;
}

function isSame(one: string, other: string): boolean {
  return one.normalize('NFC').toLowerCase() === other.normalize('NFC').toLowerCase();
}
