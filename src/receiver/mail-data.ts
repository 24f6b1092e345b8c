/** DATA and BDAT: the octets of a message, and the reply at their end. */
import { type Envelope, type Reply, reply, replyClass } from '../mail/index.ts';
import type { FieldEdit, Header } from '../message/index.ts';
import { BdatReader, type Command, DataReader } from '../smtp/index.ts';
import type { SenderBinding } from './ask.ts';
import { complete, refusalOfCut, refuseForeign } from './completion.ts';
import { Content, type HeaderVerdict, type Refused } from './content.ts';
import type { Dialogue, State, Step } from './dialogue.ts';
import { logRefusal } from './refusal.ts';
import { faultReplies, replies } from './replies.ts';
import { type Screened, screenMessage } from './screened.ts';
import type { Hello, Transaction } from './transaction.ts';

type ContentState = State & { readonly at: 'content' };

const keep: HeaderVerdict = { kind: 'keep' };

/** DATA (RFC 5321 §4.1.1.4): the octets up to its end are the message. */
export function data(dialogue: Dialogue): Step {
  const { state } = dialogue;
  if (state.at !== 'transaction') return replies.mailFirst;
  const { hello, transaction } = state;
  if (transaction.recipientCount === 0) return replies.noRecipients;
  if (transaction.parameters.body === 'binarymime') return replies.dataForbidden;
  const content = begin(dialogue, { transaction, hello, by: 'data' });
  dialogue.enter({ at: 'content', hello, transaction, content, by: 'data' });
  return replies.startContent;
}

/** BDAT (RFC 3030 §2): a chunk that is refused is swallowed first, so that the dialogue stays in step. */
export function bdat(dialogue: Dialogue, { size, isLast }: Command & { readonly verb: 'bdat' }): Step {
  const { state } = dialogue;
  const { messageBytes } = dialogue.settings.limits;
  if (size === 'too-big' || size > 2 * messageBytes + 1_000_000) {
    // So many octets cannot be waited for.
    return { reply: reply(552, '3.4', 'message too big'), next: 'close' };
  }
  const refusal = bdatRefusal(dialogue);
  if (refusal !== undefined) {
    const next: State = state.at === 'greeted' || !('hello' in state) ? { at: 'greeted' } : state;
    dialogue.enter({ at: 'discard', left: size, reply: refusal, next });
    return undefined;
  }
  if (state.at !== 'transaction' && state.at !== 'chunks') return replies.mailFirst;
  const { hello, transaction } = state;
  const content = state.at === 'chunks' ? state.content : begin(dialogue, { transaction, hello, by: 'bdat' });
  content.begin(size, isLast);
  dialogue.enter({ at: 'content', hello, transaction, content, by: isLast ? 'last-bdat' : 'bdat' });
  return undefined;
}

