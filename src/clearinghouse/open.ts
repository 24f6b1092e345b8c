/** Opens a clearinghouse in a thread of its own, and asks it. */
import { randomBytes } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { Background, type Clock, type Log } from '../base/index.ts';
import {
  type CheckOptions,
  type Clearinghouse,
  ClearinghouseBusy,
  type Source,
  type Stats,
  type Subject,
  UnknownCluster,
  type Verb,
  type Verdict,
} from './ask.ts';
import type { ClearinghouseEvents } from './events.ts';
import type { FloodSource, Take, Tally } from './flood/tally.ts';
import type { Thresholds } from './options.ts';
import type { Answer, Question, WorkerData } from './worker-protocol.ts';

/** How a clearinghouse is opened. */
export interface ClearinghouseOptions {
  /** Where its state and its key are kept. */
  readonly folder: string;
  /** The memory for all counts, in octets. */
  readonly memory: number;
  readonly thresholds: Thresholds;
  /** Sender domains and list ids whose bulk is wanted. */
  readonly allowed: readonly string[];
  /** Signing domains (DKIM) whose bulk is wanted; verified only for bulk. */
  readonly signers?: {
    readonly domains: readonly string[];
    readonly isSignedBy: (octets: Uint8Array, domains: ReadonlySet<string>) => Promise<boolean>;
  };
  /** The secret of a network of clearinghouses, 16 octets; without one it makes a key of its own. */
  readonly networkKey?: Uint8Array;
  /** The weight of other clearinghouses, 0 to 1, by the fingerprints of their certificates. Default: 0. */
  readonly trusts?: ReadonlyMap<string, number>;
  readonly clock: Clock;
  readonly log: Log<ClearinghouseEvents>;
}

/**
 * Bounds of the queue to the thread: questions, their messages together in octets, the octets examined of one message,
 * and tallies.
 */
const limits = { waiting: 1000, waitingOctets: 64 * 2 ** 20, octets: 8 * 2 ** 20, takes: 1000 } as const;
const syncMs = 1000;
/** A thread that dies again and again is begun again this much later. */
const restartMs = 5000;
/** A thread that has answered nothing for so long is at something that it will not come to the end of. */
const stuckMs = 15_000;
/** The time that the last write may take at the end. */
const endMs = 30_000;
const keyOctets = 16;

/** Opens a clearinghouse in a thread of its own. Rejects with the system's errors. */
export async function openClearinghouse(options: ClearinghouseOptions): Promise<OpenClearinghouse> {
  const { folder } = options;
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const clearinghouse = new OpenClearinghouse(options, options.networkKey ?? (await keyIn(folder)));
  try {
    await clearinghouse.start();
  } catch (error) {
    await clearinghouse[Symbol.asyncDispose]();
    throw error;
  }
  return clearinghouse;
}

interface Waiting {
  /** Of the message. */
  readonly octets: number;
  readonly resolve: (verdict: Verdict) => void;
  readonly reject: (error: Error) => void;
}

/** A running clearinghouse; it counts in a thread of its own. */
export class OpenClearinghouse implements Clearinghouse, FloodSource, AsyncDisposable {
  readonly #options: ClearinghouseOptions;
  readonly #key: Uint8Array;
  readonly #background: Background;
  readonly #waiting = new Map<number, Waiting>();
  readonly #asked = new Map<number, (tallies: readonly Tally[]) => void>();
  readonly #signers: ReadonlySet<string>;
  #worker: Worker | undefined;
  readonly #askedStats = new Map<
    number,
    { resolve: (stats: Stats) => void; reject: (error: Error) => void }
  >();
  #serial = 0;
  #waitingOctets = 0;
  /** Tallies of others that arrived while there was no thread. */
  #takes: Take[] = [];
  /** The number of answers so far, by which a stuck thread is recognised. */
  #answers = 0;
  #unwatch: (() => void) | undefined;
  #isEnding = false;
  #ended: (() => void) | undefined;

  constructor(options: ClearinghouseOptions, key: Uint8Array) {
    this.#options = options;
    this.#key = key;
    this.#background = new Background(options.log);
    this.#signers = new Set(options.signers?.domains.map((name) => name.toLowerCase()));
  }

