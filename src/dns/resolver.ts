/** The stub resolver. */
import type { Clock, Log } from '../base/index.ts';
import { Places, silentLog, systemClock } from '../base/index.ts';
import type { DnsEvents } from './events.ts';
import { ask, type Exchange, parseServer, type ServerAddress } from './exchange.ts';
import { recordOf } from './message.ts';
import { defaultTimeoutMs, type ResolverOptions } from './options.ts';
import {
  canonicalName,
  isQueryableName,
  type LookupResult,
  type LookupType,
  type RecordTypes,
} from './record.ts';
import { systemServers } from './resolv-conf.ts';
import { TtlCache } from './ttl-cache.ts';
import type { Response } from './wire.ts';

/** A stub resolver. `lookup` never rejects. */
export interface Resolver extends AsyncDisposable {
  /**
   * Resolves a name (a trailing dot is allowed, no search list is used). CNAMEs are followed. An abort gives
   * `unavailable`. `authenticated` is the AD bit: worth as much as the path to the server.
   */
  lookup<T extends LookupType>(name: string, type: T, signal?: AbortSignal): Promise<LookupResult<T>>;
  /** Forgets every cached answer. */
  flush(): void;
}

/** Questions asked at once: each has a socket, and their descriptors are those of sessions too. The rest wait in turn. */
const maxQuestions = 128;
/** CNAMEs followed for one question. */
const maxAliases = 8;
/** Records taken of one answer: more are a burden and no help (BIND: max-records-per-type). */
const maxRecords = 100;
/** Larger answers are used and not kept, so that the entries of the cache bound its octets, too. */
const maxKeptOctets = 4096;
/** A day: no TTL is believed for longer. */
const maxTtlSeconds = 86_400;
/** Negative answers are not believed for longer than this (RFC 2308 §5 has one to three hours). */
const maxNegativeTtlSeconds = 3600;

const aborted = { kind: 'unavailable', because: 'aborted' } as const;

/** Makes a resolver. Throws a RangeError when a server is not `address` or `address:port`. */
export function createResolver(options: ResolverOptions = {}): Resolver {
  return new StubResolver(options);
}

/** A question under way, with its callers. */
interface UnderWay<T extends LookupType> {
  readonly result: Promise<LookupResult<T>>;
  readonly abort: AbortController;
  waiting: number;
}

/** The cache and the running questions of one record type. */
class Table<T extends LookupType> {
  readonly cache: TtlCache<LookupResult<T>>;
  readonly underWay = new Map<string, UnderWay<T>>();

  constructor(clock: Clock, maxEntries: number) {
    this.cache = new TtlCache(clock, maxEntries);
  }
}

class StubResolver implements Resolver {
  readonly #servers: readonly ServerAddress[];
  readonly #timeoutMs: number;
  readonly #attempts: number;
  readonly #clock: Clock;
  readonly #log: Log<DnsEvents>;
  readonly #tables: { readonly [T in LookupType]: Table<T> };
  readonly #closed = new AbortController();
  readonly #places = new Places(maxQuestions);
  /** The server that answered last is asked first, so that a dead one costs its timeout once. */
  #preferred = 0;

