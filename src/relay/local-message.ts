import type { Clock } from '../base/index.ts';
import {
  type Address,
  type ContentFacts,
  type Envelope,
  formatReceived,
  needsSmtputf8,
  type QueueId,
  type Recipient,
  type Reply,
  type ReversePath,
} from '../mail/index.ts';
import type { Decision, Intake, Policy } from '../receiver/index.ts';
import { BdatReader } from '../smtp/index.ts';

/** A message of somebody on this machine: from the maildrop, or by the control socket. */
export interface LocalMessage {
  readonly reversePath: ReversePath;
  readonly recipients: readonly Recipient[];
  /** Whom the trace names as the sender: the proven local user. */
  readonly user: string;
  readonly octets: AsyncIterable<Uint8Array>;
  readonly envid?: string;
  readonly ret?: 'full' | 'hdrs';
  /** Told the id before anything can happen to the message. */
  readonly onBegun?: (id: QueueId) => void;
}

/** What became of it. */
export type LocalOutcome =
  | { readonly kind: 'accepted'; readonly id: QueueId; readonly recipients: number }
  | { readonly kind: 'refused'; readonly reply: Reply; readonly to?: Address };

/** What taking in local messages works with. */
export interface LocalParts {
  readonly intake: Intake;
  readonly clock: Clock;
  readonly policy: () => Policy;
  readonly hostname: () => string;
  readonly maxMessageBytes: () => number;
}

const loopbackClient = '127.0.0.1';

/** Our users may send to anybody; what the policy says still decides where a recipient of ours goes. */
async function recipientsOf(
  parts: LocalParts,
  message: LocalMessage,
): Promise<readonly Recipient[] | { readonly reply: Reply; readonly to: Address }> {
  const found = new Map<string, Recipient>();
  for (const recipient of message.recipients) {
    const decision = await parts.policy().decide({
      client: { address: loopbackClient, port: 0, helo: 'localhost', listener: 'local' },
      reversePath: message.reversePath,
      recipient: recipient.address,
    });
    for (const address of destinations(recipient.address, decision)) {
      found.set(`${address.localPart}@${address.domain}`, { ...recipient, address });
    }
    if (isUnknownHere(decision)) return { reply: decision.reply, to: recipient.address };
  }
  return [...found.values()];
}

function isUnknownHere(decision: Decision): decision is Decision & { kind: 'refusal' } {
  return decision.kind === 'refusal' && decision.reply.detail === '1.1';
}

function destinations(named: Address, decision: Decision): readonly Address[] {
  return decision.kind === 'grant' ? decision.to : [named];
}

/** Takes in a message; it is durable when this resolves with `accepted`. */
export async function acceptLocal(parts: LocalParts, message: LocalMessage): Promise<LocalOutcome> {
  const refusal = parts.intake.refusal();
  if (refusal !== undefined) return { kind: 'refused', reply: refusal };
  const recipients = await recipientsOf(parts, message);
  if ('reply' in recipients) return { kind: 'refused', ...recipients };
  const incoming = parts.intake.begin();
  message.onBegun?.(incoming.id);
  const now = parts.clock.now();
  await incoming.write(Buffer.from(trace(parts, message, { id: incoming.id, recipients, now })));
  const reader = new BdatReader({ maxOctets: parts.maxMessageBytes() });
  for await (const chunk of message.octets) {
    const octets = Buffer.from(chunk);
    const waits: (Promise<void> | undefined)[] = [];
    reader.begin(octets.length, false);
    reader.read(octets, 0, (slice) => waits.push(incoming.write(slice)));
    await Promise.all(waits);
    if (reader.fault !== undefined) break;
  }
  if (reader.fault !== undefined) {
    incoming.discard();
    const text = reader.fault === 'too-big' ? 'message too big' : `bad content: ${reader.fault}`;
    return { kind: 'refused', reply: { code: 552, detail: '3.4', lines: [text] } };
  }
  const reply = await incoming.commit(envelopeOf(message, { recipients, content: reader.facts, now }));
  return reply.code >= 400
    ? { kind: 'refused', reply }
    : { kind: 'accepted', id: incoming.id, recipients: recipients.length };
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
    ...(only === undefined ? {} : { for: only }),
  });
}

function isWide({ reversePath }: LocalMessage, recipients: readonly Recipient[]): boolean {
  return (
    (reversePath !== null && needsSmtputf8(reversePath)) ||
    recipients.some(({ address }) => needsSmtputf8(address))
  );
}

function envelopeOf(
  message: LocalMessage,
  of: { readonly recipients: readonly Recipient[]; readonly content: ContentFacts; readonly now: number },
): Envelope {
  return {
    reversePath: message.reversePath,
    recipients: of.recipients,
    body: of.content.hasEightBit ? '8bitmime' : '7bit',
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
