/** The commands of an operator: the queue, changes of it, and sessions. */
import { z } from 'zod';
import { answering, type ControlOf, yielding } from '../admin/index.ts';
import { fateShape } from '../local-mail/commands.ts';

const text = z.string().max(2048);
const queueId = z.string().max(32);
/** Milliseconds since 1970. */
const instant = z.number();

const matchShape = z.strictObject({
  to: text.exactOptional(),
  from: text.exactOptional(),
  held: z.boolean().exactOptional(),
});
/** Conditions on messages and their recipients, joined by "and". */
export type Match = z.infer<typeof matchShape>;

/**
 * Which messages a queue command is about, and which of their recipients: `to` and `held` name waiting
 * recipients, `from` and ids whole messages. `match` with nothing given is every message. `to` and `from` are an
 * address, or a domain (`example.org`); `from: '<>'` is the null reverse-path.
 */
const selectorShape = z.union([
  z.strictObject({ ids: z.array(queueId).min(1).max(1000), match: matchShape.exactOptional() }),
  z.strictObject({ match: matchShape }),
]);
export type Selector = z.infer<typeof selectorShape>;

/** A destination that is not tried since it took no mail. Its mail is tried at `until`. */
const suspensionShape = z.object({ until: instant, reply: z.string() });

/** The status of one recipient so far. `pending` was never tried. */
const recipientItemShape = z.object({
  to: z.string(),
  status: fateShape,
  lane: z.string().exactOptional(),
  attempts: z.number().exactOptional(),
  /** When the next attempt is due. */
  nextAt: instant.exactOptional(),
  held: z.string().exactOptional(),
  /** It waits with everything else for its destination. */
  suspended: suspensionShape.exactOptional(),
  /** The last attempt. */
  at: instant.exactOptional(),
  relay: z.string().exactOptional(),
  reply: z.string().exactOptional(),
});

/** One message of the queue. `from` is empty for the null reverse-path. */
const queueItemShape = z.object({
  id: z.string(),
  from: z.string(),
  /** Octets. */
  size: z.number(),
  receivedAt: instant,
  client: z.string(),
  ground: z.string(),
  recipients: z.array(recipientItemShape),
});
export type QueueItem = z.infer<typeof queueItemShape>;

/**
 * The change of the selected recipients. `flush` makes them due now, also where a lane is suspended; `bounce` fails
 * those that are still pending and notifies the sender; `remove` notifies nobody; `redirect` replaces them by `to`, as
 * the policy resolves it.
 */
const changeShape = z.discriminatedUnion('verb', [
  z.strictObject({ verb: z.literal('hold'), because: text }),
  z.strictObject({ verb: z.literal('release') }),
  z.strictObject({ verb: z.literal('flush') }),
  z.strictObject({ verb: z.literal('remove') }),
  z.strictObject({ verb: z.literal('bounce'), because: text }),
  z.strictObject({ verb: z.literal('redirect'), to: text }),
]);
export type QueueChange = z.infer<typeof changeShape>;

/** How far a change goes. */
const reachShape = z.strictObject({
  /** To all that wait, also where the selector names some recipients of a message only. */
  whole: z.boolean().exactOptional(),
});
export type Reach = z.infer<typeof reachShape>;

/** The id of a message that was changed; after a flush also each destination that turned out to take nothing. */
const changedShape = z.union([z.string(), suspensionShape.extend({ lane: z.string() })]);
export type Changed = z.infer<typeof changedShape>;

/** The effect of a change on one message: the waiting recipients that it touches, and those that it leaves. */
const plannedShape = z.object({
  id: z.string(),
  recipients: z.array(z.string()),
  /** The members of `recipients` that the selector does not name. */
  unnamed: z.array(z.string()),
  left: z.array(z.string()),
});
export type Planned = z.infer<typeof plannedShape>;

/** The upper bounds of the ages that `shape` counts by, in minutes; a last column takes older ones. */
export const shapeMinutes = [5, 10, 20, 40, 80, 160, 320, 640, 1280] as const;

/** Waiting recipients of one destination domain by age; one count more than `shapeMinutes` has bounds. */
const shapeRowShape = z.object({ destination: z.string(), counts: z.array(z.number()) });
export type ShapeRow = z.infer<typeof shapeRowShape>;

/** A client that is connected now. */
const sessionShape = z.object({
  id: z.string(),
  protocol: z.enum(['smtp', 'pop3']),
  listener: z.string(),
  /** Where the client is, as far as it is known. */
  address: z.string(),
  port: z.number(),
  /** The identity that logged in, or was granted anything by name. */
  user: z.string().exactOptional(),
  mechanism: z.string().exactOptional(),
  helo: z.string().exactOptional(),
  tls: z.string().exactOptional(),
  since: instant,
  /** Transactions that were begun, and messages that were accepted. */
  transactions: z.number().exactOptional(),
  accepted: z.number().exactOptional(),
});
export type SessionItem = z.infer<typeof sessionShape>;

/**
 * The selection of sessions: `id:…`, `address:…` (of IPv6 also a /64), `user:…`; without a kind it may be any of them.
 */
const whichSessionsShape = z.strictObject({ which: z.string().min(1).max(600) });

const closedSessionsShape = z.object({ sessions: z.number() });

const selectedShape = z.strictObject({ selector: selectorShape });
const changeArgsShape = z.strictObject({
  change: changeShape,
  selector: selectorShape,
  reach: reachShape.exactOptional(),
});
/** A piece of a message. */
const octetsShape = z.base64().transform((piece): Uint8Array => Buffer.from(piece, 'base64'));

export const queueCommands = {
  /** Messages by age. Ids that are not in the queue are left out. */
  list: yielding('list', { args: selectedShape, out: queueItemShape }),
  /** The octets of one message as they were accepted. `not-found` when it is gone. */
  octets: yielding('octets', {
    args: z.strictObject({ id: queueId }),
    out: octetsShape,
    encode: (piece) => (piece instanceof Uint8Array ? Buffer.from(piece).toString('base64') : piece),
  }),
  /**
   * Applies the change to the recipients that are meant, one message after the other; yields the id of each one
   * that was changed, once durable. A flush then waits a few seconds to hear which destinations take nothing.
   * `no-user` for a redirect to an address that the policy refuses.
   */
  change: yielding('change', { args: changeArgsShape, out: changedShape, isLogged: true }),
  /** The effect that `change` would have now, message by message; nothing is changed. */
  plan: yielding('plan', { args: changeArgsShape, out: plannedShape }),
  /** Waiting recipients by destination and age. */
  shape: yielding('shape', { args: selectedShape, out: shapeRowShape }),
};
export type QueueControl = ControlOf<typeof queueCommands>;

/** The commands that also work while the relay is stopped. */
export type StoppedControl = Pick<QueueControl, 'list' | 'octets' | 'change' | 'plan'>;

export const sessionCommands = {
  /** Sessions of SMTP, then those of POP3. */
  sessionsList: yielding('sessions-list', { out: sessionShape }),
  /** Sends them 421 and closes; a session that waits for a reply gets that first. Answers the number. */
  sessionsClose: answering('sessions-close', { args: whichSessionsShape, out: closedSessionsShape }),
};
export type SessionControl = ControlOf<typeof sessionCommands>;
