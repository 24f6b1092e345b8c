/** Commands of the clearinghouse: questions about it, a message or a cluster, and an operator's decisions on them. */
import { z } from 'zod';
import { answering, type ControlOf } from '../admin/index.ts';

/** Milliseconds since 1970. */
const instant = z.number();

/** The clearinghouse's facts about a message or a cluster. */
const bulkVerdictShape = z.object({
  /** Distinct recipients. */
  count: z.number(),
  /** Copies that are the same octet for octet. */
  exact: z.number(),
  /** Weighed. */
  reported: z.number(),
  revoked: z.number(),
  isBulk: z.boolean(),
  isReported: z.boolean(),
  isContested: z.boolean(),
  isAllowed: z.boolean(),
  /** 0 to 100. */
  confidence: z.number(),
  cluster: z.string().exactOptional(),
  firstSeen: instant.exactOptional(),
  lastSeen: instant.exactOptional(),
  via: z.string(),
  matched: z.array(z.string()).readonly().exactOptional(),
});
export type BulkVerdict = z.infer<typeof bulkVerdictShape>;

const clearinghouseStatusShape = z.object({
  clusters: z.number(),
  /** Clusters that there can be. */
  most: z.number(),
  counted: z.number(),
  reporters: z.number(),
  /** Reports and revocations that did not count. */
  passedOver: z.number(),
  allowed: z.number(),
  doors: z.array(
    z.object({
      name: z.string(),
      address: z.string(),
      requests: z.number(),
      refused: z.number(),
      faults: z.number(),
    }),
  ),
  /** Peers that it exchanges counts with, and whether there is a link. */
  peers: z.array(z.object({ name: z.string(), isLinked: z.boolean() })).exactOptional(),
});
export type ClearinghouseStatus = z.infer<typeof clearinghouseStatusShape>;

/** About a cluster by its name, else about the message that follows. */
const bulkQuestionShape = z.strictObject({
  verb: z.enum(['check', 'report', 'revoke', 'allow', 'disallow', 'learn']),
  cluster: z.string().max(64).exactOptional(),
});
export type BulkQuestion = z.infer<typeof bulkQuestionShape>;

/** Each fails with `unavailable` where there is no clearinghouse. */
export const clearinghouseCommands = {
  clearinghouseStatus: answering('clearinghouse-status', { out: clearinghouseStatusShape }),
  /** Looks up without counting, or carries out the verb. `not-found` for an unknown cluster. */
  clearinghouseAsk: answering('clearinghouse-ask', {
    args: bulkQuestionShape,
    out: bulkVerdictShape,
    takesMessage: true,
  }),
};
export type ClearinghouseControl = ControlOf<typeof clearinghouseCommands>;