function bdatRefusal({ state }: Dialogue): Reply | undefined {
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

/** Opens the message in the intake, with our trace field at its top. */
function begin(dialogue: Dialogue, { transaction, hello, by }: Beginning): Content {
  const { client, facts, parts, intake } = dialogue;
  const { limits, hostname } = dialogue.settings;
  const now = parts.clock.now();
  const message = intake.begin();
  const { id } = message;
  const limit = { maxOctets: limits.messageBytes };
  const isBinaryMime = transaction.parameters.body === 'binarymime';
  const reader = by === 'data' ? new DataReader(limit) : new BdatReader({ ...limit, isBinaryMime });
  const trace = { client, hello, session: facts.id, hostname, id, now };
  return new Content({
    message,
    reader,
    begunAt: now,
    trace: transaction.received(trace),
    room: intake.room,
    judge: (header) => judgeHeader(dialogue, transaction, { header, id, now }),
    screening: dialogue.screening,
    isKnown: dialogue.isKnown,
    disposition: transaction.disposition,
    envelope: () => transaction.envelope(trace, reader.facts),
  });
}

/**
 * Whether what we alone write into headers would be a lie from here: it is none from a relay of ours in a trusted network,
 * and is one from a user who logged in. A trap keeps lies as they are.
 */
function isFromOutside({ client, settings }: Dialogue): boolean {
  if (client.role === 'trap' || client.role === 'local') return false;
  return settings.policy.trusts?.(client) !== true;
}

/**
 * A submitted message is completed, and names nobody but its sender if the sender is bound; one that another relay
 * hands over is not touched (RFC 6409 §8).
 */
function judgeHeader(
  dialogue: Dialogue,
  { binding }: Transaction,
  { header, id, now }: { readonly header: Header; readonly id: string; readonly now: number },
): HeaderVerdict {
  const { client, settings } = dialogue;
  const { hostname } = settings;
  const own: readonly FieldEdit[] | undefined =
    header.own > 0 && isFromOutside(dialogue) ? [{ kind: 'remove-own' }] : undefined;
  const { role } = client;
  const identity: SenderBinding | undefined = client.identity ?? binding;
  if (role === 'submission' || role === 'submissions' || client.identity !== undefined) {
    const completed = complete(header, { identity, id, hostname, now });
    if ('code' in completed) return { kind: 'refuse', reply: completed };
    return { kind: 'keep', edits: own === undefined ? completed : [...own, ...completed] };
  }
  const foreign = identity && refuseForeign(header, identity);
  if (foreign !== undefined) return { kind: 'refuse', reply: foreign };
  return own === undefined ? keep : { kind: 'keep', edits: own };
}

/** The end of data, or of a chunk, has come. */
export function endContent(dialogue: Dialogue, state: ContentState): Step {
  const { hello, transaction, content } = state;
  if (state.by === 'bdat' && content.fault === undefined) {
    dialogue.enter({ at: 'chunks', hello, transaction, content });
    return replies.chunkOk;
  }
  dialogue.enter({ at: 'identified', hello });
  const waits = content.fault === undefined ? content.incoming.end() : undefined;
  return waits === undefined ? conclude(dialogue, state) : waits.then(() => concludeLater(dialogue, state));
}

/** The peer may have left meanwhile: it would not learn the outcome, and will send the message again. */
function concludeLater(dialogue: Dialogue, state: ContentState): Step {
  if (dialogue.state.at !== 'closed') return conclude(dialogue, state);
  state.content.discard();
  return undefined;
}

function conclude(dialogue: Dialogue, state: ContentState): Step {
  const { transaction, content } = state;
  const refused = contentRefusal(dialogue, content);
  if (refused === undefined) return screen(dialogue, state);
  content.discard();
  logRefusal(dialogue, { stage: 'data', reversePath: transaction.reversePath, ...refused });
  return refused.reply;
}

function contentRefusal(dialogue: Dialogue, { fault, refused, incoming }: Content): Refused | undefined {
  if (fault !== undefined) return { reply: faultReplies[fault] };
  if (incoming.hops > dialogue.settings.limits.hops) return { reply: replies.tooManyHops };
  if (refused !== undefined) return refused;
  return incoming.hasOwnBeyond && isFromOutside(dialogue)
    ? { reply: refusalOfCut(incoming.header) }
    : undefined;
}

function screen(dialogue: Dialogue, state: ContentState): Step {
  const { hello, transaction, content } = state;
  const { parts, client, facts } = dialogue;
  const { reversePath } = transaction;
  const trace = { client, hello, session: facts.id, now: parts.clock.now() };
  const screened = screenMessage({
    content,
    envelope: transaction.envelope(trace, content.facts),
    decide: (recipient) => dialogue.settings.policy.decide({ client, reversePath, recipient }),
  });
  return screened instanceof Promise
    ? screened.then((made) => commit(dialogue, state, made))
    : commit(dialogue, state, screened);
}

/** 250 comes from the intake alone: only it knows that the message is durable. */
function commit(dialogue: Dialogue, state: ContentState, screened: Screened): Step {
  const { content, transaction } = state;
  const { reversePath } = transaction;
  if (screened.kind === 'over') {
    tellOver(dialogue, { queueId: content.message.id, reversePath }, screened);
    return screened.reply;
  }
  const { envelope, held, leftOut = [], settled } = screened;
  if (dialogue.state.at === 'closed') {
    content.discard();
    settled?.('refused');
    return undefined;
  }
  for (const { to, reply, because } of leftOut)
    logRefusal(dialogue, { stage: 'data', reversePath, to: to.text, reply, because });
  return content.message.commit(envelope, held).then((answer) => {
    content.incoming.close();
    const isKept = replyClass(answer) === 2;
    settled?.(!isKept ? 'refused' : held === undefined ? 'accepted' : 'held');
    if (isKept) tellAccepted(dialogue, state, envelope);
    else logRefusal(dialogue, { stage: 'data', reversePath, reply: answer });
    return answer;
  });
}

function tellAccepted(dialogue: Dialogue, { hello, content }: ContentState, envelope: Envelope): void {
  const { parts, client, facts } = dialogue;
  dialogue.countAccepted();
  parts.log.info('accepted', {
    queueId: content.message.id,
    session: facts.id,
    client: client.address,
    helo: hello.name,
    from: envelope.reversePath === null ? '' : envelope.reversePath.text,
    size: envelope.content.size,
    recipients: envelope.recipients.length,
    ground: envelope.origin.ground,
    messageId: parts.log.isVerbose ? content.incoming.header?.first('message-id')?.slice(0, 300) : undefined,
  });
}

/** A check had it refused or thrown away. */
function tellOver(
  dialogue: Dialogue,
  { queueId, reversePath }: Pick<Transaction, 'reversePath'> & { readonly queueId: string },
  { fate, reply, because }: Screened & { readonly kind: 'over' },
): void {
  if (fate === 'refused') logRefusal(dialogue, { stage: 'data', reversePath, reply, because });
  else {
    dialogue.parts.log.info('discarded', {
      queueId,
      session: dialogue.facts.id,
      client: dialogue.client.address,
      from: reversePath?.text ?? '',
      because,
    });
  }
}
