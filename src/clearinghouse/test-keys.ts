import type { LegacyKey } from './ask.ts';
import { testStrings } from './content/read.ts';
import { legacyKeys } from './keys/keys.ts';

/** Keys of messages with a test string that are remembered; the oldest gives its place. */
const maxSeen = 256;

/** Those of the sample that comes with SpamAssassin (`sample-spam.txt`). */
const sample: readonly LegacyKey[] = [
  { scheme: 'pyzor', value: 'd152948f7f029b35691afa499c145797558b2fff' },
  { scheme: 'razor4', value: 'maD-J2LHO2hbHzZrbOXcsZ6ndsoA' },
];

/**
 * The keys by which clients that send no more than keys ask about GTUBE and our own test string: those of messages that
 * are nothing else, of a sample that people have, and of what was seen whole.
 */
export class TestKeys {
  readonly #fixed: ReadonlySet<string>;
  readonly #seen = new Set<string>();

  constructor() {
    const alone = testStrings.flatMap((text) => testKeysIn(Buffer.from(`Subject: test\n\n${text}\n`)));
    this.#fixed = new Set([...sample, ...alone].map(nameOf));
  }

  /** Whether one of them is. */
  isTest(keys: readonly LegacyKey[]): boolean {
    return keys.map(nameOf).some((name) => this.#fixed.has(name) || this.#seen.has(name));
  }

  /** Remembers keys that `testKeysIn` found. Others would make a hit of whatever else has them. */
  add(keys: readonly LegacyKey[]): void {
    for (const name of keys.map(nameOf)) {
      if (this.#fixed.has(name)) continue;
      this.#seen.delete(name);
      this.#seen.add(name);
      const [oldest] = this.#seen;
      if (this.#seen.size > maxSeen && oldest !== undefined) this.#seen.delete(oldest);
    }
  }
}

/**
 * The keys of a message that come of a test string in it, and of no message without one: those that another word in its
 * place would change. Else anybody could make a hit of somebody's newsletter by sending it with a test string added,
 * where the key does not look: Pyzor leaves out long words, and Razor looks at two slices and at each part alone.
 */
export function testKeysIn(octets: Uint8Array): readonly LegacyKey[] {
  const text = Buffer.from(octets.buffer, octets.byteOffset, octets.byteLength).toString('latin1');
  const other = testStrings.reduce((all, word) => all.replaceAll(word, 'x'.repeat(word.length)), text);
  if (other === text) return [];
  const without = new Set(legacyKeys(Buffer.from(other, 'latin1')).map(nameOf));
  return legacyKeys(octets).filter((key) => !without.has(nameOf(key)));
}

function nameOf({ scheme, value }: LegacyKey): string {
  return `${scheme} ${value}`;
}
