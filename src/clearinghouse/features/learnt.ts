/** The knowledge gained from all mail: common words, footers, disclaimers and pictures. */
import { powerOfTwo } from '../clusters/size.ts';
import type { Entry } from '../journal.ts';
import { type FeatureParts, type Features, learnable } from './features.ts';
import type { Hash } from './hash.ts';
import { type ImageHash, Pictures } from './image.ts';
import { Spread } from './spread.ts';

type Learn = Entry & { readonly kind: 'learn' };

/** The knowledge gained from all mail, apart from clusters: words in use, common phrases, pictures. Fixed memory. */
export class Learnt {
  readonly parts: FeatureParts;
  readonly #pictures: Pictures;

  /** `memory`: octets, about. */
  constructor(hash: Hash, memory: number) {
    const each = powerOfTwo(memory / 3);
    const size = { counters: each, bits: 4 * each };
    this.parts = { hash, lexicon: new Spread(hash, size), boilerplate: new Spread(hash, size) };
    this.#pictures = new Pictures(powerOfTwo(memory / 3 / Pictures.octetsEach));
  }

  /** The first known picture that looks like this one; itself if there is none. */
  pictureOf(image: ImageHash): ImageHash {
    return this.#pictures.find(image) ?? image;
  }

  /** The pictures that were not known before, as changes that can be written down. */
  newPictures(images: readonly ImageHash[]): Entry[] {
    return images
      .filter((image) => this.#pictures.find(image) === undefined)
      .map(({ high, low }) => ({ kind: 'picture', high, low }));
  }

  /** The change that follows from the words of a message of this sender; undefined for none. */
  fromWords(features: Features, sender: string): Learn | undefined {
    return this.#learn('words', features.words, sender);
  }

  /**
   * The change that follows from the features of a good message: features of many senders no longer identify a
   * campaign.
   */
  fromGood(features: Features, sender: string): Learn | undefined {
    return this.#learn('boilerplate', learnable(features), sender);
  }

  apply(entry: Entry & { readonly kind: 'learn' | 'picture' }): void {
    if (entry.kind === 'picture') {
      this.#pictures.add(entry);
      return;
    }
    const spread = this.#spreadOf(entry.what);
    for (const thing of entry.things) spread.add(thing, entry.by);
  }

  arrays(): readonly ArrayBufferView[] {
    const { lexicon, boilerplate } = this.parts;
    return [...this.#pictures.arrays(), ...lexicon.arrays(), ...boilerplate.arrays()];
  }

  /** After the arrays were read back. */
  restored(): void {
    this.parts.lexicon.restored();
    this.parts.boilerplate.restored();
  }

  #learn(what: Learn['what'], things: readonly number[], sender: string): Learn | undefined {
    const by = this.parts.hash.text(sender);
    const spread = this.#spreadOf(what);
    const news = things.filter((thing) => spread.isNews(thing, by));
    return news.length === 0 ? undefined : { kind: 'learn', what, by, things: [...new Set(news)] };
  }

  #spreadOf(what: Learn['what']): Spread {
    return what === 'words' ? this.parts.lexicon : this.parts.boilerplate;
  }
}
