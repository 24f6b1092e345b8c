/**
 * A message on its way through the relay: what may be changed in it before it is kept.
 *
 * RFC 5322 (fields and body).
 */
export type { Edit } from './edit.ts';