  constructor(options: ResolverOptions) {
    this.#servers = (options.servers ?? systemServers()).map((text) => {
      const server = parseServer(text);
      if (server === undefined) throw new RangeError(`not a DNS server address: "${text}"`);
      return server;
    });
    this.#timeoutMs = options.timeoutMs ?? defaultTimeoutMs;
    this.#attempts = options.attempts ?? 2;
    this.#clock = options.clock ?? systemClock;
    this.#log = options.log ?? silentLog;
    const max = options.maxEntries ?? 10_000;
    const table = <T extends LookupType>() => new Table<T>(this.#clock, max);
    this.#tables = { A: table(), AAAA: table(), MX: table(), TXT: table(), PTR: table(), CNAME: table() };
  }

  async lookup<T extends LookupType>(name: string, type: T, signal?: AbortSignal): Promise<LookupResult<T>> {
    const asked = canonicalName(name);
    // A name that cannot be written as a question cannot exist.
    if (!isQueryableName(asked)) return { kind: 'none', reason: 'nxdomain' };
    const table: Table<T> = this.#tables[type];
    const cached = table.cache.get(asked);
    if (cached !== undefined) return cached;
    if (signal?.aborted === true || this.#closed.signal.aborted) return aborted;
    let shared = table.underWay.get(asked);
    // One that was given up a moment ago has not ended yet.
    if (shared === undefined || shared.abort.signal.aborted) {
      shared = this.#begin(table, asked, type);
      table.underWay.set(asked, shared);
    }
    return waitFor(shared, signal);
  }

  flush(): void {
    for (const table of Object.values(this.#tables)) table.cache.clear();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed.abort();
    const tables: readonly {
      readonly underWay: ReadonlyMap<string, { readonly result: Promise<unknown> }>;
    }[] = Object.values(this.#tables);
    await Promise.all(tables.flatMap((table) => [...table.underWay.values()].map((entry) => entry.result)));
  }

  #begin<T extends LookupType>(table: Table<T>, name: string, type: T): UnderWay<T> {
    const abort = new AbortController();
    const signal = AbortSignal.any([abort.signal, this.#closed.signal]);
    const result = this.#resolve(name, type, signal).then(({ result: found, ttl }) => {
      if (table.underWay.get(name)?.abort === abort) table.underWay.delete(name);
      table.cache.set(name, found, ttl * 1000);
      if (found.kind === 'unavailable' && !signal.aborted) {
        this.#log.warn('dns-unavailable', { name, type, because: found.because });
      }
      return found;
    });
    return { result, abort, waiting: 0 };
  }

  /** Follows aliases to the end. `ttl` is in seconds, 0 when the result is not to be kept. */
  async #resolve<T extends LookupType>(name: string, type: T, signal: AbortSignal): Promise<Outcome<T>> {
    let at = name;
    let aliases = 0;
    let ttl = maxTtlSeconds;
    let authenticated = true;
    for (;;) {
      const response = await this.#askServers({ name: at, type }, signal);
      if (response.rcode === 'no-answer' || response.rcode === 'failure' || response.rcode === 'no-edns') {
        return unavailable(response.because);
      }
      const step = followAliases(response, at, type);
      aliases += step.aliases;
      ttl = Math.min(ttl, step.ttl);
      authenticated &&= response.authenticated;
      if (aliases > maxAliases) return unavailable('too many CNAMEs');
      if (step.records.length > 0) {
        const isKept = response.octets <= maxKeptOctets;
        return { result: { kind: 'found', records: step.records, authenticated }, ttl: isKept ? ttl : 0 };
      }
      if (response.rcode === 'nxdomain') return negative('nxdomain', response, ttl);
      // The server gave only the beginning of the chain: go on from where it ends.
      if (step.at === at || response.negativeTtl !== undefined) return negative('nodata', response, ttl);
      at = step.at;
      if (!isQueryableName(at)) return negative('nxdomain', response, 0);
    }
  }

  async #askServers(question: { name: string; type: LookupType }, signal: AbortSignal): Promise<Exchange> {
    using place = await this.#places.take(signal);
    let last: Exchange = { rcode: 'no-answer', because: place === undefined ? 'aborted' : 'no servers' };
    if (place === undefined) return last;
    const first = this.#preferred;
    for (let i = 0; i < this.#attempts * this.#servers.length; i++) {
      const index = (first + i) % this.#servers.length;
      const server = this.#servers[index];
      if (server === undefined) break;
      const timeoutMs = this.#timeoutMs;
      last = await ask(server, question, { timeoutMs, clock: this.#clock, signal });
      if (last.rcode === 'noerror' || last.rcode === 'nxdomain') {
        this.#preferred = index;
        return last;
      }
      if (signal.aborted) break;
    }
    return last;
  }
}

interface Outcome<T extends LookupType> {
  readonly result: LookupResult<T>;
  readonly ttl: number;
}

function unavailable(because: string): Outcome<never> {
  return { result: { kind: 'unavailable', because }, ttl: 0 };
}

/** Without a SOA a negative answer must not be kept (RFC 2308 §5). */
function negative(reason: 'nxdomain' | 'nodata', response: Response, ttl: number): Outcome<never> {
  const bounded = Math.min(ttl, saneTtl(response.negativeTtl ?? 0), maxNegativeTtlSeconds);
  return { result: { kind: 'none', reason }, ttl: bounded };
}

/** A TTL with the highest bit set counts as 0 (RFC 2181 §8). */
function saneTtl(ttl: number | undefined): number {
  return ttl === undefined || ttl > 0x7fffffff ? 0 : ttl;
}

/** Walks the CNAMEs within one answer from `name`; gives the records at the end, if they are there. */
function followAliases<T extends LookupType>(
  response: Response,
  name: string,
  type: T,
): {
  readonly at: string;
  readonly aliases: number;
  readonly ttl: number;
  readonly records: RecordTypes[T][];
} {
  let at = name;
  let aliases = 0;
  let ttl = maxTtlSeconds;
  for (;;) {
    const own = response.answers.filter((answer) => answer.name === at);
    const records: RecordTypes[T][] = [];
    for (const answer of own) {
      const record = recordOf(type, answer);
      if (record === undefined || records.length >= maxRecords) continue;
      records.push(record);
      ttl = Math.min(ttl, saneTtl(answer.ttl));
    }
    if (records.length > 0 || aliases > maxAliases) return { at, aliases, ttl, records };
    const alias = own.find((answer) => answer.type === 'CNAME');
    if (alias?.type !== 'CNAME') return { at, aliases, ttl, records };
    ttl = Math.min(ttl, saneTtl(alias.ttl));
    at = alias.data;
    aliases++;
  }
}

/** Waits for a shared question, which is cancelled when its last caller has gone. */
async function waitFor<T extends LookupType>(
  shared: UnderWay<T>,
  signal: AbortSignal | undefined,
): Promise<LookupResult<T>> {
  if (signal === undefined) {
    shared.waiting++;
    return shared.result;
  }
  shared.waiting++;
  const gone = Promise.withResolvers<LookupResult<T>>();
  const onAbort = () => {
    if (--shared.waiting === 0) shared.abort.abort();
    gone.resolve(aborted);
  };
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([shared.result, gone.promise]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
