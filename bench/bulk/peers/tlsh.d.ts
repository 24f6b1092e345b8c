/** Types of the package tlsh, which brings none. */

declare module 'tlsh' {
  /** Throws when the text is too short or too uniform. Takes the low octet of each code unit. */
  function hash(text: string): string;
  export = hash;
}
declare module 'tlsh/lib/digests/digest-hash-builder.js' {
  interface Digest {
    calculateDifference(other: Digest, withLength: boolean): number;
  }
  class DigestHashBuilder {
    withHash(hash: string): DigestHashBuilder;
    build(): Digest;
  }
  export = DigestHashBuilder;
}
