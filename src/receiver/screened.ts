/** Asks the checks about a message that has come whole, and makes the edits that they want. */
import { type Address, type Envelope, mailboxKey, needsSmtputf8, type Reply, reply } from '../mail/index.ts';
import type { Later } from './ask.ts';
import type { Content } from './content.ts';
import type { EnvelopeEdit, Fate, MessageRuling } from './screening.ts';

/** A message that has come whole. */
export interface Whole {
  readonly content: Content;
  readonly envelope: Envelope;
  /** Where mail of this client to this address goes, by the policy alone; nowhere when it is not granted. */
  readonly destinationOf: (address: Address) => Later<readonly Address[]>;
}

/** The decision of the checks. `settled` must be called with the message's final outcome. */
export type Screened =
  | {
      readonly kind: 'keep';
      readonly envelope: Envelope;
      readonly held: string | undefined;
      readonly settled?: ((fate: Fate) => void) | undefined;
    }
  /** It was discarded, and those who asked for the outcome know it. */
  | {
      readonly kind: 'over';
      readonly fate: 'refused' | 'discarded';
      readonly reply: Reply;
      readonly because: string;
    };

/**
 * The ruling of the message stage, carried out. Where no check is asked, or all answer at once, it is no promise. A bug
 * leaves nothing of the message: it throws, or rejects.
 */
export function screenMessage(whole: Whole): Later<Screened> {
  const { content, envelope } = whole;
  const { kept, incoming, message, screening } = content;
  if (kept?.kind === 'discard') return discarded(content, kept.because);
  const ask = screening?.message;
  const held = kept?.because;
  if (ask === undefined) return { kind: 'keep', envelope, held };
  const beginning = incoming.beginning();
  const ruling = ask({ id: message.id, envelope, beginning, edits: [], held });
  return ruling instanceof Promise ? ruling.then((made) => carryOut(whole, made)) : carryOut(whole, ruling);
}

function carryOut(whole: Whole, ruling: MessageRuling): Later<Screened> {
  const giveUp = (error: unknown): never => {
    whole.content.discard();
    ruling.settled?.('refused');
    throw error;
  };
  try {
    const screened = rule(whole, ruling);
    return screened instanceof Promise ? screened.catch(giveUp) : screened;
  } catch (error) {
    return giveUp(error);
  }
}

function rule(whole: Whole, ruling: MessageRuling): Later<Screened> {
  const { content } = whole;
  const { settled } = ruling;
  if (ruling.kind === 'refuse') {
    content.discard();
    settled?.('refused');
    return { kind: 'over', fate: 'refused', reply: ruling.reply, because: ruling.because };
  }
  if (ruling.kind === 'discard') {
    settled?.('discarded');
    return discarded(content, ruling.because);
  }
  const held = ruling.kind === 'hold' ? ruling.because : content.kept?.because;
  const written = content.incoming.finish(ruling.edits);
  if (written !== undefined || ruling.envelopeEdits !== undefined)
    return change(whole, { ruling, written, held });
  return { kind: 'keep', envelope: asWritten(whole), held, settled };
}

interface Change {
  readonly ruling: MessageRuling;
  readonly written: Promise<void> | undefined;
  readonly held: string | undefined;
}

async function change(whole: Whole, { ruling, written, held }: Change): Promise<Screened> {
  const { envelopeEdits = [], settled } = ruling;
  await written;
  const envelope = await editEnvelope(asWritten(whole), envelopeEdits, whole.destinationOf);
  if (envelope.recipients.length > 0) return { kind: 'keep', envelope, held, settled };
  settled?.('discarded');
  return discarded(whole.content, 'the checks left no recipient');
}

/** The envelope with what is true of the octets as they were written. */
function asWritten({ content, envelope }: Whole): Envelope {
  return content.withholds ? { ...envelope, content: content.facts } : envelope;
}

/** The peer is told what it would be told of a message that is kept. */
function discarded(content: Content, because: string): Screened {
  content.discard();
  const answer = reply(250, '0.0', `queued as ${content.message.id}`);
  return { kind: 'over', fate: 'discarded', reply: answer, because };
}

/**
 * Changes to the envelope in order. No check grants relaying: a recipient is added only where the policy lets this
 * client send to it, and the ground of the message stays what it was.
 */
export async function editEnvelope(
  envelope: Envelope,
  edits: readonly EnvelopeEdit[],
  destinationOf: Whole['destinationOf'],
): Promise<Envelope> {
  let { reversePath, smtputf8 } = envelope;
  let recipients = [...envelope.recipients];
  const has = (address: Address) => recipients.some((each) => isSame(each.address, address));
  for (const edit of edits) {
    if (edit.kind === 'sender') reversePath = edit.reversePath;
    else if (edit.kind === 'delete-recipient')
      recipients = recipients.filter(({ address }) => !isSame(address, edit.address));
    else
      for (const address of await destinationOf(edit.address))
        if (!has(address)) recipients.push({ address });
  }
  smtputf8 ||= [reversePath, ...recipients.map(({ address }) => address)].some(
    (address) => address !== null && needsSmtputf8(address),
  );
  return { ...envelope, reversePath, smtputf8, recipients };
}

function isSame(one: Address, other: Address): boolean {
  return mailboxKey(one) === mailboxKey(other);
}
