/** MAIL: the beginning of a transaction. */
import { type Command, decodeMailParameters, noExtensions } from '../smtp/index.ts';
import type { Refusal } from './ask.ts';
import type { Dialogue, State, Step } from './dialogue.ts';
import { logRefusal, logRuling } from './refusal.ts';
import { renew } from './renew.ts';
import { replies } from './replies.ts';
import type { Ruling } from './screening.ts';
import { Transaction } from './transaction.ts';

type MailCommand = Command & { readonly verb: 'mail' };

/** MAIL (RFC 5321 §4.1.1.2): the policy may deny the sender, then the checks may. */
export function mail(dialogue: Dialogue, command: MailCommand): Step {
  const over = renew(dialogue);
  if (over !== undefined) return over;
  const { settings, client } = dialogue;
  if (dialogue.transactions >= settings.limits.transactions) {
    return { reply: replies.tooManyTransactions, next: 'close' };
  }
  const denied = settings.policy.refuseSender({ client, reversePath: command.reversePath });
  return denied instanceof Promise
    ? denied.then((made) => begin(dialogue, command, made))
    : begin(dialogue, command, denied);
}

/** Begins a transaction, unless the policy denies the sender or something else is wrong with it. */
function begin(
  dialogue: Dialogue,
  { reversePath, parameters }: MailCommand,
  denied: Refusal | undefined,
): Step {
  const { state } = dialogue;
  // The session may have ended while the policy was asked.
  if (state.at !== 'identified') return undefined;
  if (denied !== undefined) {
    logRefusal(dialogue, { stage: 'mail', reversePath, reply: denied.reply, because: denied.because });
    return denied.reply;
  }
  const { hello } = state;
  const decoded = decodeMailParameters(parameters, hello.isExtended ? dialogue.extensions : noExtensions);
  const refusal = decoded.kind === 'refused' ? decoded.reply : dialogue.intake.refusal();
  if (decoded.kind === 'refused' || refusal !== undefined) {
    const answer = refusal ?? replies.localError;
    logRefusal(dialogue, { stage: 'mail', reversePath, reply: answer });
    return answer;
  }
  const { settings, disposition } = dialogue;
  const options = { policy: settings.policy, disposition };
  const transaction = new Transaction(reversePath, decoded.parameters, options);
  return screen(dialogue, { at: 'transaction', hello, transaction });
}

function screen(dialogue: Dialogue, next: State & { readonly at: 'transaction' }): Step {
  const ask = dialogue.screening?.sender;
  if (ask === undefined) return open(dialogue, next);
  const { facts, client, isKnown } = dialogue;
  const { reversePath, parameters } = next.transaction;
  const ruling = ask({ session: facts.id, client, isKnown, reversePath, parameters });
  return ruling instanceof Promise
    ? ruling.then((made) => rule(dialogue, next, made))
    : rule(dialogue, next, ruling);
}

function rule(dialogue: Dialogue, next: State & { readonly at: 'transaction' }, ruling: Ruling): Step {
  const { transaction } = next;
  if (ruling.kind === 'refuse') {
    return logRuling(dialogue, { stage: 'mail', reversePath: transaction.reversePath, ruling });
  }
  transaction.keep(ruling);
  return open(dialogue, next);
}

function open(dialogue: Dialogue, next: State & { readonly at: 'transaction' }): Step {
  dialogue.countTransaction();
  dialogue.enter(next);
  return replies.senderOk;
}
