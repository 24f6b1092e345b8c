/** The form of a rule and of its findings. */
import type { Decision, Later, RelayRequest } from '../receiver/index.ts';
import type { PolicyOptions } from './options.ts';

/** A rule's answer to a request: the decision, or nothing. */
export type Outcome = Decision | Pass;

/** The rule leaves the request to the next one. */
export interface Pass {
  readonly kind: 'pass';
  readonly because: string;
  /** The rule would have decided, but for this reason, which is reported with the refusal at the end. */
  readonly isNear?: true;
}

/** One rule. It changes nothing. It answers later if it has to ask a destination, or for a window. */
export interface Rule {
  readonly name: string;
  /** The facts of the request that it uses, for `explain`. */
  readonly looksAt: (request: RelayRequest, options: PolicyOptions) => string;
  readonly judge: (request: RelayRequest, options: PolicyOptions) => Later<Outcome>;
}

/** Applies `then` to a value, at once if it is there already. */
export function once<T, R>(value: Later<T>, then: (value: T) => Later<R>): Later<R> {
  return value instanceof Promise ? value.then(then) : then(value);
}

export function pass(because: string): Pass {
  return { kind: 'pass', because };
}

export function nearly(because: string): Pass {
  return { kind: 'pass', because, isNear: true };
}
