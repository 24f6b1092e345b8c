import { type Reply, reply, replyClass } from '../mail/index.ts';
import { BdatReader, type Command, DataReader } from '../smtp/index.ts';
import type { IncomingMessage } from './ask.ts';
import { Content } from './content.ts';
import { HeaderEdge } from './header-edge.ts';
import { logRefusal } from './refusal.ts';
import { faultReplies, replies } from './replies.ts';
import type { Session } from './session.ts';
import type { State } from './state.ts';
import { SubmittedMessage } from './submitted.ts';
import type { Hello, Transaction } from './transaction.ts';
import type { Outcome, Step } from './verbs.ts';

/** DATA (RFC 5321 §4.1.1.4): what follows, up to its end, is the message. */
export function data(session: Session): Step {
  const { state } = session;
  if (state.at !== 'transaction') return replies.mailFirst;
  const { hello, transaction } = state;
  if (transaction.recipientCount === 0) return replies.noRecipients;
  if (transaction.parameters.body === 'binarymime') return replies.dataForbidden;
  const content = begin(session, { transaction, hello, by: 'data' });
  session.state = { at: 'content', hello, transaction, content, by: 'data' };
  return replies.startContent;
}

/** BDAT (RFC 3030 §2): a chunk that is refused is swallowed first, so that the dialogue stays in step. */
export function bdat(session: Session, { size, isLast }: Command & { readonly verb: 'bdat' }): Step {
  const { state } = session;
  const { messageBytes } = session.facts.settings.limits;
  if (size === 'too-big' || size > 2 * messageBytes + 1_000_000) {
    // Nobody can wait for that many octets to pass.
    return { reply: reply(552, '3.4', 'message too big'), next: 'close' };
  }
  const refusal = bdatRefusal(session);
  if (refusal !== undefined) {
    const next: State = state.at === 'greeted' || !('hello' in state) ? { at: 'greeted' } : state;
    session.state = { at: 'discard', left: size, reply: refusal, next };
    return undefined;
  }
  if (state.at !== 'transaction' && state.at !== 'chunks') return replies.mailFirst;
  const { hello, transaction } = state;
  const content = state.at === 'chunks' ? state.content : begin(session, { transaction, hello, by: 'bdat' });
  content.begin(size, isLast);
  session.state = { at: 'content', hello, transaction, content, by: isLast ? 'last-bdat' : 'bdat' };
  return undefined;
}

function bdatRefusal({ state }: Session): Reply | undefined {
  switch (state.at) {
    case 'greeted':
      return replies.helloFirst;
    case 'transaction':
      return state.transaction.recipientCount === 0 ? replies.noRecipients : undefined;
    case 'chunks':
      return undefined;
    default:
      return replies.chunkRefused;
  }
}

interface Beginning {
  readonly transaction: Transaction;
  readonly hello: Hello;
  readonly by: 'data' | 'bdat';
}

/** Opens the message in the spool, with our trace field at its top. */
function begin(session: Session, { transaction, hello, by }: Beginning): Content {
  const { client, facts, parts } = session;
  const { limits, hostname } = facts.settings;
  const now = parts.clock.now();
  const message = session.intake.begin();
  const trace = { client, hello, session: facts.id, hostname, id: message.id, now };
  const received = message.write(Buffer.from(transaction.received(trace), 'utf8'));
  if (received !== undefined) parts.background.run('received', received);
  const limit = { maxOctets: limits.messageBytes };
  const isBinaryMime = transaction.parameters.body === 'binarymime';
  const reader = by === 'data' ? new DataReader(limit) : new BdatReader({ ...limit, isBinaryMime });
  const edge = new HeaderEdge({ dropsOurs: isStranger(session) });
  return new Content({ message: checked(session, transaction, message), reader, edge, begunAt: now });
}

/** Whether what we alone write into headers would be a lie from here. A trap keeps lies as they are. */
function isStranger({ client, facts }: Session): boolean {
  if (client.role === 'trap' || client.role === 'local') return false;
  return facts.settings.policy.trusts?.(client) !== true;
}

/**
 * What somebody submits is completed, and names nobody but its sender where the sender is bound; what another
 * relay hands over is not touched (RFC 6409 §8).
 */
function checked(
  { client, facts, parts }: Session,
  { reversePath, ground }: Transaction,
  message: IncomingMessage,
): IncomingMessage {
  const { hostname, policy } = facts.settings;
  const { role } = client;
  const identity = client.identity ?? policy.binding?.({ client, reversePath }, ground);
  const isSubmission = role === 'submission' || role === 'submissions' || client.identity !== undefined;
  if (!isSubmission && identity === undefined) return message;
  const now = parts.clock.now();
  return new SubmittedMessage(message, { identity, hostname, now, keepsHeader: !isSubmission });
}

/** The end of data, or of a chunk, has come. */
export function endContent(session: Session, state: State & { readonly at: 'content' }): Step {
  const { hello, transaction, content } = state;
  if (state.by === 'bdat' && content.fault === undefined) {
    session.state = { at: 'chunks', hello, transaction, content };
    return replies.chunkOk;
  }
  session.state = { at: 'identified', hello };
  const refusal = contentRefusal(session, content);
  if (refusal === undefined) return commit(session, state);
  content.message.discard();
  logRefusal(session, { stage: 'data', reversePath: transaction.reversePath, reply: refusal });
  return refusal;
}

function contentRefusal({ facts }: Session, content: Content): Reply | undefined {
  if (content.fault !== undefined) return faultReplies[content.fault];
  return content.hops > facts.settings.limits.hops ? replies.tooManyHops : undefined;
}

/** 250 comes from the intake alone: only it knows that the message is durable. */
async function commit(
  session: Session,
  { hello, transaction, content }: State & { readonly at: 'content' },
): Promise<Outcome> {
  const { parts, client, facts } = session;
  const trace = { client, hello, session: facts.id, now: parts.clock.now() };
  const written = content.end();
  if (written !== undefined) await written;
  const envelope = transaction.envelope(trace, content.facts);
  const answer = await content.message.commit(envelope);
  if (replyClass(answer) !== 2) {
    logRefusal(session, { stage: 'data', reversePath: transaction.reversePath, reply: answer });
    return answer;
  }
  session.accepted++;
  parts.log.info('accepted', {
    queueId: content.message.id,
    session: facts.id,
    client: client.address,
    helo: hello.name,
    from: envelope.reversePath === null ? '' : envelope.reversePath.text,
    size: envelope.content.size,
    recipients: envelope.recipients.length,
    ground: envelope.origin.ground,
    messageId: parts.log.isVerbose ? content.messageId : undefined,
  });
  return answer;
}
