import { isDeepStrictEqual } from 'node:util';
import type { Config } from './config.ts';

/** What it takes for a change to hold. */
export type Effect =
  /** New sessions and attempts have it. */
  | 'reload'
  /** A listener is opened or closed; the others go on. */
  | 'rebind'
  /** Only a restart does it; until then the old value holds. */
  | 'restart';

/** One difference between two configurations. Values are left out: some are secrets. */
export interface ConfigChange {
  /** `limits.sessions`, `listeners[mx 0.0.0.0:25]`, `domains[example.org]`. */
  readonly path: string;
  readonly what: 'added' | 'removed' | 'changed';
  readonly effect: Effect;
}

/** What is fixed when the process starts. Everything else can be changed while it runs. */
const fixed = [
  'data',
  'user',
  'logs',
  'spool',
  'capture.folder',
  'sendmail.maildrop',
  'trap',
  'pop3',
  'clearinghouse',
  'relay.popBeforeSmtp.events',
];

/** What a reload from `before` to `after` would change, in the order of the keys. */
export function diffConfig(before: Config, after: Config): readonly ConfigChange[] {
  const { listeners: oldListeners, domains: oldDomains, file: _, ...oldRest } = before;
  const { listeners: newListeners, domains: newDomains, file: __, ...newRest } = after;
  return [
    ...diffRecords(oldRest, newRest, ''),
    ...diffLists('listeners', byKey(oldListeners, listenerKey), byKey(newListeners, listenerKey)),
    ...diffLists(
      'domains',
      byKey(oldDomains, ({ name }) => name),
      byKey(newDomains, ({ name }) => name),
    ),
  ];
}

function listenerKey({ name, host, port }: Config['listeners'][number]): string {
  // Several listeners may ask for port 0; their names differ.
  return port === 0 ? name : `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

function byKey<T>(items: readonly T[], keyOf: (item: T) => string): Map<string, T> {
  return new Map(items.map((item) => [keyOf(item), item]));
}

function diffLists(
  list: 'listeners' | 'domains',
  before: ReadonlyMap<string, unknown>,
  after: ReadonlyMap<string, unknown>,
): ConfigChange[] {
  const effect = list === 'listeners' ? 'rebind' : 'reload';
  return [...new Set([...before.keys(), ...after.keys()])].flatMap((key): ConfigChange[] => {
    const path = `${list}[${key}]`;
    if (!before.has(key)) return [{ path, what: 'added', effect }];
    if (!after.has(key)) return [{ path, what: 'removed', effect }];
    return isDeepStrictEqual(before.get(key), after.get(key)) ? [] : [{ path, what: 'changed', effect }];
  });
}

function diffRecords(before: object, after: object, prefix: string): ConfigChange[] {
  const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])];
  return keys.flatMap((key): ConfigChange[] => {
    const [old, young]: unknown[] = [Reflect.get(before, key), Reflect.get(after, key)];
    if (isDeepStrictEqual(old, young)) return [];
    const path = `${prefix}${key}`;
    if (isRecord(old) && isRecord(young)) return diffRecords(old, young, `${path}.`);
    const what = old === undefined ? 'added' : young === undefined ? 'removed' : 'changed';
    return [{ path, what, effect: effectOf(path) }];
  });
}

/** A mapping of options. A mail address and the parts of the certificate are one value. */
function isRecord(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !('localPart' in value);
}

function effectOf(path: string): Effect {
  return fixed.some((key) => path === key || path.startsWith(`${key}.`)) ? 'restart' : 'reload';
}
