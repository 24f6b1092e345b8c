/** The kernel of option types: parsing of a value, and its form in messages. */
import { z } from 'zod';
import { nearest, withoutPassword } from '../../base/index.ts';

/** Why a value was not taken. */
export class Fault {
  readonly message: string;
  readonly hint: string | undefined;
  constructor(message: string, hint?: string) {
    this.message = message;
    this.hint = hint;
  }
}

/** An option with one value. `type` is its type in the documentation. */
export function scalar<T>(type: string, parse: (value: unknown) => T | Fault) {
  return z
    .unknown()
    .transform((value, context): T => {
      const result = value === null || value === undefined ? noValue(value) : parse(value);
      if (!(result instanceof Fault)) return result;
      const params = result.hint === undefined ? {} : { hint: result.hint };
      context.addIssue({ code: 'custom', message: result.message, params, input: value });
      return z.NEVER;
    })
    .meta({ type });
}

function noValue(value: null | undefined): Fault {
  return value === undefined
    ? new Fault('is missing')
    : new Fault('has no value', 'give it one or remove the key');
}

/** A list; a single value stands for a list of one. */
export function listOf<T extends z.ZodType>(item: T) {
  return z.preprocess(
    (value) => (value === undefined || Array.isArray(value) ? value : [value]),
    z.array(item),
  );
}

/** Text without control characters: configured text ends in commands, header fields, DNS names and logs. */
export function textual<T>(type: string, parse: (text: string) => T | Fault) {
  return prose(type, (value) => (hasControl(value) ? new Fault('has a control character') : parse(value)));
}

/** Text of several lines, for people. */
function prose<T>(type: string, parse: (text: string) => T | Fault) {
  return scalar(type, (value) => {
    if (typeof value !== 'string' && typeof value !== 'number') return expected('text', value);
    return parse(String(value));
  });
}

/** C0, DEL, C1, line and paragraph separators, and halves of surrogate pairs, which are no characters. */
export function hasControl(text: string): boolean {
  return /[\p{Cc}\p{Zl}\p{Zp}\p{Cs}]/u.test(text);
}

export function expected(what: string, value: unknown): Fault {
  return new Fault(`expected ${what}, found ${describe(value)}`);
}

/** A value as a message may show it: short, on one line, and without the password of a URL. */
export function describe(value: unknown): string {
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object' && value !== null) return 'a mapping';
  const text = withoutPassword(JSON.stringify(value) ?? String(value));
  return text.length <= 60 ? text : `${text.slice(0, 57)}...`;
}

/** Text of one line. */
export const text = () => textual('text', (value) => (value === '' ? new Fault('is empty') : value));

/** Text of one line or several. */
export const sentence = () => prose('text', (value) => (value === '' ? new Fault('is empty') : value));

export const path = () => textual('path', (value) => (value === '' ? new Fault('is not a path') : value));

export const boolean = () =>
  scalar('true or false', (value) => (typeof value === 'boolean' ? value : expected('true or false', value)));

/** One of a list of words. `later` are words whose feature is not built yet. */
export function choice<const T extends string>(words: readonly T[], later: readonly string[] = []) {
  return scalar(words.map((word) => `\`${word}\``).join(', '), (value): T | Fault => {
    const found = words.find((word) => word === String(value));
    if (found !== undefined) return found;
    if (later.includes(String(value))) return new Fault(`not available yet: ${value}`);
    const hint = typeof value === 'string' ? nearestHint(value, [...words, ...later]) : undefined;
    return new Fault(`expected ${words.join(', ')}, found ${describe(value)}`, hint);
  });
}

export function nearestHint(value: string, words: readonly string[]): string | undefined {
  const near = nearest(value, words);
  return near === undefined ? undefined : `did you mean "${near}"?`;
}

/** An option whose feature is not built yet. Only a value that asks for nothing is taken. */
export function notYet(name: string, harmless?: unknown) {
  return z
    .unknown()
    .transform((value, context): undefined => {
      if (value === undefined || value === harmless) return undefined;
      context.addIssue({ code: 'custom', message: `not available yet: ${name}`, input: value });
      return z.NEVER;
    })
    .optional();
}
