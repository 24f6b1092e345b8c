/** One change to a message: to a field of its header, or to its body as a whole. */

/**
 * Fields are found by name, in any case of letters; `nth` counts those of that name from 1, the topmost first, as
 * milters do: our own trace field is not among them. A value is the text after the colon, as a rule with a blank
 * first, folded already and without a line end at its end. Edits apply in order, each to the result of those before
 * it.
 */
export type Edit = FieldEdit | BodyEdit;

/** A change to the header. */
export type FieldEdit =
  /** At the end of the header. */
  | { readonly kind: 'add'; readonly name: string; readonly value: string }
  /** Before the line that stands at this place: 0 is the top, above our own trace field. */
  | { readonly kind: 'insert'; readonly at: number; readonly name: string; readonly value: string }
  /** Where there is no such field it is added at the end. */
  | { readonly kind: 'change'; readonly name: string; readonly nth: number; readonly value: string }
  | { readonly kind: 'remove'; readonly name: string; readonly nth: number | 'all' }
  /** The lines that begin with `X-Posthouse-`, which only we write and others read. */
  | { readonly kind: 'remove-own' };

/** Another body; the empty line before it is none of it. */
export interface BodyEdit {
  readonly kind: 'body';
  readonly octets: Uint8Array;
}

/** The start of header fields that only we may write; in lower case. */
export const ownPrefix = 'x-posthouse-';

/** Whether a line that begins there is a field that only we may write. */
export function isOwn(octets: Buffer, start: number): boolean {
  // Most lines begin with another letter, and a header may have very many.
  if (((octets[start] ?? 0) | 0x20) !== 0x78) return false;
  return octets.toString('latin1', start, start + ownPrefix.length).toLowerCase() === ownPrefix;
}

const fieldName = /^[!-9;-~]+$/;

/**
 * A field in its written form. Line ends of any kind in the value become folds, so that no value ends the field.
 * Throws a `RangeError` for an invalid name: that is a bug of the caller.
 */
export function formatField(name: string, value: string): Buffer {
  if (!fieldName.test(name)) throw new RangeError(`no name of a field: ${JSON.stringify(name)}`);
  const folded = value.replace(/\r\n?|\n/g, '\r\n').replace(/\r\n(?![ \t])/g, '\r\n\t');
  return Buffer.from(`${name}:${folded}\r\n`);
}