  /** Starts the thread. Resolves when the stored counts are read. */
  start(): Promise<void> {
    const { folder, memory, thresholds, allowed, log, trusts = new Map() } = this.#options;
    const data: WorkerData = { folder, key: this.#key, memory, thresholds, allowed, trusts, syncMs };
    const name = import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js';
    const worker = new Worker(new URL(name, import.meta.url), { workerData: data });
    this.#worker = worker;
    const ready = Promise.withResolvers<void>();
    worker.on('message', (answer: Answer) => {
      this.#answers++;
      if (answer.kind === 'ready') {
        const { entries, torn, because } = answer;
        if (because !== undefined) log.error('clearinghouse-state-unusable', { folder, because });
        if (torn > 0) log.warn('clearinghouse-journal-torn', { folder, octets: torn });
        log.info('clearinghouse-ready', { folder, entries });
        this.take(this.#takes.splice(0));
        ready.resolve();
      } else this.#take(answer);
    });
    worker.on('error', (error: unknown) => {
      log.error('clearinghouse-failed', { because: String(error) });
      ready.reject(error instanceof Error ? error : new Error(String(error)));
    });
    worker.on('exit', () => this.#gone(worker));
    return ready.promise;
  }

  async check(subject: Subject, source: Source, check: CheckOptions = {}): Promise<Verdict> {
    const verdict = await this.#ask('check', { subject, source, check });
    const { signers } = this.#options;
    if (signers === undefined || this.#signers.size === 0 || subject.kind !== 'message') return verdict;
    if (!verdict.isBulk || verdict.isAllowed || verdict.via === 'test') return verdict;
    const isSigned = await signers.isSignedBy(subject.octets, this.#signers);
    return isSigned ? { ...verdict, isAllowed: true, confidence: 0 } : verdict;
  }

  report(subject: Subject, source: Source): Promise<Verdict> {
    return this.#ask('report', { subject, source, check: {} });
  }

  revoke(subject: Subject, source: Source): Promise<Verdict> {
    return this.#ask('revoke', { subject, source, check: {} });
  }

  /** Nothing follows from the counts of a cluster any more, or again something does. Rejects with `UnknownCluster`. */
  allow(subject: Subject, isAllowed: boolean): Promise<Verdict> {
    const source = { reporter: 'operator', isKnown: true, recipients: [] };
    return this.#ask(isAllowed ? 'allow' : 'disallow', { subject, source, check: {} });
  }

  /** Learns a good message for the operator. Resolves with its verdict. */
  learn(subject: Subject & { readonly kind: 'message' }): Promise<Verdict> {
    const source = { reporter: 'operator', isKnown: true, recipients: [] };
    return this.#ask('learn', { subject, source, check: {} });
  }

  stats(): Promise<Stats> {
    const worker = this.#worker;
    if (worker === undefined || this.#isEnding)
      return Promise.reject(new ClearinghouseBusy('it is not running'));
    const id = ++this.#serial;
    const { promise, resolve, reject } = Promise.withResolvers<Stats>();
    this.#askedStats.set(id, { resolve, reject });
    worker.postMessage({ kind: 'stats', id } satisfies Question);
    return promise;
  }

  /** The tallies for other clearinghouses that are due now. */
  tallies(): Promise<readonly Tally[]> {
    const worker = this.#worker;
    if (worker === undefined || this.#isEnding) return Promise.resolve([]);
    const id = ++this.#serial;
    const { promise, resolve } = Promise.withResolvers<readonly Tally[]>();
    this.#asked.set(id, resolve);
    worker.postMessage({ kind: 'flood-since', id, now: this.#options.clock.now() } satisfies Question);
    return promise;
  }

  /** Takes tallies of other clearinghouses. */
  take(takes: readonly Take[]): void {
    const now = this.#options.clock.now();
    if (this.#worker === undefined) this.#takes = [...this.#takes, ...takes].slice(-limits.takes);
    else if (takes.length > 0)
      this.#worker.postMessage({ kind: 'flood-take', takes, now } satisfies Question);
  }

  /** Writes the counts down, and ends the thread. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isEnding = true;
    const worker = this.#worker;
    if (worker === undefined) return;
    const ended = new Promise<void>((resolve) => {
      this.#ended = resolve;
    });
    worker.postMessage({ kind: 'end' } satisfies Question);
    const cancel = this.#options.clock.after(endMs, () => {
      this.#options.log.error('clearinghouse-failed', { because: 'it does not end' });
      this.#ended?.();
    });
    await ended;
    cancel();
    this.#unwatch?.();
    await worker.terminate();
    await this.#background.drain();
  }

  #ask(
    verb: Verb,
    {
      subject,
      source,
      check,
    }: { readonly subject: Subject; readonly source: Source; readonly check: CheckOptions },
  ): Promise<Verdict> {
    const worker = this.#worker;
    if (worker === undefined || this.#isEnding)
      return Promise.reject(new ClearinghouseBusy('it is not running'));
    const octets = subject.kind === 'message' ? Math.min(subject.octets.length, limits.octets) : 0;
    const isFull =
      this.#waiting.size >= limits.waiting || this.#waitingOctets + octets > limits.waitingOctets;
    if (isFull) return Promise.reject(new ClearinghouseBusy('too many questions wait'));
    const id = ++this.#serial;
    // Copied, since transferring it to the thread would detach the whole buffer that it is part of.
    const given =
      subject.kind === 'message'
        ? { ...subject, octets: Uint8Array.from(subject.octets.subarray(0, octets)) }
        : subject;
    const { promise, resolve, reject } = Promise.withResolvers<Verdict>();
    this.#waiting.set(id, { octets, resolve, reject });
    this.#waitingOctets += octets;
    const now = this.#options.clock.now();
    worker.postMessage({ kind: 'ask', id, verb, subject: given, source, check, now } satisfies Question);
    this.#watch(worker);
    return promise;
  }

  /** Checks for answers as long as a caller waits, and ends the thread if there are none. */
  #watch(worker: Worker): void {
    if (this.#unwatch !== undefined) return;
    const before = this.#answers;
    this.#unwatch = this.#options.clock.after(stuckMs, () => {
      this.#unwatch = undefined;
      if (this.#waiting.size === 0 || this.#worker !== worker) return;
      if (this.#answers !== before) return this.#watch(worker);
      this.#options.log.error('clearinghouse-failed', { because: `no answer for ${stuckMs} ms` });
      this.#background.run('clearinghouse-end', worker.terminate());
    });
  }

  #take(answer: Answer): void {
    const { log } = this.#options;
    if (answer.kind === 'ended') {
      if (answer.because !== undefined)
        log.error('clearinghouse-state-unwritable', { because: answer.because });
      this.#ended?.();
    } else if (answer.kind === 'fault')
      log.error('clearinghouse-state-unwritable', { because: answer.because });
    else if (answer.kind === 'flood-tallies') {
      this.#asked.get(answer.id)?.(answer.tallies);
      this.#asked.delete(answer.id);
    } else if (answer.kind === 'stats') {
      this.#askedStats.get(answer.id)?.resolve(answer.stats);
      this.#askedStats.delete(answer.id);
    } else if (answer.kind !== 'ready') this.#settle(answer);
  }

  #settle(answer: Answer & { readonly kind: 'verdict' | 'failed' | 'unknown' }): void {
    const waiting = this.#waiting.get(answer.id);
    this.#waiting.delete(answer.id);
    this.#waitingOctets -= waiting?.octets ?? 0;
    if (answer.kind === 'verdict') waiting?.resolve(answer.verdict);
    else if (answer.kind === 'unknown') waiting?.reject(new UnknownCluster('nothing like it is known'));
    else {
      this.#options.log.error('clearinghouse-failed', { because: answer.because });
      waiting?.reject(new ClearinghouseBusy('it failed at this message'));
    }
  }

  /** The thread has died: callers are told, and another one is started. */
  #gone(worker: Worker): void {
    if (this.#worker !== worker) return;
    this.#worker = undefined;
    this.#ended?.();
    for (const { reject } of this.#waiting.values()) reject(new ClearinghouseBusy('it is not running'));
    this.#waiting.clear();
    this.#waitingOctets = 0;
    for (const resolve of this.#asked.values()) resolve([]);
    this.#asked.clear();
    for (const { reject } of this.#askedStats.values()) reject(new ClearinghouseBusy('it is not running'));
    this.#askedStats.clear();
    if (this.#isEnding) return;
    this.#options.clock.after(restartMs, () => {
      if (!this.#isEnding) this.start().catch(() => {});
    });
  }
}

/** The key with which features are hashed. It is made once: counts made under another key are lost. */
async function keyIn(folder: string): Promise<Uint8Array> {
  const path = join(folder, 'key');
  try {
    await writeFile(path, randomBytes(keyOctets), { flag: 'wx', mode: 0o600 });
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
  }
  const key = await readFile(path);
  if (key.length !== keyOctets) throw new Error(`${path} is no key: it has to have ${keyOctets} octets`);
  return key;
}
