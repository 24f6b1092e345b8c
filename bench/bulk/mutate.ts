/** How spammers make each copy of a text campaign another one: the classes of the specification, §5.2. */
import { type Campaign, campaignText, fill, type Noise, takeProse } from './campaigns.ts';
import type { Addressee, Body, Encoding } from './compose.ts';
import { words } from './mime.ts';
import type { Random } from './random.ts';
import { spin } from './spin.ts';

/** The parts from which a copy is made. */
export interface Making {
  readonly campaign: Campaign;
  readonly noise: Noise;
  readonly random: Random;
  readonly to: Addressee;
}

export type Mutation = (making: Making) => Body;

const encodings: readonly Encoding[] = ['8bit', 'quoted-printable', 'base64'];

const plain = ({ campaign }: Making, text: string): Body => ({ subject: campaign.subject, text });

const count = (campaign: Campaign): number => words(campaignText(campaign)).length;

/** Every word in its line; what is returned stands in its place. */
function mapWords(campaign: Campaign, change: (word: string, index: number) => string): string {
  let index = 0;
  const line = (text: string): string => text.replace(/\S+/g, (word) => change(word, index++));
  return campaign.paragraphs.map((lines) => lines.map(line).join('\n')).join('\n\n');
}

const recode: Mutation = (making) => ({
  ...plain(making, campaignText(making.campaign)),
  encoding: making.random.pick(encodings),
  charset: making.random.pick(['utf-8', 'iso-8859-1'] as const),
});

