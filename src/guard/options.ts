/** Options of the guard with the defaults, and the parts that it needs. */
import type { Background, Cidr, Clock, Log } from '../base/index.ts';
import type { GuardMemory, HeldMail, TellOfHold } from './ask.ts';
import { addressBudgets, type Budgets, identityBudgets, networkBudgets } from './budget.ts';
import type { GuardEvents } from './events.ts';

export {
  addressCeiling,
  type Budget,
  type Counted,
  countedKinds,
  formatBudget,
  isUnderCeiling,
  longestPeriodMs,
} from './budget.ts';

/** The budgets of one sort of subject, and when a hold of it ends by itself. */
export interface SubjectOptions {
  readonly budgets: Budgets;
  /** A hold ends when the subject has sent nothing for so long; 0: never by itself. */
  readonly quietMs: number;
}

/** The options of the guard. */
export interface GuardOptions {
  readonly identity: SubjectOptions;
  /** Clients of an open relay. Their budgets count at most up to `addressCeiling`. */
  readonly address: SubjectOptions;
  readonly network: SubjectOptions & {
    /** Networks whose clients have no budgets. */
    readonly except: readonly Cidr[];
  };
  readonly held: HeldBounds;
}

/** The bounds of held mail; beyond them the subject gets 452 4.7.1. */
export interface HeldBounds {
  /** Of one hold. */
  readonly messages: number;
  readonly octets: number;
  /** Of all of them together. */
  readonly totalOctets: number;
}

const quietMs = 6 * 3_600_000;

/** A hold of an identity does not end by itself: a stolen password stays stolen. Addresses change hands. */
export const defaultGuard: GuardOptions = {
  identity: { budgets: identityBudgets, quietMs: 0 },
  address: { budgets: addressBudgets, quietMs },
  network: { budgets: networkBudgets, quietMs, except: [] },
  held: { messages: 20_000, octets: 500_000_000, totalOctets: 2_000_000_000 },
};

/** The parts that the guard needs. */
export interface GuardParts {
  readonly memory: GuardMemory;
  readonly mail: HeldMail;
  readonly tell: TellOfHold;
  readonly clock: Clock;
  readonly log: Log<GuardEvents>;
  readonly background: Background;
}

/** When it is an alarm that mail does not move; all in milliseconds. */
export interface AlarmOptions {
  readonly routeFailingMs: number;
  readonly stuckMs: number;
  readonly heldMs: number;
  readonly repeatMs: number;
  /** Whether the postmaster is written to. */
  readonly mail: boolean;
}

export const defaultAlarms: AlarmOptions = {
  routeFailingMs: 30 * 60_000,
  stuckMs: 3_600_000,
  heldMs: 24 * 3_600_000,
  repeatMs: 24 * 3_600_000,
  mail: true,
};
