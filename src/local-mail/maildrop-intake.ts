/** Takes in the messages of the maildrop. */
import { setImmediate } from 'node:timers/promises';
import { userName } from '../base/index.ts';
import {
  formatReplyText,
  parseMailbox,
  type Recipient,
  type RecipientStatus,
  type Reply,
} from '../mail/index.ts';
import {
  type DropIntake,
  type DropOutcome,
  type DroppedMessage,
  recipientsPerTurn,
} from '../maildrop/index.ts';
import type { QueueParts } from '../queue/index.ts';
import { parseEnvid, parseOriginalRecipient } from '../smtp/index.ts';
import { acceptLocal, envelopeOf, type LocalMessage, type LocalParts } from './local-message.ts';

/** The parts that the intake of messages needs. */
export interface DropIntakeParts {
  readonly local: LocalParts;
  readonly queue: Pick<QueueParts, 'spool' | 'notify' | 'clock' | 'log'>;
}

/** A recipient that a message will not reach, and the reason. */
interface Failure {
  readonly recipient: LocalMessage['recipients'][number];
  readonly reply: Reply;
}

/**
 * Takes in messages of local users. There is no client that waits for a reply: unknown recipients are left out, and the
 * sender is notified of them, and of a message that cannot be taken at all, by a DSN.
 */
export function createDropIntake(parts: DropIntakeParts): DropIntake {
  return async (dropped) => {
    const message = await readDropped(dropped);
    // Only a hand-made message is like this: our sendmail checks the addresses first.
    if (typeof message === 'string') return { kind: 'refused', because: message };
    const outcome = await acceptLocal(parts.local, message);
    if (outcome.kind === 'accepted') {
      await tellSender(parts, dropped, { message, failures: outcome.leftOut });
      return { kind: 'taken', queueId: outcome.id };
    }
    const because = formatReplyText(outcome.reply);
    if (outcome.reply.code < 500) return { kind: 'later', because };
    const failures = message.recipients.map((recipient) => ({ recipient, reply: outcome.reply }));
    await tellSender(parts, dropped, { message, failures });
    return { kind: 'refused', because } satisfies DropOutcome;
  };
}

/** A message of the maildrop, its text parsed. A string is the fault of a malformed one. */
export async function readDropped(dropped: DroppedMessage): Promise<LocalMessage | string> {
  const { from, to, body, smtputf8, ret, envid: givenEnvid } = dropped.envelope;
  const reversePath = from === '' ? null : parseMailbox(from, { smtputf8: true });
  if (reversePath === undefined) return `its sender is no address: ${from}`;
  const recipients: Recipient[] = [];
  for (const each of to) {
    const recipient = readRecipient(each);
    if (typeof recipient === 'string') return recipient;
    recipients.push(recipient);
    if (recipients.length % recipientsPerTurn === 0) await setImmediate();
  }
  const envid = givenEnvid === undefined ? undefined : parseEnvid(givenEnvid);
  if (envid !== givenEnvid) return `no envelope id: ${givenEnvid}`;
  return {
    reversePath,
    recipients,
    leavesOutUnknown: true,
    isBinaryMime: body === 'binarymime',
    ...(smtputf8 === undefined ? {} : { smtputf8 }),
    user: userName(dropped.uid),
    octets: dropped.octets(),
    ...(ret === undefined ? {} : { ret }),
    ...(envid === undefined ? {} : { envid }),
  };
}

function readRecipient(text: DroppedMessage['envelope']['to'][number]): Recipient | string {
  const { notify, originalRecipient: original } = text;
  const address = parseMailbox(text.address, { smtputf8: true });
  if (address === undefined) return `a recipient is no address: ${text.address}`;
  const originalRecipient = original === undefined ? undefined : parseOriginalRecipient(original);
  if (original !== undefined && originalRecipient === undefined)
    return `no original recipient: ${original.type};${original.address}`;
  return {
    address,
    ...(notify === undefined ? {} : { notify: notify === 'never' ? notify : [...new Set(notify)] }),
    ...(originalRecipient === undefined ? {} : { originalRecipient }),
  };
}

/**
 * Spools the DSN. If that fails the message must not be tried again because of it, for its other recipients have it
 * already: the failure is then in the log only.
 */
async function tellSender(
  { local, queue }: DropIntakeParts,
  dropped: DroppedMessage,
  { message, failures }: { readonly message: LocalMessage; readonly failures: readonly Failure[] },
): Promise<void> {
  if (failures.length === 0) return;
  const now = queue.clock.now();
  // A refused message never got a queue id: one is taken for the DSN alone.
  await using draft = queue.spool.begin();
  const recipients = failures.map(({ recipient }) => recipient);
  const content = { size: dropped.size, hasEightBit: false, hasLeadingDot: false, endsWithCrlf: true };
  const statuses = failures.map(({ reply }): RecipientStatus => ({ status: 'failed', at: now, reply }));
  try {
    await queue.notify({
      id: draft.id,
      envelope: envelopeOf(message, { recipients, content: { ...content, isBinary: false }, now }),
      octets: { size: dropped.size, whole: undefined, chunks: () => buffers(dropped.octets()) },
      statuses: new Map(statuses.entries()),
      kind: 'ended',
      retryUntil: now,
    });
  } catch (error) {
    const to = recipients.map(({ address }) => address.text);
    local.log.error('letter-refusal-untold', { uid: dropped.uid, to, because: String(error) });
  }
}

async function* buffers(octets: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  for await (const piece of octets) yield Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength);
}
