/** The commands about the relay as a whole: its status, its policy, its configuration. */
import { z } from 'zod';
import { answering } from '../admin/index.ts';

const text = z.string().max(2048);
/** Milliseconds since 1970. */
const instant = z.number();

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

/** A destination that was asked about a recipient and did not answer. */
const calloutShape = z.object({
  destination: z.string(),
  since: instant,
  lastAt: instant,
  /** Questions without an answer. */
  count: z.number(),
  /** The error or the reply instead of an answer. */
  because: z.string(),
});

/** The relay at a glance. */
const statusShape = z.object({
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
  /**
   * Destinations that do not answer about recipients (`recipients: verify`): mail for unremembered recipients waits.
   */
  callouts: z.array(calloutShape).exactOptional(),
  listeners: z.array(listenerShape),
});
export type RelayStatus = z.infer<typeof statusShape>;

/** A client and its request, as `explain` takes them. */
const questionShape = z.strictObject({
  /** Its address; after PROXY or XCLIENT the one that the proxy gave. */
  client: text,
  to: text,
  /** Empty is the null reverse-path. */
  from: text,
  /** Default: the first. */
  listener: text.exactOptional(),
  /** The user who logged in. */
  user: text.exactOptional(),
  tls: z.boolean(),
  /** The fingerprint of the client's certificate. */
  certificate: text.exactOptional(),
  /** Whether a listed proxy gave the client's address. */
  isVouchedFor: z.boolean(),
});
export type Question = z.infer<typeof questionShape>;

/** The rules in order with the facts they looked at and their outcomes, and the decision. */
const explanationShape = z.object({
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
const reloadShape = z.discriminatedUnion('outcome', [
  z.object({ outcome: z.literal('reloaded'), changes: z.array(z.string()) }),
  z.object({ outcome: z.literal('refused'), problems: z.array(z.string()) }),
]);
export type ReloadOutcome = z.infer<typeof reloadShape>;

export const relayCommands = {
  status: answering('status', { out: statusShape }),
  reload: answering('reload', { out: reloadShape, isLogged: true }),
  /** The policy's decision about a client, and its derivation. `bad-request` for a malformed address. */
  explain: answering('explain', { args: questionShape, out: explanationShape }),
};
