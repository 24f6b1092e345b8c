/** How a module declares the events of its log: one table, of which types, documents and levels are made. */

/** The severity of a line. */
export type LogLevel = 'info' | 'warn' | 'error';

/** The kinds of a field. */
interface Kinds {
  text: string;
  number: number;
  boolean: boolean;
  texts: readonly string[];
  'text or texts': string | readonly string[];
  /** A caught exception. */
  error: unknown;
  /** An object that is shown as JSON. */
  json: unknown;
}
type Kind = keyof Kinds;

/** A `?` ends the kind of a field that may be absent. */
type Declared = Kind | `${Kind}?`;

/** One event: its level (or levels), its fields in their order, and when it happens. */
export interface EventDeclaration {
  readonly level: LogLevel | readonly LogLevel[];
  readonly when: string;
  readonly fields: Readonly<Record<string, Declared>> & {
    readonly [S in keyof LineSubject]: 'text' | 'text?';
  };
}

/** The subject of a line; in all tables these fields are texts. */
export interface LineSubject {
  readonly queueId?: string | undefined;
  readonly session?: string | undefined;
  readonly client?: string | undefined;
}

/** The events of a module by their names: short kebab-case words that stay the same between versions. */
export type EventTable = Readonly<Record<string, EventDeclaration>>;

/** Values of the fields of a line. Text from a peer is escaped by the writer, never by the caller. */
export type LogFields = Readonly<Record<string, unknown>>;

/** Any event, of any table. */
export interface AnyEvent {
  readonly event: string;
  readonly level: LogLevel;
  readonly fields: LogFields;
}

type Fields<F> = {
  readonly [K in keyof F as F[K] extends Kind ? K : never]: F[K] extends Kind ? Kinds[F[K]] : never;
} & {
  readonly [K in keyof F as F[K] extends Kind ? never : K]?: F[K] extends `${infer O extends Kind}?`
    ? Kinds[O] | undefined
    : never;
};

/** The events of a table as one union, discriminated by `event`. */
export type EventsOf<T extends EventTable> = {
  [N in keyof T & string]: {
    readonly event: N;
    readonly level: T[N]['level'] extends readonly (infer L extends LogLevel)[] ? L : T[N]['level'];
    readonly fields: Fields<T[N]['fields']>;
  };
}[keyof T & string];

/** The arguments of a log line: the name of an event and its fields, which are left out if it has none. */
export type Line<E extends AnyEvent> = E extends AnyEvent
  ? [keyof E['fields']] extends [never]
    ? [event: E['event'], fields?: undefined]
    : Partial<E['fields']> extends E['fields']
      ? [event: E['event'], fields?: E['fields'] | undefined]
      : [event: E['event'], fields: E['fields']]
  : never;

/** The events of a union that have this level. */
export type AtLevel<E extends AnyEvent, L extends LogLevel> = E extends AnyEvent
  ? L extends E['level']
    ? E
    : never
  : never;
