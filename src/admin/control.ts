import { z } from 'zod';
import type { AuditEvent } from './control-audit.ts';
import type { ClearinghouseControl } from './control-clearinghouse.ts';
import type { GuardControl } from './control-guard.ts';
import type { SessionControl } from './control-sessions.ts';
import type { WindowControl } from './control-windows.ts';

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
export const selectorShape = z.union([
  z.strictObject({ ids: z.array(queueId).min(1).max(1000), match: matchShape.exactOptional() }),
  z.strictObject({ match: matchShape }),
]);
export type Selector = z.infer<typeof selectorShape>;

const fateShape = z.enum([
  'pending',
  'deferred',
  'delivered',
  'bounced',
  'expired',
  'held',
  'redirected',
  'removed',
]);

/** A destination that is left alone because it took nothing. What waits for it is tried at `until`. */
const suspensionShape = z.object({ until: instant, reply: z.string() });

/** What became of one recipient so far. `pending` was never tried. */
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
export const queueItemShape = z.object({
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
 * What an operator does to the recipients that a selector names. `flush` makes them due now, also where a lane is
 * suspended; `bounce` fails those that are still pending and tells the sender; `remove` tells nobody; `redirect`
 * gives their place to `to`, as the policy has it.
 */
export const changeShape = z.discriminatedUnion('verb', [
  z.strictObject({ verb: z.literal('hold'), because: text }),
  z.strictObject({ verb: z.literal('release') }),
  z.strictObject({ verb: z.literal('flush') }),
  z.strictObject({ verb: z.literal('remove') }),
  z.strictObject({ verb: z.literal('bounce'), because: text }),
  z.strictObject({ verb: z.literal('redirect'), to: text }),
]);
export type QueueChange = z.infer<typeof changeShape>;

/** How far a change goes. */
export const reachShape = z.strictObject({
  /** To all that wait, also where the selector names some recipients of a message only. */
  whole: z.boolean().exactOptional(),
});
export type Reach = z.infer<typeof reachShape>;

/** The id of a message that was changed; after a flush also each destination that turned out to take nothing. */
export const changedShape = z.union([z.string(), suspensionShape.extend({ lane: z.string() })]);
export type Changed = z.infer<typeof changedShape>;

/** What a change would do to one message: the waiting recipients that it touches, and those that it leaves. */
export const plannedShape = z.object({
  id: z.string(),
  recipients: z.array(z.string()),
  /** Those of `recipients` that the selector does not name. */
  unnamed: z.array(z.string()),
  left: z.array(z.string()),
});
export type Planned = z.infer<typeof plannedShape>;

/** The upper bounds of the ages that `shape` counts by, in minutes; a last column takes what is older. */
export const shapeMinutes = [5, 10, 20, 40, 80, 160, 320, 640, 1280] as const;

/** Waiting recipients of one destination domain by age; one count more than `shapeMinutes` has bounds. */
export const shapeRowShape = z.object({ destination: z.string(), counts: z.array(z.number()) });
export type ShapeRow = z.infer<typeof shapeRowShape>;

const listenerShape = z.object({ name: z.string(), role: z.string(), address: z.string() });

/** Something that is wrong for longer than it may be. */
const alarmShape = z.object({
  kind: z.string(),
  subject: z.string(),
  since: instant,
  because: z.string(),
  /** How many messages wait for it, in words. */
  waiting: z.string().exactOptional(),
});

/** A destination that was asked who exists and did not say. */
const calloutShape = z.object({
  destination: z.string(),
  since: instant,
  lastAt: instant,
  /** Questions without an answer. */
  count: z.number(),
  /** What it said instead. */
  because: z.string(),
});

/** The relay at a glance. */
export const statusShape = z.object({
  version: z.string(),
  pid: z.number(),
  hostname: z.string(),
  startedAt: instant,
  state: z.enum(['running', 'draining']),
  /** `ok`, or why no mail is taken now. */
  spool: z.string(),
  messages: z.number(),
  sessions: z.number(),
  /** Relay windows of POP before SMTP. */
  windows: z.number().exactOptional(),
  /** Messages that were set aside some time ago; counted every few minutes. */
  held: z.object({ count: z.number(), oldestAt: instant.exactOptional() }).exactOptional(),
  alarms: z.array(alarmShape).exactOptional(),
  /** Destinations that do not say who exists (`recipients: verify`): mail for what is not remembered waits. */
  callouts: z.array(calloutShape).exactOptional(),
  listeners: z.array(listenerShape),
});
export type RelayStatus = z.infer<typeof statusShape>;

/** A client and what it asks for, as `explain` takes them. */
export const questionShape = z.strictObject({
  /** Its address; after PROXY or XCLIENT the one that was vouched for. */
  client: text,
  to: text,
  /** Empty is the null reverse-path. */
  from: text,
  /** Default: the first. */
  listener: text.exactOptional(),
  /** Who logged in. */
  user: text.exactOptional(),
  tls: z.boolean(),
  /** The fingerprint of the client's certificate. */
  certificate: text.exactOptional(),
  /** A listed proxy said that this is the client. */
  isVouchedFor: z.boolean(),
});
export type Question = z.infer<typeof questionShape>;

/** Every rule in order, what it looked at and what it found; and what came of it. */
export const explanationShape = z.object({
  listener: z.object({ name: z.string(), role: z.string() }),
  findings: z.array(
    z.object({
      rule: z.string(),
      looksAt: z.string(),
      outcome: z.enum(['passes', 'grants', 'refuses']),
      because: z.string(),
      isDeciding: z.boolean(),
    }),
  ),
  /** Present when MAIL would be refused already. */
  sender: z.object({ reply: z.string(), because: z.string() }).exactOptional(),
  decision: z.discriminatedUnion('kind', [
    z.object({
      kind: z.literal('grant'),
      ground: z.string(),
      identity: z.string().exactOptional(),
      because: z.string(),
      to: z.array(z.string()),
    }),
    z.object({ kind: z.literal('refusal'), reply: z.string(), because: z.string() }),
  ]),
});
export type ExplanationAnswer = z.infer<typeof explanationShape>;

/** A reload takes effect as a whole or not at all. */
export const reloadShape = z.discriminatedUnion('outcome', [
  z.object({ outcome: z.literal('reloaded'), changes: z.array(z.string()) }),
  z.object({ outcome: z.literal('refused'), problems: z.array(z.string()) }),
]);
export type ReloadOutcome = z.infer<typeof reloadShape>;

/** A message of the person at the control socket. `from` is empty for the null reverse-path. */
export const submissionShape = z.strictObject({
  from: text,
  to: z.array(text).min(1).max(1000),
  /** Report until the fate of each recipient is known; else only until the message is accepted. */
  follow: z.boolean(),
});
export type Submission = z.infer<typeof submissionShape>;

/** What happens to a submitted message, in order. `refused` is about the whole message; `to` is on whose account. */
export const submitEventShape = z.discriminatedUnion('event', [
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

/**
 * What the control socket asks of the relay, and what `connectControl` offers to a command: the same
 * interface on both sides of the socket. A stream is read no faster than its reader takes it, and is
 * returned early (`return()`) when the reader goes away. Whatever throws is reported as `failed`; throw a
 * `ControlError` to choose the code.
 */
export interface Control extends GuardControl, SessionControl, WindowControl, ClearinghouseControl {
  status(): Promise<RelayStatus>;
  reload(): Promise<ReloadOutcome>;
  /** What policy says to a client, and how it comes to that. `bad-request` for what is no address. */
  explain(question: Question): Promise<ExplanationAnswer>;
  /** Attacks the relay as a stranger would, and tells what arrived. `in-use` while another audit runs. */
  audit(): AsyncIterable<AuditEvent>;
  /** Messages by age. Ids that are not in the queue are left out. */
  list(selector: Selector): AsyncIterable<QueueItem>;
  /** The octets of one message as they were accepted. `not-found` when it is gone. */
  octets(id: string): AsyncIterable<Uint8Array>;
  /**
   * Applies the change to the recipients that are meant, one message after the other; yields the id of each one
   * that was changed, once durable. A flush then waits a few seconds to hear which destinations take nothing.
   * `no-user` for a redirect to an address that the policy refuses.
   */
  change(change: QueueChange, selector: Selector, reach?: Reach): AsyncIterable<Changed>;
  /** What `change` would do now, message by message; nothing is changed. */
  plan(change: QueueChange, selector: Selector, reach?: Reach): AsyncIterable<Planned>;
  shape(selector: Selector): AsyncIterable<ShapeRow>;
  /**
   * Takes a message from the operator. `octets` have CRLF line ends and carry their header. When `signal`
   * aborts, nobody listens any more: following ends, and a message that is not yet accepted is dropped.
   */
  submit(
    submission: Submission,
    octets: AsyncIterable<Uint8Array>,
    signal: AbortSignal,
  ): AsyncIterable<SubmitEvent>;
}

/** Why a control command failed. */
export type ControlErrorCode =
  /** The request is not one. */
  | 'bad-request'
  | 'too-large'
  | 'not-found'
  /** An address that mail was to go to does not exist. */
  | 'no-user'
  /** The relay could not do it; the message says why. */
  | 'failed'
  /** The disk of the relay takes no writes now: to be tried again later. */
  | 'storage'
  /** No relay listens there. */
  | 'unavailable'
  /** The socket belongs to someone else. */
  | 'denied'
  /** Another relay uses this data folder. */
  | 'in-use';

/** A control command that did not come to its end. */
export class ControlError extends Error {
  readonly code: ControlErrorCode;
  constructor(code: ControlErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'ControlError';
    this.code = code;
  }
}
