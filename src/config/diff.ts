/** Lists the changes that a reload makes, and those that need a restart. */
import { isDeepStrictEqual } from 'node:util';
import type { Effect, Section } from './section.ts';
import { type Config, type SectionKey, sectionKeys, sectionTable } from './sections.ts';

/** One difference between two configurations. Values are left out: some are secrets. */
export interface ConfigChange {
  /** `limits.sessions`, `listeners[mx 0.0.0.0:25]`, `domains[example.org]`. */
  readonly path: string;
  readonly what: 'added' | 'removed' | 'changed';
  readonly effect: Effect;
}

/** The changes of a reload from `before` to `after`, in the order of the sections. */
export function diffConfig(before: Config, after: Config): readonly ConfigChange[] {
  return sectionKeys.flatMap((key) => diffSection(key, before[key], after[key]));
}

function diffSection(key: SectionKey, before: unknown, after: unknown): ConfigChange[] {
  const { effect, memberName, fixed = [], rebound = [] } = sectionTable[key];
  const changes =
    memberName === undefined
      ? diffValues(key, before, after)
      : diffMembers(key, named(before, memberName), named(after, memberName));
  const isAmong = (keys: readonly string[], path: string) =>
    keys.some((inner) => path === `${key}.${inner}` || path.startsWith(`${key}.${inner}.`));
  const effectAt = (path: string): Effect =>
    isAmong(fixed, path) ? 'restart' : isAmong(rebound, path) ? 'rebind' : effect;
  return changes.map((change) => ({ ...change, effect: effectAt(change.path) }));
}

type Change = Omit<ConfigChange, 'effect'>;
type MemberName = NonNullable<Section<never, unknown, never>['memberName']>;

function named(members: unknown, nameOf: MemberName): Map<string, unknown> {
  return new Map((members as readonly never[]).map((member) => [nameOf(member), member]));
}

function diffMembers(
  list: SectionKey,
  before: ReadonlyMap<string, unknown>,
  after: ReadonlyMap<string, unknown>,
): Change[] {
  return [...new Set([...before.keys(), ...after.keys()])].flatMap((name) =>
    change(`${list}[${name}]`, before.get(name), after.get(name)),
  );
}

function diffValues(path: string, before: unknown, after: unknown): Change[] {
  if (!isRecord(before) || !isRecord(after)) return change(path, before, after);
  const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])];
  return keys.flatMap((key) =>
    diffValues(`${path}.${key}`, Reflect.get(before, key), Reflect.get(after, key)),
  );
}

function change(path: string, before: unknown, after: unknown): Change[] {
  if (isDeepStrictEqual(before, after)) return [];
  return [{ path, what: before === undefined ? 'added' : after === undefined ? 'removed' : 'changed' }];
}

/** A mapping of options. A mail address and the parts of the certificate are one value. */
function isRecord(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !('localPart' in value);
}
