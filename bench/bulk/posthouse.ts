/** The product as the bench asks it: the engine itself, in this thread, with the defaults of the configuration. */
import { wordsInOrder } from '../../src/clearinghouse/content/content.ts';
import { readContent } from '../../src/clearinghouse/content/read.ts';
import { Engine } from '../../src/clearinghouse/engine.ts';
import type { Read } from '../../src/clearinghouse/engine-options.ts';
import { imageHashes } from '../../src/clearinghouse/features/image.ts';
import { bodyDigest, legacyKeys } from '../../src/clearinghouse/keys/keys.ts';
import { defaultThresholds } from '../../src/clearinghouse/options.ts';
import type { Detector } from './detector.ts';

const memory = 256e6;

/** Opens one that has seen nothing. */
export function openDetector(): Detector {
  const engine = new Engine({
    key: Buffer.from('the bench has no secrets'),
    memory,
    thresholds: defaultThresholds,
    isAllowed: () => false,
  });
  const read = async (octets: Uint8Array, recipients: readonly string[]): Promise<Read> => {
    const content = readContent(octets, { recipients });
    return {
      content,
      images: await imageHashes(content),
      exact: bodyDigest(content.leaves),
      keys: () => legacyKeys(octets, content.leaves),
    };
  };
  let now = Date.UTC(2026, 0, 1);
  return {
    name: 'posthouse',
    async learn(octets) {
      engine.learn(await read(octets, []), { reporter: 'bench', isKnown: true, recipients: [] });
    },
    async feed(octets, recipient) {
      now += 100;
      const source = { reporter: 'bench', isKnown: true, recipients: [recipient] };
      const { cluster, isBulk, isReported, via } = engine.check(await read(octets, [recipient]), source, {
        now,
      });
      return { cluster, isBulk, isReported, via };
    },
  };
}

/** The text given to the peers' sketches, so that they are not judged by their reading of HTML. */
export function readText(octets: Uint8Array): string {
  return wordsInOrder(readContent(octets)).join(' ');
}
