/** The options of the engine, and a message in the form in which it is examined. */
import type { LegacyKey, Source } from './ask.ts';
import type { Content } from './content/content.ts';
import type { ImageHash } from './features/image.ts';
import type { Entry } from './journal.ts';
import type { Thresholds } from './options.ts';

export interface EngineOptions {
  /** Secret; 16 octets. Counts made under another key are lost. */
  readonly key: Uint8Array;
  /** The memory for all counts, in octets. */
  readonly memory: number;
  readonly thresholds: Thresholds;
  /** Whether a message is bulk that its recipients want. */
  readonly isAllowed: (content: Content, source: Source) => boolean;
  /** The weight of another clearinghouse, by its account: 0 to 1. Default: 0. */
  readonly trustOf?: (account: string) => number;
  /** Called with each change, so that it can be written down. */
  readonly note?: (entry: Entry) => void;
}

/** A message as the engine takes it. */
export interface Read {
  readonly content: Content;
  readonly images: readonly ImageHash[];
  /** SHA-256 of the decoded body; absent for an empty one. */
  readonly exact: string | undefined;
  /** Computed only for messages that belong to a cluster. */
  readonly keys: () => readonly LegacyKey[];
}
