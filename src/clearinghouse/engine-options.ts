/** What the engine is made with, and a message in the form in which it takes it. */
import type { LegacyKey, Source } from './ask.ts';
import type { Content } from './content/content.ts';
import type { ImageHash } from './features/image.ts';
import type { Entry } from './journal.ts';
import type { Thresholds } from './options.ts';

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
