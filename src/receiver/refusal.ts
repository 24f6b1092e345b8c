/** The log line about a refusal. */
import type { Reply, ReversePath } from '../mail/index.ts';
import { formatReply } from '../smtp/index.ts';
import type { Dialogue } from './dialogue.ts';
import type { Ruling } from './screening.ts';

/** A refusal: its step and reply, the addresses where known, and the reason for the log. */
export interface RefusalFacts {
  readonly stage: 'connect' | 'hello' | 'auth' | 'mail' | 'rcpt' | 'data' | 'xclient';
  readonly reply: Reply;
  /** Where it is known; `null` is `<>`. */
  readonly reversePath?: ReversePath;
  readonly to?: string;
  readonly because?: string;
}

type Logging = Pick<Dialogue, 'parts' | 'facts' | 'client'>;

/** Logs one line for each refusal, with the facts to understand it later (RFC 2505 §2.4). */
export function logRefusal({ parts, facts, client }: Logging, refusal: RefusalFacts): void {
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

/** Logs the refusal of a check, and returns its reply. */
export function logRuling(
  dialogue: Logging,
  {
    ruling,
    ...about
  }: Omit<RefusalFacts, 'reply' | 'because'> & {
    readonly ruling: Ruling & { readonly kind: 'refuse' };
  },
): Reply {
  const { reply, because } = ruling;
  logRefusal(dialogue, { ...about, reply, because });
  return reply;
}
