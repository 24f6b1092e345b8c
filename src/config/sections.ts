/** The sections of the configuration: a new one is a file in `sections` and a line here. */
import { z } from 'zod';
import type { Finding } from './problem.ts';
import type { Section, Site, Warning } from './section.ts';
import { admin } from './sections/admin.ts';
import { alarms } from './sections/alarms.ts';
import { capture } from './sections/capture.ts';
import { clearinghouse } from './sections/clearinghouse.ts';
import { data } from './sections/data.ts';
import { delivery } from './sections/delivery.ts';
import { dns } from './sections/dns.ts';
import { domains } from './sections/domains.ts';
import { guard } from './sections/guard.ts';
import { hostname } from './sections/hostname.ts';
import { limits } from './sections/limits.ts';
import { listeners } from './sections/listeners.ts';
import { logs } from './sections/logs.ts';
import { notifications } from './sections/notifications.ts';
import { pop3 } from './sections/pop3.ts';
import { postmaster } from './sections/postmaster.ts';
import { queue } from './sections/queue.ts';
import { relay } from './sections/relay.ts';
import { routes } from './sections/routes.ts';
import { sendmail } from './sections/sendmail.ts';
import { spool } from './sections/spool.ts';
import { tls } from './sections/tls.ts';
import { trap } from './sections/trap.ts';
import { user } from './sections/user.ts';
import { users } from './sections/users.ts';
import { workers } from './sections/workers.ts';
import { xclientFrom } from './sections/xclient-from.ts';

/** By their keys, in the order of the documentation. */
const sections = {
  hostname,
  user,
  postmaster,
  data,
  listeners,
  xclientFrom,
  tls,
  domains,
  relay,
  routes,
  dns,
  queue,
  delivery,
  alarms,
  limits,
  guard,
  trap,
  spool,
  capture,
  notifications,
  sendmail,
  pop3,
  clearinghouse,
  users,
  workers,
  admin,
  logs,
};

type Sections = typeof sections;
export type SectionKey = keyof Sections;

/** A file as it was read: everything typed and every default filled in, no file opened yet. */
export type Parsed = z.output<typeof schema>;

type Values = { [K in SectionKey]: ReturnType<Sections[K]['resolve']> };
/** Sections that come to nothing where nothing asks for them. */
type MaybeAbsent = { [K in SectionKey]: undefined extends Values[K] ? K : never }[SectionKey];

/** A configuration with everything in it: defaults filled in, files read, paths absolute. Never changed. */
export type Config = {
  /** Where it was read from; absent for the local profile. */
  readonly file?: string;
} & { readonly [K in Exclude<SectionKey, MaybeAbsent>]: Values[K] } & {
  readonly [K in MaybeAbsent]?: Exclude<Values[K], undefined>;
};

/**
 * The same table for code that goes through all sections. In a `Config` each section finds the others that it needs.
 */
export const sectionTable: { readonly [K in SectionKey]: Entry<K> } = sections;

interface Entry<K extends SectionKey>
  extends Omit<Section<z.ZodType, Values[K], Config>, 'schema' | 'resolve' | 'problems'> {
  readonly resolve: (value: Parsed[K], site: Site, others: Config) => Values[K];
  readonly problems?: (value: Parsed[K]) => readonly Finding[];
}

export const sectionKeys = Object.keys(sections) as readonly SectionKey[];

/** Warnings about single sections. */
export function sectionWarnings(config: Config): Warning[] {
  return sectionKeys.flatMap((key) => warningsOf(key, config));
}

function warningsOf<K extends SectionKey>(key: K, config: Config): readonly Warning[] {
  const value: Values[K] = (config as Values)[key];
  return value === undefined ? [] : (sectionTable[key].warnings?.(value) ?? []);
}

/** Contradictions within sections, except those in `broken`. */
export function sectionProblems(parsed: Parsed, broken: ReadonlySet<string>): Finding[] {
  return sectionKeys.flatMap((key) => (broken.has(key) ? [] : problemsOf(key, parsed)));
}

function problemsOf<K extends SectionKey>(key: K, parsed: Parsed): readonly Finding[] {
  return sectionTable[key].problems?.(parsed[key]) ?? [];
}

/**
 * The whole file. Every option stands in it once: its key, its kind of value, its default as it would be written,
 * and its prose. `docs/configuration.md` is made of this.
 */
export const schema = z.strictObject(
  Object.fromEntries(Object.entries(sections).map(([key, { schema: one }]) => [key, one])) as {
    [K in SectionKey]: Sections[K]['schema'];
  },
);
