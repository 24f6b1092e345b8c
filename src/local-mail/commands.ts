/** The command that takes a message of the operator, and reports its fate. */
import { z } from 'zod';
import { type ControlOf, yielding } from '../admin/index.ts';

const text = z.string().max(2048);

/** The status of one recipient. `pending` was never tried. */
export const fateShape = z.enum([
  'pending',
  'deferred',
  'delivered',
  'bounced',
  'expired',
  'held',
  'redirected',
  'removed',
]);

/** A message of the person at the control socket. `from` is empty for the null reverse-path. */
const sendRequestShape = z.strictObject({
  from: text,
  to: z.array(text).min(1).max(1000),
  /** Report until the fate of each recipient is known; else only until the message is accepted. */
  follow: z.boolean(),
});
export type SendRequest = z.infer<typeof sendRequestShape>;

/** The events of a submitted message, in order. `refused` concerns all of it; `to` is the recipient that caused it. */
const submitEventShape = z.discriminatedUnion('event', [
  z.object({ event: z.literal('refused'), to: z.string().exactOptional(), reply: z.string() }),
  z.object({ event: z.literal('accepted'), queueId: z.string(), recipients: z.number() }),
  z.object({
    event: z.literal('fate'),
    to: z.string(),
    status: fateShape,
    relay: z.string().exactOptional(),
    reply: z.string().exactOptional(),
    /** Since the message was accepted. */
    delayMs: z.number().exactOptional(),
  }),
]);
export type SubmitEvent = z.infer<typeof submitEventShape>;

export const localMailCommands = {
  /** Takes a message, which carries its header. When `signal` aborts before it is accepted, it is dropped. */
  submit: yielding('submit', { args: sendRequestShape, out: submitEventShape, takesMessage: true }),
};
export type LocalMailControl = ControlOf<typeof localMailCommands>;
