/** Logs refusals, one line each. */
import type { Reply, ReversePath } from '../mail/index.ts';
import { formatReply } from '../smtp/index.ts';
import type { Session } from './session.ts';

/** What was refused, at which step, and why. */
export interface Refusal {
  readonly stage: 'auth' | 'mail' | 'rcpt' | 'data' | 'xclient';
  readonly reply: Reply;
  /** Where it is known; `null` is `<>`. */
  readonly reversePath?: ReversePath;
  readonly to?: string;
  readonly because?: string;
}

/** One line in the log for each refusal, with what is needed to understand it later (RFC 2505 §2.4). */
export function logRefusal({ parts, facts, client }: Session, refusal: Refusal): void {
  const { stage, reversePath, to, because, reply } = refusal;
  parts.log.info('refused', {
    session: facts.id,
    client: client.address,
    name: client.name,
    helo: client.helo,
    stage,
    from: reversePath === null ? '' : reversePath?.text,
    to,
    reply: formatReply(reply).trimEnd(),
    because,
  });
}
