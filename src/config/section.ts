/** A section of the configuration: its schema, the options made from it, and its checks. */
import type { z } from 'zod';
import type { Finding, KeyPath } from './problem.ts';

/** The way in which a change comes into force. */
export type Effect =
  /** New sessions and attempts have it. */
  | 'reload'
  /** A listener is opened or closed; the others go on. */
  | 'rebind'
  /** Only a restart does it; until then the old value holds. */
  | 'restart';

/** Something that works and is perhaps not meant. */
export interface Warning {
  readonly path: string;
  readonly message: string;
}

/** The place where a file is resolved: the base of its paths, and the receiver of its problems. */
export interface Site {
  /** The name of the machine. */
  readonly machineName: string;
  /** Makes a path absolute. */
  path(text: string): string;
  /** Reports a problem of the key at `path`. */
  find(path: KeyPath, message: string, hint?: string): void;
  /** The text of a file that the key at `path` names; a file that cannot be read is a problem. */
  read(path: KeyPath, file: string): string | undefined;
  /** The one line of a file, without its end. */
  secret(path: KeyPath, file: string): string | undefined;
  /** Reports problems that have places of their own. */
  report(findings: readonly Finding[]): void;
}

/**
 * One top-level key. `Others` are the resolved values of other keys that it needs: they are resolved at first use, so
 * that the order of the keys does not matter.
 */
export interface Section<Schema extends z.ZodType, Value, Others> {
  readonly schema: Schema;
  /** When a change of it takes effect. */
  readonly effect: Effect;
  /** Keys of the resolved value, with dots, that only a restart changes. */
  readonly fixed?: readonly string[];
  /** Keys of the resolved value, with dots, whose listeners a reload opens and closes; the rest needs a restart. */
  readonly rebound?: readonly string[];
  /** For a list: the name by which a member is known when two configurations are compared. */
  readonly memberName?: (member: never) => string;
  /** Fills in values that depend on other keys or on the machine, and reads the named files. */
  readonly resolve: (value: z.output<Schema>, site: Site, others: Others) => Value;
  /** Contradictions within the section; not called when one of its keys is invalid. */
  readonly problems?: (value: z.output<Schema>) => readonly Finding[];
  readonly warnings?: (value: Value) => readonly Warning[];
}

/** Checks the types of a section; it is given back as it is. */
export function section<Schema extends z.ZodType, Value, Others = unknown>(
  definition: Section<Schema, Value, Others>,
): Section<Schema, Value, Others> {
  return definition;
}

/** A property, or none: an absent option is an absent property. */
export function defined<Key extends string, T>(key: Key, value: T | undefined): { readonly [K in Key]?: T } {
  return value === undefined ? {} : ({ [key]: value } as { [K in Key]: T });
}

/** Why something failed, for people. */
export function because(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const words: Readonly<Record<string, string>> = {
    ENOENT: 'there is no such file',
    EACCES: 'permission denied',
    EISDIR: 'it is a folder',
  };
  return words[code] ?? (error instanceof Error ? error.message : String(error));
}
