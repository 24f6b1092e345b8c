/** Takes in a message of this machine under the policy. */
import { setImmediate } from 'node:timers/promises';
import type { Clock, Log } from '../base/index.ts';
import {
  type Address,
  type Body,
  type ContentFacts,
  type Envelope,
  formatReceived,
  formatReplyText,
  mailboxKey,
  needsSmtputf8,
  type QueueId,
  type Recipient,
  type Reply,
  type ReversePath,
} from '../mail/index.ts';
import { recipientsPerTurn } from '../maildrop/index.ts';
import {
  Content,
  type Decision,
  faultReplies,
  type IncomingMessage,
  type Intake,
  type Screening,
  screenMessage,
} from '../receiver/index.ts';
import { BdatReader } from '../smtp/index.ts';
import { areWide, destined, type OwnPolicy } from './destinations.ts';
import type { LocalMailEvents } from './events.ts';

/** A message from this machine: from the maildrop, or by the control socket. */
export interface LocalMessage {
  readonly reversePath: ReversePath;
  readonly recipients: readonly Recipient[];
  /** The sender that the trace names: the proven local user. */
  readonly user: string;
  readonly octets: AsyncIterable<Uint8Array>;
  /** Bare line ends and long lines are meant (RFC 3030). */
  readonly isBinaryMime?: boolean;
  /** Beyond the addresses, which count anyway: the header may be UTF-8. */
  readonly smtputf8?: boolean;
  readonly envid?: string;
  readonly ret?: 'full' | 'hdrs';
  /** Recipients that do not exist here are left out; else one of them refuses the message. */
  readonly leavesOutUnknown?: boolean;
  /** Called with the id before anything can happen to the message. */
  readonly onBegun?: (id: QueueId) => void;
}

/** A recipient that does not exist here. */
export interface UnknownRecipient {
  readonly recipient: Recipient;
  readonly reply: Reply;
}

/** The outcome of a local message. */
export type LocalOutcome =
  | {
      readonly kind: 'accepted';
      readonly id: QueueId;
      readonly recipients: number;
      readonly leftOut: readonly UnknownRecipient[];
    }
  | { readonly kind: 'refused'; readonly reply: Reply; readonly to?: Address };

/** The parts that the intake of local messages needs. */
export interface LocalParts extends OwnPolicy {
  readonly intake: Intake;
  /** The checks of the configuration in force. */
  readonly screening?: () => Screening | undefined;
  readonly clock: Clock;
  readonly log: Log<LocalMailEvents>;
  readonly hostname: () => string;
  readonly maxMessageBytes: () => number;
}

const loopbackClient = '127.0.0.1';

/**
 * Local users may send to any domain; the policy still decides where a recipient of ours goes. One on which it cannot
 * decide now is known, and waits.
 */
export async function localRecipients(
  parts: OwnPolicy,
  message: Pick<LocalMessage, 'recipients'>,
): Promise<{ readonly known: readonly Recipient[]; readonly unknown: readonly UnknownRecipient[] }> {
  const found = new Map<string, Recipient>();
  const unknown: UnknownRecipient[] = [];
  let seen = 0;
  for (const { recipient, to } of await destined(parts, message.recipients)) {
    if (to.kind === 'refused') {
      unknown.push({ recipient, reply: to.reply });
      continue;
    }
    if (++seen % recipientsPerTurn === 0) await setImmediate();
    for (const each of to.recipients) {
      const key = mailboxKey(each.address, !parts.isOurs(each.address.domain));
      if (!found.has(key)) found.set(key, each);
    }
  }
  return { known: [...found.values()], unknown };
}

/** Takes in a message; it is durable when this resolves with `accepted`. */
export async function acceptLocal(parts: LocalParts, message: LocalMessage): Promise<LocalOutcome> {
  const refusal = parts.intake.refusal();
  if (refusal !== undefined) return { kind: 'refused', reply: refusal };
  const { known, unknown } = await localRecipients(parts, message);
  const [first] = unknown;
  if (first !== undefined && (known.length === 0 || message.leavesOutUnknown !== true))
    return { kind: 'refused', reply: first.reply, to: first.recipient.address };
  const incoming = parts.intake.begin();
  try {
    message.onBegun?.(incoming.id);
    const reply = await take(parts, message, { incoming, recipients: known });
    if (reply.code >= 400) return { kind: 'refused', reply };
    return { kind: 'accepted', id: incoming.id, recipients: known.length, leftOut: unknown };
  } catch (error) {
    incoming.discard();
    throw error;
  }
}

