import type { Reply } from '../mail/index.ts';
import type { Command, CommandError } from '../smtp/index.ts';
import type { ReceiverLimits } from './options.ts';
import { replies } from './replies.ts';

/** Counts what a session may do only so often, and says when it is enough. */
export class Tally {
  readonly #limits: ReceiverLimits;
  #errors = 0;
  #idleCommands = 0;

  constructor(limits: ReceiverLimits) {
    this.#limits = limits;
  }

  /** Counts a command that carries no mail forward; one that does ends the count. */
  command(verb: (Command | CommandError)['verb']): void {
    const isForward = verb === 'rcpt' || verb === 'data' || verb === 'bdat';
    this.#idleCommands = isForward ? 0 : this.#idleCommands + 1;
  }

  /** Counts a reply. The result is the last word, when a limit is passed. */
  reply(answer: Reply): Reply | undefined {
    if (answer.code >= 500 && ++this.#errors > this.#limits.commandErrors) return replies.tooManyErrors;
    return this.#idleCommands > this.#limits.idleCommands ? replies.tooManyCommands : undefined;
  }
}
