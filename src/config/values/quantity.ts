/** Options that are numbers: counts, shares, durations and sizes. */
import { describe, expected, Fault, scalar } from './value.ts';

/** A whole number from `min` to `max`. */
export const count = (min: number, max: number) =>
  scalar(`number, ${min} to ${max}`, (value) => {
    if (typeof value !== 'number' || !Number.isInteger(value)) return expected('a whole number', value);
    return value >= min && value <= max ? value : new Fault(`${value} is not between ${min} and ${max}`);
  });

/** A part of something, from 0 to 1. */
export const share = () =>
  scalar('number, 0 to 1', (value) => {
    if (typeof value !== 'number') return expected('a number', value);
    return value >= 0 && value <= 1 ? value : new Fault(`${value} is not between 0 and 1`);
  });

const durationUnits: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
};

/** A time as `30s`, `5m`, `4h`, `5d`, in milliseconds. */
export const duration = (range: { readonly min?: string; readonly max?: string } = {}) =>
  scalar('duration', (value) => {
    const ms = parseDuration(value);
    if (ms === undefined) {
      const hint = typeof value === 'number' ? `for seconds write ${value}s` : 'write 30s, 5m, 4h or 5d';
      return new Fault(`not a duration: ${describe(value)}`, hint);
    }
    const { min = '0s', max = '365d' } = range;
    const fits = ms >= (parseDuration(min) ?? 0) && ms <= (parseDuration(max) ?? 0);
    return fits ? ms : new Fault(`${value} is not between ${min} and ${max}`);
  });

function parseDuration(value: unknown): number | undefined {
  if (value === 0) return 0;
  const match = typeof value === 'string' ? /^(\d{1,12}(?:\.\d{1,3})?) ?(ms|[smhdw])$/.exec(value) : null;
  return match === null ? undefined : Math.round(Number(match[1]) * (durationUnits[match[2] ?? ''] ?? 0));
}

const sizeUnits: Readonly<Record<string, number>> = { B: 1, KB: 1e3, MB: 1e6, GB: 1e9, TB: 1e12 };

/** A size as `10MB`, decimal, in octets. A bare number is octets. */
export const size = (range: { readonly min?: string; readonly max?: string } = {}) =>
  scalar('size', (value) => {
    const bytes = parseSize(value);
    if (bytes === undefined) return new Fault(`not a size: ${describe(value)}`, 'write 64KB, 10MB or 1GB');
    const { min = '0B', max = '1000TB' } = range;
    const fits = bytes >= (parseSize(min) ?? 0) && bytes <= (parseSize(max) ?? 0);
    return fits ? bytes : new Fault(`${value} is not between ${min} and ${max}`);
  });

function parseSize(value: unknown): number | undefined {
  if (typeof value === 'number') return Number.isSafeInteger(value) && value >= 0 ? value : undefined;
  const match = typeof value === 'string' ? /^(\d{1,12}(?:\.\d{1,3})?) ?([KMGT]?B)$/i.exec(value) : null;
  return match === null
    ? undefined
    : Math.round(Number(match[1]) * (sizeUnits[(match[2] ?? '').toUpperCase()] ?? 0));
}

/** A duration as the configuration writes it: `5m`, `4000s`. */
export function durationText(ms: number): string {
  const unit = ['d', 'h', 'm', 's'].find((each) => ms % (durationUnits[each] ?? 1) === 0 && ms > 0);
  return unit === undefined ? (ms === 0 ? '0s' : `${ms}ms`) : `${ms / (durationUnits[unit] ?? 1)}${unit}`;
}

/** A size as the configuration writes it: `200MB`. */
export function sizeText(bytes: number): string {
  const unit = ['TB', 'GB', 'MB', 'KB'].find((each) => bytes % (sizeUnits[each] ?? 1) === 0 && bytes > 0);
  return unit === undefined ? `${bytes}B` : `${bytes / (sizeUnits[unit] ?? 1)}${unit}`;
}