/** The recipient's name in subject and greeting, and a token in each URL, or a line with one. */
const token: Mutation = (making) => {
  const { campaign, random, to } = making;
  const id = random.hex(12);
  const tracked = campaignText(campaign).replace(/https?:\/\/[^\s"')]+/gi, (url) => `${url}?id=${id}`);
  const reference = tracked.includes(`?id=${id}`) ? '' : `\n\nRef: ${id}`;
  const name = to.name.split(' ')[0] ?? '';
  return {
    subject: `${name}, ${campaign.subject}`,
    text: `Dear ${to.name},\n\n${tracked}${reference}`,
  };
};

const dictionary: Mutation = (making) => {
  const { campaign, noise, random } = making;
  const added = Array.from({ length: Math.ceil(count(campaign) / 2) }, () => random.pick(noise.dictionary));
  return plain(making, `${campaignText(campaign)}\n\n${fill(added).join('\n')}`);
};

const proseAround: Mutation = (making) => {
  const { campaign, noise, random } = making;
  const half = (): string => fill(takeProse(noise, random, Math.ceil(count(campaign) * 1.5))).join('\n');
  return plain(making, `${half()}\n\n${campaignText(campaign)}\n\n${half()}`);
};

/** About four words for one, after every line. */
const proseBetween: Mutation = (making) => {
  const { campaign, noise, random } = making;
  const added = (line: string): string =>
    fill(takeProse(noise, random, Math.max(8, words(line).length * 4))).join('\n');
  const paragraph = (lines: readonly string[]): string =>
    lines.map((line) => `${line}\n${added(line)}`).join('\n');
  return plain(making, campaign.paragraphs.map(paragraph).join('\n\n'));
};

const gibberish: Mutation = (making) =>
  plain(
    making,
    mapWords(making.campaign, (word, i) => (i % 5 === 4 ? `${word} ${making.random.gibberish()}` : word)),
  );

const homoglyphs: Readonly<Record<string, string>> = {
  ...{ a: 'а', c: 'с', e: 'е', i: 'і', j: 'ј', o: 'о', p: 'р', s: 'ѕ', x: 'х', y: 'у' },
  ...{ A: 'Α', B: 'Β', E: 'Ε', H: 'Η', I: 'Ι', K: 'Κ', M: 'Μ', N: 'Ν', O: 'Ο', P: 'Ρ', T: 'Τ', X: 'Χ' },
};
const invisible = ['\u200b', '\u200c', '\u200d', '\u2060', '\u00ad', '\ufeff'];

/** A third of the letters that have a double get it; something invisible stands after each tenth letter. */
const lookalikes: Mutation = (making) => {
  const { random } = making;
  const disguise = (char: string): string =>
    (random.chance(0.33) ? (homoglyphs[char] ?? char) : char) +
    (/[a-z]/i.test(char) && random.chance(0.1) ? random.pick(invisible) : '');
  const word = (text: string): string =>
    /https?:|@/i.test(text) ? text : Array.from(text, disguise).join('');
  return plain(making, mapWords(making.campaign, word));
};

const hiding: readonly ((random: Random) => string)[] = [
  () => 'style="display:none"',
  () => 'style="font-size:0px;line-height:0"',
  () => 'style="visibility:hidden"',
  () => 'style="position:absolute;left:-9999px"',
  () => 'style="color:#ffffff;background-color:#ffffff"',
  (random) => `style="opacity:0;max-height:${random.int(1)}px;overflow:hidden"`,
];

const escapeHtml = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

/** Comments within words, hidden prose between paragraphs, classes that mean nothing, another encoding. */
const html: Mutation = (making) => {
  const { campaign, noise, random } = making;
  const broken = (word: string): string => {
    if (word.length < 4 || !random.chance(0.2)) return escapeHtml(word);
    const at = 1 + random.int(word.length - 2);
    return `${escapeHtml(word.slice(0, at))}<!-- ${random.gibberish()} -->${escapeHtml(word.slice(at))}`;
  };
  const hidden = (): string =>
    `<div class="${random.gibberish()}" ${random.pick(hiding)(random)}>${escapeHtml(takeProse(noise, random, 30).join(' '))}</div>`;
  const paragraph = (lines: readonly string[]): string =>
    `<p class="${random.gibberish()}">${lines.map((line) => words(line).map(broken).join(' ')).join('\n')}</p>\n${hidden()}`;
  return {
    subject: campaign.subject,
    html: `<html><head><title>${random.gibberish()}</title></head><body>\n${campaign.paragraphs.map(paragraph).join('\n')}\n</body></html>`,
    encoding: random.pick(encodings),
  };
};

const replace =
  (share: number): Mutation =>
  (making) => {
    const { campaign, noise, random } = making;
    const other = (word: string): string => (random.chance(share) ? random.pick(noise.dictionary) : word);
    return plain(making, mapWords(campaign, other));
  };

const figures: Readonly<Record<string, string>> = { a: '@', e: '3', i: '1', l: '1', o: '0', s: '$' };

const leet: Mutation = (making) => {
  const figured = (word: string): string =>
    making.random.chance(0.2) && !/https?:|@/i.test(word)
      ? word.replace(/[aeilos]/gi, (char) => figures[char.toLowerCase()] ?? char)
      : word;
  return plain(making, mapWords(making.campaign, figured));
};

const shuffle: Mutation = (making) => {
  const { campaign, random } = making;
  const kept = random.shuffle(campaign.paragraphs).slice(0, Math.ceil(campaign.paragraphs.length * 0.6));
  return plain(making, kept.map((lines) => lines.join('\n')).join('\n\n'));
};

const spun: Mutation = (making) => ({
  subject: spin(making.campaign.subject, making.random),
  text: spin(campaignText(making.campaign), making.random),
});

/** Its name in tables, and what it does to the text of a campaign. */
export const textMutations = {
  'encoding change': recode,
  'name + URL token': token,
  '+50 % dictionary words': dictionary,
  '+300 % prose around': proseAround,
  'prose between every line': proseBetween,
  'gibberish after 5th word': gibberish,
  'zero-width + homoglyphs': lookalikes,
  'HTML comments + hidden': html,
  '15 % of words replaced': replace(0.15),
  '30 % of words replaced': replace(0.3),
  'leet in 20 % of words': leet,
  'shuffled, 40 % dropped': shuffle,
  'spun text': spun,
} as const satisfies Readonly<Record<string, Mutation>>;
