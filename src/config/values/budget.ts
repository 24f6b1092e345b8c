/** The option type of budgets, such as `40/1m`. */
import { z } from 'zod';
import { type Budget, longestPeriodMs } from '../../guard/options.ts';
import { describe, listOf } from './value.ts';

const periodUnits: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const shortestPeriodMs = 10_000;

/** A budget as `40/1m`. */
const budget = () =>
  z
    .unknown()
    .transform((value, context): Budget => {
      const match = /^(\d{1,9}) ?\/ ?(\d{1,5})([smhd])$/.exec(String(value));
      const max = Number(match?.[1]);
      const periodMs = Number(match?.[2]) * (periodUnits[match?.[3] ?? ''] ?? 0);
      if (match !== null && max > 0 && periodMs >= shortestPeriodMs && periodMs <= longestPeriodMs)
        return { max, periodMs };
      const hint = 'write 40/1m: forty in any minute; from 10s to 7d';
      const message = `not a budget: ${describe(value)}`;
      context.addIssue({ code: 'custom', message, params: { hint }, input: value });
      return z.NEVER;
    })
    .meta({ type: 'budget' });

/** The budgets of one kind; an empty list does not limit. */
export const budgets = () => listOf(budget());
