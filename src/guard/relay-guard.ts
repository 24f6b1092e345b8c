import type { Background, Cidr, Clock, Log } from '../base/index.ts';
import type { Operator, Queue } from '../queue/index.ts';
import type { Spool } from '../spool/index.ts';
import type { GuardMemory, TellOfHold } from './ask.ts';
import { addressCeiling, type Budgets, countedKinds, formatBudget, isUnderCeiling } from './budget.ts';
import { Guard } from './guard.ts';
import { createHeldMail } from './held-mail.ts';
import { defaultGuard, type GuardOptions, type HeldBounds } from './options.ts';

/** Budgets of a subject as the configuration has them: reports have one of their own. */
type ConfiguredBudgets = Omit<Budgets, 'reports'>;

/** The section `guard` of the configuration. */
export interface GuardSettings {
  readonly identity: { readonly budgets: ConfiguredBudgets; readonly quietMs: number };
  readonly address: { readonly budgets: ConfiguredBudgets; readonly quietMs: number };
  readonly network: {
    readonly budgets: ConfiguredBudgets;
    readonly quietMs: number;
    readonly except: readonly Cidr[];
  };
  readonly held: HeldBounds;
}

/** What the guard of a relay is made of. */
export interface RelayGuardParts {
  readonly spool: Spool;
  readonly queue: Queue;
  readonly operator: Operator;
  readonly memory: GuardMemory;
  readonly clock: Clock;
  readonly log: Log;
  readonly background: Background;
  /** Tells of a hold, past the guard. */
  readonly tell: TellOfHold;
  readonly options: () => GuardSettings;
}

/** The guard over the queue of this relay, its notices as mail. */
export function createGuard(parts: RelayGuardParts): Guard {
  const { memory, tell, clock, log, background, options } = parts;
  const mail = createHeldMail(parts);
  return new Guard({ memory, mail, tell, clock, log, background }, guardOptions(options()));
}

/** What the configuration says to the guard. */
export function guardOptions({ identity, address, network, held }: GuardSettings): GuardOptions {
  return {
    identity: {
      ...identity,
      budgets: { ...identity.budgets, reports: defaultGuard.identity.budgets.reports },
    },
    address: { ...address, budgets: { ...address.budgets, reports: defaultGuard.address.budgets.reports } },
    network: {
      quietMs: network.quietMs,
      budgets: { ...network.budgets, reports: defaultGuard.network.budgets.reports },
      except: network.except,
    },
    held,
  };
}

/** Budgets of an open relay that are more than there are. */
export function guardProblems({
  guard,
}: {
  readonly guard: GuardSettings;
}): readonly { readonly path: string; readonly message: string }[] {
  return countedKinds.flatMap((kind) => {
    if (kind === 'reports' || isUnderCeiling(kind, guard.address.budgets[kind])) return [];
    const most = formatBudget(addressCeiling[kind]);
    return [{ path: `guard.address.${kind}`, message: `an open relay has a guard: ${most} is the most` }];
  });
}
