/** All copies of one mutation class. The same seed gives the same octets on every machine. */
import { type Campaign, type Noise, takeProse } from './campaigns.ts';
import { addressee, type Body, compose } from './compose.ts';
import { type Mutation, textMutations } from './mutate.ts';
import { drawPaper, printPaper } from './paper.ts';
import { disguisePicture, drawPicture } from './picture.ts';
import { type Random, seededRandom } from './random.ts';
import { type ScriptName, scriptCampaign, scriptCopy } from './scripts.ts';

export interface Copy {
  readonly campaign: string;
  /** From 0, in the order in which the campaign was made. */
  readonly number: number;
  readonly octets: Uint8Array;
  readonly recipient: string;
}

export interface Plan {
  readonly campaigns: readonly Campaign[];
  readonly noise: Noise;
  readonly copies: number;
  readonly seed: number;
}

/** Makes the body of each copy of one campaign; what the copies share is made once. */
type Maker = (index: number, plan: Plan) => { readonly id: string; body(making: Making): Body };
interface Making {
  readonly random: Random;
  readonly to: ReturnType<typeof addressee>;
}

const ofText =
  (mutation: Mutation): Maker =>
  (index, { campaigns, noise }) => {
    const campaign = campaigns[index];
    if (campaign === undefined) throw new RangeError(`there is no campaign ${index}`);
    return { id: campaign.id, body: (making) => mutation({ campaign, noise, ...making }) };
  };

const ofScript =
  (name: ScriptName): Maker =>
  (index, { seed }) => {
    const canonical = scriptCampaign(name, index, seed);
    return { id: `${name} ${index}`, body: (making) => scriptCopy(name, canonical, making) };
  };

/** Nothing but a picture. */
const images: Maker = (index, { seed }) => {
  const picture = drawPicture(seededRandom(seed, 'picture', index));
  return {
    id: `picture ${index}`,
    body: ({ random }) => {
      const { type, extension, octets } = disguisePicture(picture, random);
      const contentId = `${random.hex(12)}@${random.hex(6)}`;
      const html = `<html><body><img src="cid:${contentId}"></body></html>`;
      const name = `${random.gibberish()}.${extension}`;
      return { subject: random.gibberish(), html, files: [{ name, type, octets, contentId }] };
    },
  };
};

/** A document with a few sentences of noise as its covering text, others for each copy. */
const attachments: Maker = (index, { seed, noise }) => {
  const paper = drawPaper(noise, seededRandom(seed, 'paper', index));
  return {
    id: `paper ${index}`,
    body: ({ random }) => ({
      subject: takeProse(noise, random, 4).join(' '),
      text: takeProse(noise, random, 25).join(' '),
      files: [
        {
          name: `${random.gibberish()}-${random.int(100_000)}.pdf`,
          type: 'application/pdf',
          octets: printPaper(paper, random),
        },
      ],
    }),
  };
};

/** Each copy in one of the ways of text, by chance. */
const mixed = ofText((making) => making.random.pick(Object.values(textMutations))(making));

const makers: Readonly<Record<string, Maker>> = {
  ...Object.fromEntries(Object.entries(textMutations).map(([name, mutation]) => [name, ofText(mutation)])),
  'mixed, a way per copy': mixed,
  'images only': images,
  attachments,
  CJK: ofScript('CJK'),
  Cyrillic: ofScript('Cyrillic'),
};

export const classNames: readonly string[] = Object.keys(makers);

/** The copies of each campaign of the class, campaign by campaign. Throws on a class that there is not. */
export function* generateClass(name: string, plan: Plan): Generator<Copy> {
  const maker = makers[name];
  if (maker === undefined) throw new Error(`no class "${name}"; there are ${classNames.join(', ')}`);
  for (let index = 0; index < plan.campaigns.length; index++) {
    const { id, body } = maker(index, plan);
    for (let number = 0; number < plan.copies; number++) {
      const random = seededRandom(plan.seed, name, id, number);
      const to = addressee(random);
      const octets = compose(body({ random, to }), to, random);
      yield { campaign: id, number, octets, recipient: to.address };
    }
  }
}
