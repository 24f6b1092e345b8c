/** Asks the checks about a message that has come whole, and makes the edits that they want. */
import { type Envelope, type Reply, reply } from '../mail/index.ts';
import type { Later } from './ask.ts';
import type { Content } from './content.ts';
import { type Decide, editEnvelope, type LeftOut } from './edit-envelope.ts';
import type { Fate, MessageRuling } from './screening.ts';

/** A message that has come whole. */
export interface Whole {
  readonly content: Content;
  readonly envelope: Envelope;
  /** The policy's decision about a recipient that a check adds. */
  readonly decide: Decide;
}

/** The decision of the checks. `settled` must be called with the message's final outcome. */
export type Screened =
  | {
      readonly kind: 'keep';
      readonly envelope: Envelope;
      readonly held: string | undefined;
      /** Recipients that a check added and the policy refuses: to be logged. */
      readonly leftOut?: readonly LeftOut[];
      readonly settled?: ((fate: Fate) => void) | undefined;
    }
  /** It was discarded, and the checks that asked for the outcome know it. */
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
  const { disposition, incoming, message, screening, isKnown } = content;
  if (disposition?.kind === 'discard') return discarded(content, disposition.because);
  const ask = screening?.message;
  const held = disposition?.because;
  if (ask === undefined) return { kind: 'keep', envelope, held };
  const beginning = incoming.beginning();
  const ruling = ask({ id: message.id, isKnown, envelope, beginning, edits: [], held });
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
  const held = ruling.kind === 'hold' ? ruling.because : content.disposition?.because;
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
  const edited = await editEnvelope(asWritten(whole), envelopeEdits, whole.decide);
  if (edited.kind === 'undecided') {
    whole.content.discard();
    settled?.('refused');
    return { kind: 'over', fate: 'refused', reply: edited.reply, because: edited.because };
  }
  const { envelope, leftOut } = edited;
  if (envelope.recipients.length > 0) return { kind: 'keep', envelope, held, leftOut, settled };
  settled?.('discarded');
  return discarded(whole.content, 'the checks left no recipient');
}

/** The envelope with the facts of the octets as they were written. */
function asWritten({ content, envelope }: Whole): Envelope {
  return content.withholds ? { ...envelope, content: content.facts } : envelope;
}

/** The peer gets the reply of a message that is kept. */
function discarded(content: Content, because: string): Screened {
  content.discard();
  const answer = reply(250, '0.0', `queued as ${content.message.id}`);
  return { kind: 'over', fate: 'discarded', reply: answer, because };
}
