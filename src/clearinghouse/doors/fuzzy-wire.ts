/** The octets of rspamd's fuzzy storage, versions 3 and 4. Everything is little-endian. */

export const digestOctets = 64;
/** Minima of so many hash functions over the words of a text. */
export const shingleCount = 32;
const commandOctets = 12 + digestOctets;
const replyOctets = 96;
const oldReplyOctets = 16;

const verbs = ['check', 'write', 'delete', 'stat', 'ping'] as const;

/** A client's request. */
export interface FuzzyCommand {
  readonly version: 3 | 4;
  readonly verb: (typeof verbs)[number];
  /** The number of a list. */
  readonly flag: number;
  /** The weight of a write. */
  readonly value: number;
  /** Comes back in the reply. */
  readonly tag: number;
  readonly digest: Buffer;
  /** 32 numbers of 64 bits, eight octets each; absent for texts that are too short. */
  readonly shingles?: Buffer;
}

/** The answer to a client. */
export interface FuzzyReply {
  readonly value: number;
  readonly flag: number;
  /** 0 to 1: above one half it is known. */
  readonly probability: number;
  /** The digest that was found. */
  readonly digest?: Buffer;
  /** When it was written, in seconds since 1970. */
  readonly time?: number;
}

/** Parses a command; undefined if it is malformed. Further octets (extensions of encrypted requests) are ignored. */
export function parseFuzzyCommand(octets: Buffer): FuzzyCommand | undefined {
  if (octets.length < commandOctets) return undefined;
  // The upper half has capabilities of newer clients; we have none of them.
  const version = octets.readUInt8(0) & 0x0f;
  const verb = verbs[octets.readUInt8(1)];
  const count = octets.readUInt8(2);
  const end = commandOctets + 8 * count;
  if ((version !== 3 && version !== 4) || verb === undefined) return undefined;
  if ((count !== 0 && count !== shingleCount) || octets.length < end) return undefined;
  return {
    version,
    verb,
    flag: octets.readUInt8(3),
    value: octets.readInt32LE(4),
    tag: octets.readUInt32LE(8),
    digest: octets.subarray(12, commandOctets),
    ...(count > 0 && { shingles: octets.subarray(commandOctets, end) }),
  };
}

/** A reply in the version of its command. */
export function formatFuzzyReply(
  { version, tag }: Pick<FuzzyCommand, 'version' | 'tag'>,
  { value, flag, probability, digest, time = 0 }: FuzzyReply,
): Buffer {
  const octets = Buffer.alloc(replyOctets);
  octets.writeInt32LE(value, 0);
  octets.writeUInt32LE(flag, 4);
  octets.writeUInt32LE(tag, 8);
  octets.writeFloatLE(probability, 12);
  digest?.copy(octets, 16);
  octets.writeUInt32LE(time, 80);
  return version === 3 ? octets.subarray(0, oldReplyOctets) : octets;
}
