import type { Decision, RelayRequest } from '../receiver/index.ts';
import type { PolicyOptions } from './options.ts';

/** What a rule makes of a request: the decision, a question to the destination, or nothing. */
export type Outcome = Decision | { readonly kind: 'ask' } | Pass;

/** The rule leaves the request to the next one. */
export interface Pass {
  readonly kind: 'pass';
  readonly because: string;
  /** It would have decided, but for this: told with the refusal at the end. */
  readonly isNear?: true;
}

/** One rule. It looks at facts that were gathered before, and changes nothing. */
export interface Rule {
  readonly name: string;
  /** What it looks at in this request, for `explain`. */
  readonly looksAt: (request: RelayRequest, options: PolicyOptions) => string;
  readonly judge: (request: RelayRequest, options: PolicyOptions) => Outcome;
}

export function pass(because: string): Pass {
  return { kind: 'pass', because };
}

export function nearly(because: string): Pass {
  return { kind: 'pass', because, isNear: true };
}
