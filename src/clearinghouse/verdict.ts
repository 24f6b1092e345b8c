/** Verdicts: the empty one, the one of test messages, and the confidence. */
import type { Verdict } from './ask.ts';
import type { Kind } from './clusters/spectrum.ts';

/** The names of kinds of features in verdicts. */
export const viaOf: Readonly<Record<Kind, Verdict['via']>> = {
  text: 'text',
  actions: 'actions',
  structure: 'structure',
  chunks: 'attachment',
  images: 'image',
  exact: 'exact',
};

/** Nothing like it was seen. */
export const unknown: Verdict = {
  count: 0,
  exact: 0,
  reported: 0,
  revoked: 0,
  isBulk: false,
  isReported: false,
  isContested: false,
  isShort: false,
  isAllowed: false,
  confidence: 0,
  via: 'none',
};

/** Of GTUBE, and of our own test string. */
export const testVerdict: Verdict = {
  ...unknown,
  count: 1_000_000,
  reported: 1000,
  isBulk: true,
  isReported: true,
  confidence: 100,
  cluster: 'test',
  via: 'test',
};

/** The confidence in percent: below 50 for bulk, by its orders of magnitude; above it for reported mail. */
export function confidenceOf({
  count,
  bulk,
  isBulk,
  isReported,
  reported,
}: {
  count: number;
  bulk: number;
  isBulk: boolean;
  isReported: boolean;
  reported: number;
}): number {
  const size = Math.min(1, Math.log10(1 + count / bulk) / 2);
  if (!isReported) return isBulk ? Math.round(20 + 29 * size) : Math.round(20 * Math.min(1, count / bulk));
  return Math.round(51 + 49 * Math.min(1, 0.5 * size + 0.25 * Math.log2(1 + reported)));
}