async function take(
  parts: LocalParts,
  message: LocalMessage,
  { incoming, recipients }: { readonly incoming: IncomingMessage; readonly recipients: readonly Recipient[] },
): Promise<Reply> {
  const now = parts.clock.now();
  const reader = new BdatReader({
    maxOctets: parts.maxMessageBytes(),
    isBinaryMime: message.isBinaryMime ?? false,
  });
  const content = new Content({
    message: incoming,
    reader,
    begunAt: now,
    trace: trace(parts, message, { id: incoming.id, recipients, now }),
    room: parts.intake.room,
    screening: parts.screening?.(),
    isKnown: () => true,
    envelope: () => envelopeOf(message, { recipients, content: reader.facts, now }),
  });
  try {
    for await (const chunk of message.octets) {
      content.begin(chunk.byteLength, false);
      await content.read(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)).wait;
      if (content.fault !== undefined || content.refused !== undefined) break;
    }
    if (content.fault === undefined) await content.incoming.end();
    const refusal = content.fault === undefined ? content.refused?.reply : faultReplies[content.fault];
    if (refusal === undefined) {
      const envelope = envelopeOf(message, { recipients, content: content.facts, now });
      return await keep(parts, message, { content, envelope });
    }
    content.discard();
    return refusal;
  } finally {
    content.incoming.close();
  }
}

/** Asks the checks about the whole message, and makes it durable. */
async function keep(
  parts: LocalParts,
  message: LocalMessage,
  { content, envelope }: { readonly content: Content; readonly envelope: Envelope },
): Promise<Reply> {
  const decide = async (address: Address): Promise<Decision> => {
    const found = await parts.destinationOf(address);
    return found.kind === 'known'
      ? { kind: 'grant', ground: 'local', because: 'mail of this machine', to: found.to }
      : found;
  };
  const screened = await screenMessage({ content, envelope, decide });
  if (screened.kind === 'over') {
    const { fate, because } = screened;
    const from = message.reversePath?.text ?? '';
    if (fate === 'discarded') parts.log.info('discarded', { queueId: content.message.id, from, because });
    return screened.reply;
  }
  const { held, settled, leftOut = [] } = screened;
  for (const { to, reply, because } of leftOut) {
    const queueId = content.message.id;
    parts.log.info('recipient-left-out', { queueId, to: to.text, reply: formatReplyText(reply), because });
  }
  const reply = await content.message.commit(screened.envelope, held);
  settled?.(reply.code >= 400 ? 'refused' : held === undefined ? 'accepted' : 'held');
  if (reply.code < 400) {
    parts.log.info('accepted', {
      queueId: content.message.id,
      user: message.user,
      from: message.reversePath?.text ?? '',
      size: screened.envelope.content.size,
      recipients: screened.envelope.recipients.length,
      ground: 'local',
    });
  }
  return reply;
}

function trace(
  parts: LocalParts,
  message: LocalMessage,
  of: { readonly id: QueueId; readonly recipients: readonly Recipient[]; readonly now: number },
): string {
  const only = of.recipients.length === 1 ? of.recipients[0]?.address : undefined;
  return formatReceived({
    helo: `${message.user}.local`,
    client: loopbackClient,
    by: parts.hostname(),
    protocol: 'esmtp',
    isAuthenticated: false,
    smtputf8: isWide(message, of.recipients),
    id: of.id,
    at: of.now,
    ...(only === undefined || needsSmtputf8(only) ? {} : { for: only }),
  });
}

function isWide(
  { reversePath, smtputf8 }: Pick<LocalMessage, 'reversePath' | 'smtputf8'>,
  recipients: readonly Recipient[],
): boolean {
  return smtputf8 === true || (reversePath !== null && needsSmtputf8(reversePath)) || areWide(recipients);
}

/** The extensions that the octets need, whatever was declared. */
function bodyOf({ isBinary, hasEightBit }: ContentFacts): Body {
  if (isBinary) return 'binarymime';
  return hasEightBit ? '8bitmime' : '7bit';
}

/** The envelope of a local message. */
export function envelopeOf(
  message: Omit<LocalMessage, 'octets'>,
  of: { readonly recipients: readonly Recipient[]; readonly content: ContentFacts; readonly now: number },
): Envelope {
  return {
    reversePath: message.reversePath,
    recipients: of.recipients,
    body: bodyOf(of.content),
    smtputf8: isWide(message, of.recipients),
    content: of.content,
    origin: {
      client: loopbackClient,
      helo: message.user,
      listener: 'local',
      ground: 'local',
      session: `local-${message.user}`,
    },
    receivedAt: of.now,
    ...(message.envid === undefined ? {} : { envid: message.envid }),
    ...(message.ret === undefined ? {} : { ret: message.ret }),
  };
}
