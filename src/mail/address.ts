declare const domainBrand: unique symbol;

/**
 * A domain in its canonical form: lower-case A-labels without a trailing dot (`xn--bcher-kva.example`),
 * or an address literal in brackets (`[192.0.2.1]`, `[IPv6:2001:db8::1]`). Compared with `===`.
 */
export type Domain = string & { readonly [domainBrand]: true };

/** A mailbox (RFC 5321 §4.1.2), parsed once at the edge and never again. */
export interface Address {
  /** As it goes on the wire between the brackets: local part and domain unchanged, no source route. */
  readonly text: string;
  /** The local part without quoting: `"a b"@d` has `a b`. Its case is kept. */
  readonly localPart: string;
  readonly domain: Domain;
}
