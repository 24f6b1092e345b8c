/** Finds routes and hosts that take no mail. */
import type { Clock } from '../base/index.ts';
import {
  formatReplyText,
  type LaneName,
  parseLane,
  type RecipientStatus,
  type Reply,
} from '../mail/index.ts';
import type { Condition } from './alarms.ts';

/** The number of failing lanes that are remembered; beyond it the one that began first is forgotten. */
const maxLanes = 10_000;
/** A failure of a single message may be its own fault: a route that answers is blamed for two. */
const messagesToBlame = 2;
/** Delivery by MX as a whole is to blame when so many destinations fail and none takes anything. */
const destinationsToBlame = 3;

/** The result of one attempt in one lane. */
export interface AttemptFacts {
  readonly id: string;
  readonly lane: LaneName;
  readonly statuses: ReadonlyMap<number, RecipientStatus>;
  /** The destination as a whole was at fault: not reached, or it broke off. */
  readonly isUnavailable: boolean;
}

interface Failing {
  readonly since: number;
  isUnavailable: boolean;
  reply: Reply;
  /** The first messages it failed with. */
  readonly messages: Set<string>;
}

export interface RouteFacts {
  readonly failingMs: number;
  /** Whether the lane is a route of the configuration. The others are delivery by MX as a whole. */
  readonly isStatic: (lane: LaneName) => boolean;
  /** How many messages wait there, in words. */
  readonly waiting: (lanes: readonly LaneName[]) => string;
}

/** The name under which all destinations that are found by MX are one route: the scheme of their lanes. */
export const byMx = 'mx';

/**
 * Watches the ends of attempts for routes that deliver nothing. A success costs a look at an empty map; only failures
 * are remembered, until something is delivered there.
 */
export class RouteWatch {
  readonly #clock: Clock;
  readonly #lanes = new Map<LaneName, Failing>();
  /** When something was last delivered by MX while some lane was failing. */
  #mxWorkedAt = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Takes note of an attempt. */
  note({ id, lane, statuses, isUnavailable }: AttemptFacts): void {
    let pending: Reply | undefined;
    for (const { status, reply } of statuses.values()) {
      if (status === 'delivered') {
        this.#worked(lane);
        return;
      }
      if (status === 'pending') pending = reply;
    }
    // A permanent refusal is reported to the sender, so it is no silent failure.
    if (pending === undefined) return;
    const known = this.#lanes.get(lane);
    if (known !== undefined) {
      known.reply = pending;
      known.isUnavailable ||= isUnavailable;
      if (known.messages.size < messagesToBlame) known.messages.add(id);
      return;
    }
    if (this.#lanes.size >= maxLanes) {
      for (const oldest of this.#lanes.keys()) {
        this.#lanes.delete(oldest);
        break;
      }
    }
    const since = this.#clock.now();
    this.#lanes.set(lane, { since, isUnavailable, reply: pending, messages: new Set([id]) });
  }

  /** Whether nothing was delivered there since an attempt failed. */
  isFailing(lane: LaneName): boolean {
    return this.#lanes.has(lane);
  }

  #worked(lane: LaneName): void {
    if (this.#lanes.size === 0) return;
    this.#lanes.delete(lane);
    if (parseLane(lane).scheme === byMx) this.#mxWorkedAt = this.#clock.now();
  }

  /** The routes that have taken nothing for longer than they may. Lanes with nothing left to do are forgotten. */
  failing(facts: RouteFacts, hasEntries: (lane: LaneName) => boolean): readonly Condition[] {
    const now = this.#clock.now();
    const found: Condition[] = [];
    const others: [LaneName, Failing][] = [];
    for (const [lane, failing] of this.#lanes) {
      if (now - failing.since < facts.failingMs) continue;
      if (!hasEntries(lane)) this.#lanes.delete(lane);
      else if (!facts.isStatic(lane)) others.push([lane, failing]);
      else if (failing.isUnavailable || failing.messages.size >= messagesToBlame)
        found.push(conditionOf(lane, [lane], failing, facts));
    }
    const all = this.#mxCondition(others, facts);
    return all === undefined ? found : [...found, all];
  }

  /** One failing domain is its own affair; if all domains fail, the fault is ours. */
  #mxCondition(others: readonly (readonly [LaneName, Failing])[], facts: RouteFacts): Condition | undefined {
    const down = others.filter(([, { isUnavailable, since }]) => isUnavailable && since > this.#mxWorkedAt);
    const [first] = down;
    if (first === undefined || down.length < destinationsToBlame) return undefined;
    const lanes = down.map(([lane]) => lane);
    return conditionOf(byMx, lanes, first[1], facts);
  }
}

function conditionOf(
  subject: string,
  lanes: readonly LaneName[],
  { since, reply }: Failing,
  { waiting }: RouteFacts,
): Condition {
  return {
    kind: 'route-failing',
    subject,
    since,
    because: `nothing was delivered there; the last reply: ${formatReplyText(reply)}`,
    waiting: waiting(lanes),
    lanes,
  };
}
