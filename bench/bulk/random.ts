/** Chance that is the same on every machine: nothing here looks at a clock, and only integer arithmetic is used. */

export interface Random {
  /** At least 0, less than 1. */
  next(): number;
  /** An integer from 0 to `below` - 1. */
  int(below: number): number;
  chance(share: number): boolean;
  pick<T>(list: readonly T[]): T;
  shuffle<T>(list: readonly T[]): T[];
  /** Lower-case hexadecimal digits. */
  hex(length: number): string;
  /** Letters that are no word. */
  gibberish(): string;
}

/** FNV-1a, 32 bits, of the code units. */
export function hash32(text: string, seed = 0x811c9dc5): number {
  let hash = seed;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  // FNV's high bits are weak for short text: the finaliser of MurmurHash3.
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** The generator mulberry32, seeded by all that is given. */
export function seededRandom(...seed: readonly (string | number)[]): Random {
  let state = hash32(seed.join('\0'));
  const next = (): number => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  const int = (below: number): number => Math.floor(next() * below);
  const letters = (alphabet: string, length: number): string =>
    Array.from({ length }, () => alphabet.charAt(int(alphabet.length))).join('');
  return {
    next,
    int,
    chance: (share) => next() < share,
    pick: (list) => {
      const one = list[int(list.length)];
      if (one === undefined) throw new RangeError('nothing to pick from');
      return one;
    },
    shuffle: (list) => {
      const order = list.map((one) => ({ one, at: next() }));
      return order.sort((a, b) => a.at - b.at).map(({ one }) => one);
    },
    hex: (length) => letters('0123456789abcdef', length),
    gibberish: () => letters('abcdefghijklmnopqrstuvwxyz', 5 + int(6)),
  };
}
