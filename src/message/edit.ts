/** One change to a message: to a field of its header, or to its body as a whole. */

/**
 * Fields are found by name, in any case of letters; `nth` counts those of that name from 1, the topmost first. Values
 * are folded already and have no line end at their end. Edits apply in order, each to what those before it left.
 */
export type Edit =
  /** At the end of the header. */
  | { readonly kind: 'add'; readonly name: string; readonly value: string }
  /** Before the field that stands at this place; 0 is the top. */
  | { readonly kind: 'insert'; readonly at: number; readonly name: string; readonly value: string }
  | { readonly kind: 'change'; readonly name: string; readonly nth: number; readonly value: string }
  | { readonly kind: 'remove'; readonly name: string; readonly nth: number }
  | { readonly kind: 'body'; readonly octets: Uint8Array };
