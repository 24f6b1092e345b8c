/** Budgets: the counts that they limit, and their defaults. */

/** The largest number in any period of this length. */
export interface Budget {
  readonly max: number;
  readonly periodMs: number;
}

/** The kinds of counts. `reports` are verdicts of other parts: see `Guard.report`. */
export const countedKinds = [
  'messages',
  'recipients',
  'newRecipients',
  'failedRecipients',
  'reports',
] as const;
export type Counted = (typeof countedKinds)[number];

/** The budgets of one sort of subject; an empty list does not limit. */
export type Budgets = Readonly<Record<Counted, readonly Budget[]>>;

const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;

/** No period is longer than this. */
export const longestPeriodMs = 7 * day;

const reports: readonly Budget[] = [{ max: 20, periodMs: hour }];

/**
 * Budgets of one user. The budget of a minute stops a hijacked account: at any speed above a message in 1.5 s fewer
 * than fifty get out. That of an hour lets one message to 250 strangers pass (a club's newsletter) and not a second
 * one. Failures expose a bought list of addresses: a person's own list ages by a few in a hundred.
 */
export const identityBudgets: Budgets = {
  messages: [
    { max: 40, periodMs: minute },
    { max: 300, periodMs: hour },
    { max: 1000, periodMs: day },
  ],
  recipients: [
    { max: 500, periodMs: hour },
    { max: 2000, periodMs: day },
  ],
  newRecipients: [
    { max: 250, periodMs: hour },
    { max: 500, periodMs: day },
  ],
  failedRecipients: [
    { max: 50, periodMs: hour },
    { max: 150, periodMs: day },
  ],
  reports,
};

/** Budgets of an address of an open relay: the same, since its users are known even less. */
export const addressBudgets: Budgets = identityBudgets;

/**
 * Budgets of a client in `relay.networks`, which may be a whole application server. Only one that has run wild exceeds
 * them; its recipients are its own business.
 */
export const networkBudgets: Budgets = {
  messages: [{ max: 100_000, periodMs: hour }],
  recipients: [{ max: 300_000, periodMs: hour }],
  newRecipients: [],
  failedRecipients: [{ max: 5000, periodMs: hour }],
  reports: [{ max: 1000, periodMs: hour }],
};

/**
 * The most that the budgets of an open relay may be raised to, in any period of an hour. More is no open relay
 * with a guard but one without.
 */
export const addressCeiling: Readonly<Record<Counted, Budget>> = {
  messages: { max: 3000, periodMs: hour },
  recipients: { max: 5000, periodMs: hour },
  newRecipients: { max: 2500, periodMs: hour },
  failedRecipients: { max: 500, periodMs: hour },
  reports: { max: 200, periodMs: hour },
};

/** The effective budgets of an open relay's client: none of them above the ceiling, whatever is configured. */
export function underCeiling(budgets: Budgets): Budgets {
  const bounded = (kind: Counted): readonly Budget[] => {
    const isBounded = isUnderCeiling(kind, budgets[kind]);
    return isBounded ? budgets[kind] : [...budgets[kind], addressCeiling[kind]];
  };
  return {
    messages: bounded('messages'),
    recipients: bounded('recipients'),
    newRecipients: bounded('newRecipients'),
    failedRecipients: bounded('failedRecipients'),
    reports: bounded('reports'),
  };
}

/** Whether budgets keep each subject below the ceiling of their kind. */
export function isUnderCeiling(kind: Counted, budgets: readonly Budget[]): boolean {
  return budgets.some((budget) => isWithin(budget, addressCeiling[kind]));
}

/** Whether one budget is at least as strict as another: no more, in a period at least as long. */
function isWithin(budget: Budget, ceiling: Budget): boolean {
  return budget.max <= ceiling.max && budget.periodMs >= ceiling.periodMs;
}

const units = [
  { letter: 'd', ms: day },
  { letter: 'h', ms: hour },
  { letter: 'm', ms: minute },
  { letter: 's', ms: 1000 },
] as const;

/** `40/1m`, as the configuration writes it. */
export function formatBudget({ max, periodMs }: Budget): string {
  return `${max}/${formatSpan(periodMs)}`;
}

/** A duration in its largest whole unit: `90m`. */
export function formatSpan(ms: number): string {
  const unit = units.find((each) => ms >= each.ms && ms % each.ms === 0);
  return unit === undefined ? `${ms}ms` : `${ms / unit.ms}${unit.letter}`;
}
