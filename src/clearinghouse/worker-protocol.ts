/** The messages between the clearinghouse and its thread. */
import type { CheckOptions, Source, Stats, Subject, Verb, Verdict } from './ask.ts';
import type { Take, Tally } from './flood/tally.ts';
import type { Thresholds } from './options.ts';
import type { Restored } from './state.ts';

/** The data that the thread is given at its start. */
export interface WorkerData {
  readonly folder: string;
  readonly key: Uint8Array;
  readonly memory: number;
  readonly thresholds: Thresholds;
  /** Sender domains and list ids whose bulk is wanted. */
  readonly allowed: readonly string[];
  /** The weight of other clearinghouses, 0 to 1, by their accounts. */
  readonly trusts: ReadonlyMap<string, number>;
  readonly syncMs: number;
}

export type Question =
  | {
      readonly kind: 'ask';
      readonly id: number;
      readonly verb: Verb;
      readonly subject: Subject;
      readonly source: Source;
      readonly check: CheckOptions;
      readonly now: number;
    }
  | { readonly kind: 'flood-take'; readonly takes: readonly Take[]; readonly now: number }
  | { readonly kind: 'stats'; readonly id: number }
  | { readonly kind: 'flood-since'; readonly id: number; readonly now: number }
  | { readonly kind: 'end' };

export type Answer =
  | ({ readonly kind: 'ready' } & Restored)
  | { readonly kind: 'verdict'; readonly id: number; readonly verdict: Verdict }
  | { readonly kind: 'failed'; readonly id: number; readonly because: string }
  | { readonly kind: 'unknown'; readonly id: number }
  | { readonly kind: 'stats'; readonly id: number; readonly stats: Stats }
  | { readonly kind: 'flood-tallies'; readonly id: number; readonly tallies: readonly Tally[] }
  | { readonly kind: 'fault'; readonly because: string }
  | { readonly kind: 'ended'; readonly because?: string };
