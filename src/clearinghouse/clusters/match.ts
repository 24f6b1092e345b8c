/** Decides which cluster a message is a copy of, and why. */
import type { Ref } from './postings.ts';
import { type Kind, kinds } from './spectrum.ts';

/** The result of a comparison: the cluster or single message of which a message is a copy. */
export interface Match {
  readonly ref: Ref;
  readonly via: Kind;
  readonly score: number;
}

/** The number of the cluster that it is a copy of; none where it is like a single message. */
export function clusterOf(match: Match | undefined): number | undefined {
  return match !== undefined && match.ref > 0 ? match.ref - 1 : undefined;
}

/** The overlap of a message with a known cluster or single message, in one kind of features. */
export interface Common {
  /** The number of known features: those that repeat in the cluster, or the sample of the single message. */
  readonly known: number;
  readonly shared: number;
  /** The number of features of the message; for text, only those below the cut if the known ones are a sample. */
  readonly given: number;
  /** The share of a copy that the core makes up, on average, from 0 to 1. */
  readonly usual?: number;
  /** The number of sixteenths of the message that share a feature; for text only. */
  readonly spread?: () => number;
}

export const nothing: Common = { known: 0, shared: 0, given: 0 };

/** Sentences out of a common source are in one or two places, a copy with other words all over is everywhere. */
const minSpread = 7;

/** Below these it is chance. */
const minShared = { text: 6, chunks: 3, structure: 8 } as const;
/** The least share of the core of a cluster, by kind, that makes a message a copy. */
const ofCore = { text: 0.16, chunks: 0.4, structure: 0.7 } as const;
/** Of a core; with less the place counts, in sixteenths of the message. */
const minShareOfCore = 0.4;
const minCoreSpread = 6;
/** Of two messages: most of one of them, or so much of both. Noise of four times the text leaves a fifth. */
const minShareOfOne = 0.5;
const ofBoth = { text: 0.14, chunks: 0.3, structure: 0.8 } as const;
const ofBothSpread = 0.09;
/**
 * The least share of a message that the core makes up, and the least ratio of that share to its average in the other
 * copies.
 */
const minShareOfCopy = 0.04;
const ofUsual = 0.35;

/**
 * The kind of feature that makes a message a copy, if it is one: its text; or a file; or the layout together with
 * links and addresses, where the words are new in each copy. `isPair`: the other side was seen once.
 */
export function reasonFor(of: (kind: Kind) => Common, isPair: boolean): Kind | undefined {
  if (of('exact').shared > 0) return 'exact';
  const text = of('text');
  const isAlike = (kind: 'text' | 'chunks' | 'structure') =>
    of(kind).shared >= minShared[kind] &&
    (isPair ? isPairAlike(of(kind), ofBoth[kind]) : isOfCore(of(kind), ofCore[kind]));
  if (isAlike('text')) return 'text';
  const isSpreadPair = isPair && text.shared >= minShared.text && isPairAlike(text, ofBothSpread);
  if (isSpreadPair && (text.spread?.() ?? 0) >= minSpread) return 'text';
  const chunks = of('chunks');
  if (isAlike('chunks') || isWholeFile(chunks, text)) return 'chunks';
  if (of('images').shared > 0 && text.given < wordless) return 'images';
  const actions = of('actions');
  if (isAlike('structure') && actions.shared >= 2) return 'actions';
  const hasWords = text.shared >= Math.max(4, minShareOfCopy * text.given);
  if (actions.shared >= 2 && hasWords && actions.shared >= 0.5 * actions.known) return 'actions';
  return undefined;
}

/**
 * Whether there is enough of a core, and whether it is as much of the message as it is of the other copies. A small
 * part of it in one place is a quotation; in a copy it is all over.
 */
function isOfCore({ known, shared, given, usual = 0, spread }: Common, share: number): boolean {
  if (shared < share * known || shared < Math.max(minShareOfCopy, ofUsual * usual) * given) return false;
  return spread === undefined || shared >= minShareOfCore * known || spread() >= minCoreSpread;
}

/** Whether two messages share enough. A short message and a long one that quote the same text do not. */
function isPairAlike({ known, shared, given }: Common, share: number): boolean {
  const [ofOne, ofOther] = [shared / known, shared / given];
  return Math.max(ofOne, ofOther) >= minShareOfOne || Math.min(ofOne, ofOther) >= share;
}

/** A small file is a piece or two: all of it, where there is next to no text. */
function isWholeFile(chunks: Common, text: Common): boolean {
  return (
    chunks.shared > 0 && chunks.shared === chunks.known && chunks.shared === chunks.given && text.given < 12
  );
}

/** A picture alone is enough if there are fewer features of text than this. */
const wordless = 30;

/** How well two candidates do beside each other. */
export function scoreOf(of: (kind: Kind) => Common): number {
  let score = 0;
  for (const kind of Object.keys(kinds) as Kind[]) score += of(kind).shared * weights[kind];
  return score;
}

const weights: Readonly<Record<Kind, number>> = {
  text: 1,
  chunks: 3,
  actions: 2,
  structure: 0.2,
  images: 20,
  exact: 50,
};

/** A cluster wins over a single message; otherwise the larger overlap wins. */
export function isBetter(match: Match, other: Match | undefined): boolean {
  if (other === undefined) return true;
  if (match.ref > 0 !== other.ref > 0) return match.ref > 0;
  return match.score > other.score;
}

/** By kind: a layout is common, a file or a number to call is not. */
export const voteOf = [1, 1, 0.3, 2, 6, 20];
