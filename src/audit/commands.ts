/** The command that attacks the relay, and the events that it yields. */
import { z } from 'zod';
import { yielding } from '../admin/index.ts';

/** The result of an attack on one listener, in one of the forms of a session. */
const listenerVerdict = z.enum(['closed', 'open', 'inconclusive', 'trap']);

/** The events of an audit, in order: `begin`; for each attack on a listener its cases and then `listener`; `end`. */
const auditEventShape = z.discriminatedUnion('event', [
  z.object({ event: z.literal('begin'), run: z.string(), domain: z.string(), attacks: z.number() }),
  z.object({
    event: z.literal('case'),
    listener: z.string(),
    over: z.string(),
    id: z.string(),
    tests: z.string(),
    helo: z.string(),
    from: z.string(),
    to: z.string(),
    verdict: z.string(),
    /** Recipients that came out of the queue, and the lanes by which they would have gone. */
    arrived: z.array(z.string()),
    lanes: z.array(z.string()),
    evidence: z.array(z.string()),
  }),
  z.object({
    event: z.literal('listener'),
    listener: z.string(),
    role: z.string(),
    address: z.string(),
    /** `plain`, `starttls`, `tls`; with `+proxy` where the listener wants a PROXY header. */
    over: z.string(),
    /** The domain that the attack took for the relay's own. */
    domain: z.string(),
    verdict: listenerVerdict,
    because: z.string(),
    /** How many cases ended in each verdict. */
    counts: z.record(z.string(), z.number()),
  }),
  z.object({
    event: z.literal('end'),
    verdict: z.enum(['closed', 'open', 'inconclusive']),
    because: z.string(),
  }),
]);
export type AuditEvent = z.infer<typeof auditEventShape>;

export const auditCommands = {
  /** Attacks the relay as a stranger would, and yields the outcome. `in-use` while another audit runs. */
  audit: yielding('audit', { out: auditEventShape }),
};
