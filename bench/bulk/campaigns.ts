/** Campaigns: mutually dissimilar spam mails, and what they are disguised with. */
import type { Corpus, CorpusMessage } from './corpus.ts';
import { leaves, messageText, words } from './mime.ts';
import { hash32, type Random } from './random.ts';

export interface Campaign {
  readonly id: string;
  readonly subject: string;
  /** The canonical text: words in lines of at most 72 columns, lines in paragraphs. */
  readonly paragraphs: readonly (readonly string[])[];
}

/** Taken from ham that serves for nothing else. */
export interface Noise {
  /** Sentences in prose. */
  readonly prose: readonly string[];
  /** Distinct words in lower case, the frequent ones first. */
  readonly dictionary: readonly string[];
}

const minWords = 60;
const maxWords = 500;
/** Of the smaller one's word triples, as many may at most be in the other too. */
const maxShared = 0.05;

/**
 * The first `count` spam mails in file order that are dissimilar to all before them, after `skipped` of that kind:
 * what was tuned on some campaigns has to hold on others. Throws when there are not as many.
 */
export function chooseCampaigns(
  spam: readonly CorpusMessage[],
  count: number,
  skipped = 0,
): readonly Campaign[] {
  const chosen: Campaign[] = [];
  const seen: Set<number>[] = [];
  for (const message of spam) {
    if (chosen.length === count + skipped) break;
    const text = canonicalText(message);
    if (text === undefined) continue;
    const triples = wordTriples(text);
    if (seen.some((other) => sharedShare(triples, other) > maxShared)) continue;
    seen.push(triples);
    const subject = /^subject:[ \t]*(.*)$/im.exec(Buffer.from(message.octets).toString('latin1'))?.[1] ?? '';
    chosen.push({
      id: `${message.from}/${message.name}`,
      subject: subject.replace(/[^ -~]/g, '').slice(0, 70),
      paragraphs: paragraphsOf(text),
    });
  }
  if (chosen.length < count + skipped)
    throw new Error(`only ${chosen.length} of ${count + skipped} campaigns are dissimilar`);
  return chosen.slice(skipped);
}

/** Undefined where a mail is no good as a campaign: of the wrong length, or not in a Latin script. */
function canonicalText(message: CorpusMessage): string | undefined {
  const part = leaves(message.octets).find((leaf) => leaf.type.startsWith('text/'));
  if (part === undefined) return undefined;
  const text = messageText(message.octets)
    .replace(/[^\x20-\x7e\n]/g, ' ')
    .replace(/[<>]/g, ' ');
  const list = words(text);
  const real = list.filter((word) => /^[A-Za-z]{2,15}[.,!?:;]?$/.test(word)).length;
  return list.length >= minWords && list.length <= maxWords && real / list.length > 0.6 ? text : undefined;
}

function paragraphsOf(text: string): readonly (readonly string[])[] {
  const paragraphs = text.split(/\n\s*\n/).filter((one) => words(one).length > 0);
  const all = words(text);
  const cut: string[][] = [];
  // A message in one piece is cut, so that there is something to shuffle.
  const size = Math.min(30, Math.ceil(all.length / 6));
  for (let at = 0; at < all.length; at += size) cut.push(all.slice(at, at + size));
  const chosen = paragraphs.length >= 5 && paragraphs.length <= 40 ? paragraphs.map(words) : cut;
  return chosen.map((list) => fill(list));
}

/** Lines of at most 72 columns. */
export function fill(list: readonly string[]): readonly string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of list) {
    if (line !== '' && line.length + 1 + word.length > 72) {
      lines.push(line);
      line = '';
    }
    line = line === '' ? word : `${line} ${word}`;
  }
  return line === '' ? lines : [...lines, line];
}

export function wordTriples(text: string): Set<number> {
  const list = words(text.toLowerCase().replace(/[^\p{L}\p{N}\s]/gu, ' '));
  return new Set(list.slice(2).map((word, i) => hash32(`${list[i] ?? ''} ${list[i + 1] ?? ''} ${word}`)));
}

export function sharedShare(a: ReadonlySet<number>, b: ReadonlySet<number>): number {
  const [small, large] = a.size < b.size ? [a, b] : [b, a];
  let shared = 0;
  for (const one of small) if (large.has(one)) shared++;
  return small.size === 0 ? 0 : shared / small.size;
}

export const campaignText = (campaign: Campaign): string =>
  campaign.paragraphs.map((lines) => lines.join('\n')).join('\n\n');

/** Sentences and words of the noise ham; quotations, signatures and URLs are no prose. */
export function noiseOf(corpus: Pick<Corpus, 'noise'>): Noise {
  const prose: string[] = [];
  const counts = new Map<string, number>();
  for (const message of corpus.noise) {
    const own = messageText(message.octets).split(/\n-- ?\n/)[0] ?? '';
    const lines = own.split('\n').filter((line) => !/^\s*[>|]|https?:|@|[_=*-]{4}/.test(line));
    const text = lines.join('\n').replace(/[^\x20-\x7e\n]/g, ' ');
    for (const sentence of text.split(/(?<=[.!?])\s+|\n\s*\n/)) {
      const list = words(sentence);
      if (list.length >= 6 && list.length <= 40) prose.push(list.join(' '));
    }
    for (const word of new Set(text.toLowerCase().match(/\b[a-z]{4,12}\b/g) ?? [])) {
      counts.set(word, (counts.get(word) ?? 0) + 1);
    }
  }
  const dictionary = [...counts].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1)).map(([word]) => word);
  return { prose: [...new Set(prose)], dictionary };
}

/** Running prose of at least `count` words: a few sentences in a row from each of several places. */
export function takeProse(noise: Noise, random: Random, count: number): readonly string[] {
  const taken: string[] = [];
  while (taken.length < count) {
    const start = random.int(noise.prose.length);
    const run = noise.prose.slice(start, start + 1 + random.int(3));
    taken.push(...run.flatMap((sentence) => words(sentence)));
  }
  return taken.slice(0, count);
}
