/** Decides which cluster a message is a copy of, and why. */
import type { Ref } from './postings.ts';
import { type Kind, kinds } from './spectrum.ts';

/** What a message is a copy of. */
export interface Match {
  readonly ref: Ref;
  readonly via: Kind;
  readonly score: number;
}

/** The number of the cluster that it is a copy of; none where it is like a single message. */
export function clusterOf(match: Match | undefined): number | undefined {
  return match !== undefined && match.ref > 0 ? match.ref - 1 : undefined;
}

/** How much a message and what was seen before have in common, in one kind of features. */
export interface Common {
  /** Features of what was seen: those that repeat, or the sample of a single message. */
  readonly known: number;
  readonly shared: number;
  /** Features of the message; of text only those that would be known, where what is known is a sample. */
  readonly given: number;
  /** What share of a copy the core is, on average. */
  readonly usual?: number;
  /** In how many sixteenths of the message there is something shared; of text only. */
  readonly spread?: () => number;
}

export const nothing: Common = { known: 0, shared: 0, given: 0 };

/** Sentences out of a common source are in one or two places, a copy with other words all over is everywhere. */
const minSpread = 7;

/** Below these it is chance. */
const minShared = { text: 6, chunks: 3, structure: 8 } as const;
/** Of what repeats in a cluster. */
const ofCore = { text: 0.16, chunks: 0.4, structure: 0.7 } as const;
/** Of a core; with less the place counts, in sixteenths of the message. */
const minShareOfCore = 0.4;
const minCoreSpread = 6;
/** Of two messages: most of one of them, or so much of both. Noise of four times the text leaves a fifth. */
const minShareOfOne = 0.5;
const ofBoth = { text: 0.14, chunks: 0.3, structure: 0.8 } as const;
const ofBothSpread = 0.09;
/** Of a copy the core is no less, and no less than this share of what it is of the other copies on average. */
const minShareOfCopy = 0.04;
const ofUsual = 0.35;

/**
 * Why a message is a copy, if it is one: the text says so; or a file; or the layout together with what the reader is to
 * act on, where the words are new each time. `isPair`: what it is compared with was seen once.
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

/** Whether two messages have so much in common: a short one that quotes what a long one quotes has not. */
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

/** A picture says it all where there are so few features of text. */
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

/** A cluster before a single message, then by what is in common. */
export function isBetter(match: Match, other: Match | undefined): boolean {
  if (other === undefined) return true;
  if (match.ref > 0 !== other.ref > 0) return match.ref > 0;
  return match.score > other.score;
}

/** By kind: a layout is common, a file or a number to call is not. */
export const voteOf = [1, 1, 0.3, 2, 6, 20];
