/** The common part of the SASL mechanisms. */
import type { ClientFacts, SaslStep } from '../receiver/index.ts';
import type { Throttle } from './throttle.ts';

/** The parts that the exchanges of one session need. */
export interface ExchangeParts {
  readonly client: ClientFacts;
  readonly throttle: Throttle;
  /** Aborts when the client gave up, or is gone. */
  readonly signal: AbortSignal;
}

/** A name and a password, and how and from where they came. */
export interface Credentials {
  readonly mechanism: string;
  readonly name: string;
  /** `undefined`: the octets are not UTF-8, so no user has them. */
  readonly password: string | undefined;
  readonly client: ClientFacts;
}

/** One exchange, written as a sequence: it yields challenges, and receives the responses. */
export type Sequence = AsyncGenerator<Buffer, SaslStep, Buffer>;

/** A mechanism: `first` is the initial response, if there was one. */
export type Mechanism = (parts: ExchangeParts, first: Buffer | undefined) => Sequence;

/** The texts of the usual mechanisms are UTF-8; others belong to no user. */
export function decodeText(octets: Buffer): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(octets);
  } catch {
    return undefined;
  }
}

/** A name for look-ups and logs: octets that are not UTF-8 become a mark that no name has. */
export function lossyText(octets: Buffer): string {
  return decodeText(octets) ?? octets.toString('latin1').replace(/[\x80-\xff]/g, '\ufffd');
}
