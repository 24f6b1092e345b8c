/** Counts actions that a session may take only a limited number of times. */
import type { Reply } from '../mail/index.ts';
import type { Command, CommandError } from '../smtp/index.ts';
import type { ReceiverLimits } from './options.ts';
import { replies } from './replies.ts';

/** Counts actions that a session may take only a limited number of times, and reports when the limit is reached. */
export class Tally {
  readonly #limits: ReceiverLimits;
  #errors = 0;
  #idleCommands = 0;
  #deferredRecipients = 0;
  #isRecipient = false;
  #accepted = 0;

  constructor(limits: ReceiverLimits) {
    this.#limits = limits;
  }

  /** Counts a command that carries no mail forward; one that does ends the count. */
  command(verb: (Command | CommandError)['verb']): void {
    const isForward = verb === 'rcpt' || verb === 'data' || verb === 'bdat';
    this.#idleCommands = isForward ? 0 : this.#idleCommands + 1;
    this.#isRecipient = verb === 'rcpt';
  }

  /** Counts a reply; `accepted` messages were taken so far. The result is the last word, when a limit is passed. */
  reply(answer: Reply, accepted: number): Reply | undefined {
    // A client that sends mail may go on.
    if (accepted > this.#accepted) this.#deferredRecipients = 0;
    this.#accepted = accepted;
    if (answer.code >= 500 && ++this.#errors > this.#limits.commandErrors) return replies.tooManyErrors;
    // Each of them can be a question to the policy or to another server, and the client may go on asking for ever.
    const isDeferral = this.#isRecipient && answer.code >= 400 && answer.code < 500;
    if (isDeferral && ++this.#deferredRecipients > this.#limits.deferredRecipients)
      return replies.tooManyErrors;
    return this.#idleCommands > this.#limits.idleCommands ? replies.tooManyCommands : undefined;
  }
}
