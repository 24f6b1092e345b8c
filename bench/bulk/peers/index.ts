/** The methods that the product is compared with, each by the threshold of its own literature. */
import tlshOf from 'tlsh';
import DigestHashBuilder from 'tlsh/lib/digests/digest-hash-builder.js';
import { messageText } from '../mime.ts';
import { nilsimsa, nilsimsaScore } from './nilsimsa.ts';
import { pyzorDigest } from './pyzor.ts';
import { razorKeys } from './razor.ts';
import { minHash, minHashShared, plainWords, simhash, simhashDistance } from './sketch.ts';
import { spamsum, spamsumScore } from './spamsum.ts';

export interface Peer {
  readonly name: string;
  /** Digests all messages, and then tells for two of them, by their index, whether they are taken for copies. */
  matcher(messages: readonly Readable[]): (a: number, b: number) => boolean;
}

export interface Readable {
  readonly octets: Uint8Array;
  /** The text from which sketches are computed. */
  readonly text: string;
}

/** `read` gives the text; by default all text parts, HTML without its tags, and nothing else undone. */
export type ReadText = (octets: Uint8Array) => string;

export const readable = (octets: Uint8Array, read: ReadText = messageText): Readable => ({
  octets,
  text: read(octets),
});

interface Method<D> {
  /** Undefined where there is too little to say anything. */
  digest(message: Readable): D | undefined;
  matches(a: D, b: D): boolean;
}

function peer<D>(name: string, { digest, matches }: Method<D>): Peer {
  return {
    name,
    matcher: (messages) => {
      const digests = messages.map(digest);
      return (a, b) => {
        const [one, other] = [digests[a], digests[b]];
        return one !== undefined && other !== undefined && matches(one, other);
      };
    },
  };
}

const sharesOne = (a: readonly string[], b: readonly string[]): boolean => a.some((key) => b.includes(key));

function tlsh(text: string): ReturnType<DigestHashBuilder['build']> | undefined {
  try {
    return new DigestHashBuilder().withHash(tlshOf(Buffer.from(text).toString('latin1'))).build();
  } catch {
    return undefined;
  }
}

/** Without the blanks that only wrap lines. */
const squeezed = (text: string): string => text.replace(/\s+/g, ' ').trim();
const textOctets = ({ text }: Readable): Uint8Array | undefined => {
  const octets = Buffer.from(squeezed(text));
  return octets.length === 0 ? undefined : octets;
};
const ifAny = <T, D>(value: T | undefined, then: (value: T) => D): D | undefined =>
  value === undefined ? undefined : then(value);

export const peers: readonly Peer[] = [
  peer('Razor e4', { digest: ({ octets }) => razorKeys(octets).e4, matches: sharesOne }),
  peer('Razor e8', { digest: ({ octets }) => razorKeys(octets).e8, matches: sharesOne }),
  peer('Pyzor', { digest: ({ octets }) => pyzorDigest(octets), matches: (a, b) => a === b }),
  peer('Nilsimsa', {
    digest: (message) => ifAny(textOctets(message), nilsimsa),
    matches: (a, b) => nilsimsaScore(a, b) > 54,
  }),
  peer('TLSH', {
    digest: ({ text }) => tlsh(squeezed(text)),
    matches: (a, b) => a.calculateDifference(b, true) <= 100,
  }),
  peer('ssdeep', {
    digest: (message) => ifAny(textOctets(message), spamsum),
    matches: (a, b) => spamsumScore(a, b) >= 40,
  }),
  peer('simhash', {
    digest: ({ text }) => {
      const list = plainWords(text);
      return list.length === 0 ? undefined : simhash(list);
    },
    matches: (a, b) => simhashDistance(a, b) <= 10,
  }),
  peer('MinHash', {
    digest: ({ text }) => minHash(plainWords(text)),
    matches: (a, b) => minHashShared(a, b) > 16,
  }),
];
