/** The commands of the guard: lists of holds and allowances, and the decisions of an operator. */
import { z } from 'zod';
import { answering, type ControlOf, yielding } from '../admin/index.ts';

/** Milliseconds since 1970. */
const instant = z.number();
/** `identity:alice`, `address:192.0.2.1`, `network:10.0.0.1`; also without its kind. */
const subject = z.string().max(600);
const holdId = z.string().max(32);

/** A held subject, or one that is exempt from holds. */
const guardItemShape = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('hold'),
    id: z.string(),
    subject: z.string(),
    since: instant,
    because: z.string(),
    /** `holding`; `ended` when only its held mail is left; `releasing` while that is released. */
    state: z.enum(['holding', 'ended', 'releasing']),
    messages: z.number(),
    octets: z.number(),
    /** When the subject last sent something. */
    lastAt: instant,
    /** More is refused for now. */
    isFull: z.boolean(),
  }),
  z.object({ kind: z.literal('allowance'), subject: z.string(), since: instant, until: instant }),
]);
export type GuardItem = z.infer<typeof guardItemShape>;

/** The decisions of an operator. */
const guardChangeShape = z.discriminatedUnion('verb', [
  z.strictObject({ verb: z.literal('release'), id: holdId }),
  z.strictObject({ verb: z.literal('remove'), id: holdId }),
  z.strictObject({ verb: z.literal('allow'), subject, forMs: z.number().positive().exactOptional() }),
  z.strictObject({ verb: z.literal('disallow'), subject }),
]);
export type GuardChange = z.infer<typeof guardChangeShape>;

/** The result: the number of messages released or removed, or the subject as it was understood. */
const guardChangedShape = z.object({
  messages: z.number().exactOptional(),
  subject: z.string().exactOptional(),
  until: instant.exactOptional(),
});
export type GuardChanged = z.infer<typeof guardChangedShape>;

export const guardCommands = {
  /** Holds, the oldest first, then allowances. */
  guardList: yielding('guard-list', { out: guardItemShape }),
  /** Answers when the change is done and durable. It continues when the client is gone. `not-found`. */
  guardChange: answering('guard-change', { args: guardChangeShape, out: guardChangedShape, isLogged: true }),
};
export type GuardControl = ControlOf<typeof guardCommands>;
