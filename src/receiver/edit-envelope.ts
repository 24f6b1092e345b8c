/** The changes that checks make to the envelope of a message, as far as the policy agrees. */
import { type Address, type Envelope, mailboxKey, needsSmtputf8, type Reply } from '../mail/index.ts';
import type { Decision, Later } from './ask.ts';
import type { EnvelopeEdit } from './screening.ts';

/** The policy's decision about a recipient, as if the client had named it. */
export type Decide = (recipient: Address) => Later<Decision>;

/** A recipient that a check added and the policy refuses. */
export interface LeftOut {
  readonly to: Address;
  readonly reply: Reply;
  readonly because: string;
}

/** The envelope after the edits, or the transient refusal of a recipient that the policy cannot decide about now. */
export type Edited =
  | { readonly kind: 'edited'; readonly envelope: Envelope; readonly leftOut: readonly LeftOut[] }
  | { readonly kind: 'undecided'; readonly reply: Reply; readonly because: string };

/**
 * Makes the edits in order. No check grants relaying: a recipient is added only where the policy grants it, and the
 * message then rests on that ground, as it would had the client named the recipient itself.
 */
export async function editEnvelope(
  envelope: Envelope,
  edits: readonly EnvelopeEdit[],
  decide: Decide,
): Promise<Edited> {
  let { reversePath, smtputf8, origin } = envelope;
  let recipients = [...envelope.recipients];
  const leftOut: LeftOut[] = [];
  for (const edit of edits) {
    if (edit.kind === 'sender') reversePath = edit.reversePath;
    else if (edit.kind === 'delete-recipient')
      recipients = recipients.filter(({ address }) => !isSame(address, edit.address));
    else {
      const decision = await decide(edit.address);
      if (decision.kind === 'refusal') {
        const { reply, because } = decision;
        if (reply.code < 500) return { kind: 'undecided', reply, because };
        leftOut.push({ to: edit.address, reply, because });
        continue;
      }
      const added = decision.to.filter((to) => !recipients.some(({ address }) => isSame(address, to)));
      if (added.length === 0) continue;
      recipients.push(...added.map((address) => ({ address })));
      if (decision.ground !== 'recipient') origin = { ...origin, ground: decision.ground };
      if (decision.identity !== undefined) origin = { identity: decision.identity, ...origin };
    }
  }
  smtputf8 ||= [reversePath, ...recipients.map(({ address }) => address)].some(
    (address) => address !== null && needsSmtputf8(address),
  );
  return { kind: 'edited', envelope: { ...envelope, reversePath, smtputf8, recipients, origin }, leftOut };
}

function isSame(one: Address, other: Address): boolean {
  return mailboxKey(one) === mailboxKey(other);
}
