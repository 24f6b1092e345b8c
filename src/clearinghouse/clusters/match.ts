import { type Kind, kinds } from './spectrum.ts';

/** How much a message and what was seen before have in common, in one kind of features. */
export interface Common {
  /** Features of what was seen: those that repeat, or the sample of a single message. */
  readonly known: number;
  readonly shared: number;
  /** Features of the message. */
  readonly given: number;
}

/** Below these it is chance. */
const least = { text: 6, chunks: 3, structure: 8 } as const;
/** Of two messages: of the shorter list. Noise of four times the text leaves a fifth. */
const ofPair = { text: 0.15, chunks: 0.5, structure: 0.8 } as const;
/** Of what repeats in a cluster. */
const ofCore = { text: 0.28, chunks: 0.4, structure: 0.7 } as const;

/**
 * Why a message is a copy, if it is one: the text says so; or a file; or the layout together with what the reader is to
 * act on, where the words are new each time. `isPair`: what it is compared with was seen once.
 */
export function reasonFor(of: (kind: Kind) => Common, isPair: boolean): Kind | undefined {
  if (of('exact').shared > 0) return 'exact';
  const text = of('text');
  if (isEnough(text, least.text, isPair ? ofPair.text : ofCore.text, isPair)) return 'text';
  const chunks = of('chunks');
  if (isEnough(chunks, least.chunks, isPair ? ofPair.chunks : ofCore.chunks, isPair)) return 'chunks';
  if (isWholeFile(chunks, text)) return 'chunks';
  if (of('images').shared > 0 && text.given < wordless) return 'images';
  const structure = of('structure');
  const actions = of('actions');
  const looksAlike = isEnough(
    structure,
    least.structure,
    isPair ? ofPair.structure : ofCore.structure,
    isPair,
  );
  if (looksAlike && actions.shared >= 2) return 'actions';
  if (actions.shared >= 2 && text.shared >= 4 && actions.shared >= 0.5 * actions.known) return 'actions';
  return undefined;
}

/** The share is of the shorter list of a pair, and of the core of a cluster. */
function isEnough(
  { known, shared, given }: Common,
  atLeast: number,
  share: number,
  isPair: boolean,
): boolean {
  if (shared < atLeast) return false;
  return shared >= share * (isPair ? Math.min(known, given) : known);
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
