/** The keys of GTUBE and of our own test string. */
import type { LegacyKey } from './ask.ts';
import { testStrings } from './content/read.ts';
import { legacyKeys } from './keys/keys.ts';

/** The keys of the sample that comes with SpamAssassin (`sample-spam.txt`). */
const sample: readonly LegacyKey[] = [
  { scheme: 'pyzor', value: 'd152948f7f029b35691afa499c145797558b2fff' },
  { scheme: 'razor4', value: 'maD-J2LHO2hbHzZrbOXcsZ6ndsoA' },
];

/**
 * The keys with which key-only clients ask about GTUBE and our own test string: those of messages that consist of it,
 * and of a common sample. No keys are learnt from mail: a test string can be put into an innocent newsletter where its
 * keys do not cover it.
 */
export class TestKeys {
  readonly #names: ReadonlySet<string>;

  constructor() {
    const alone = testStrings.flatMap((text) => legacyKeys(Buffer.from(`Subject: test\n\n${text}\n`)));
    this.#names = new Set([...sample, ...alone].map(nameOf));
  }

  /** Whether one of them is. */
  isTest(keys: readonly LegacyKey[]): boolean {
    return keys.some((key) => this.#names.has(nameOf(key)));
  }
}

function nameOf({ scheme, value }: LegacyKey): string {
  return `${scheme} ${value}`;
}
