import type { LegacyKey, Source } from './ask.ts';
import type { Content } from './content/content.ts';
import type { ImageHash } from './features/image.ts';
import type { Entry } from './journal.ts';

/** From where on it is how much; see docs. */
export interface Thresholds {
  /** Distinct recipients. */
  readonly bulk: number;
  /** The same for messages of a few words, which people write alike. */
  readonly shortBulk: number;
  /** Weighed reports; one of somebody known weighs 1 at first and half of it after thirty days. */
  readonly reported: number;
  /** Revocations as a share of the reports, from which on people disagree. */
  readonly contested: number;
}

export const defaultThresholds: Thresholds = { bulk: 10, shortBulk: 100, reported: 0.7, contested: 0.3 };

export interface EngineOptions {
  /** Secret; 16 octets. What was counted under another key is lost. */
  readonly key: Uint8Array;
  /** What everything that is counted may take up, in octets. */
  readonly memory: number;
  readonly thresholds: Thresholds;
  /** Whose mail is bulk and wanted. */
  readonly isAllowed: (content: Content, source: Source) => boolean;
  /** What another clearinghouse counts for, by its account: 0 to 1. Default: nothing. */
  readonly trustOf?: (account: string) => number;
  /** Told of each change, so that it can be written down. */
  readonly note?: (entry: Entry) => void;
}

/** A message as the engine takes it. */
export interface Read {
  readonly content: Content;
  readonly images: readonly ImageHash[];
  /** SHA-256 of the decoded body; absent for an empty one. */
  readonly exact: string | undefined;
  /** Computed only for what belongs to a cluster. */
  readonly keys: () => readonly LegacyKey[];
}
