/** The message of an attempt, converted for each session as that needs it. */
import type { ClientSession, OutgoingMessage, SendResult } from '../client/index.ts';
import type { Attempt } from '../queue/index.ts';
import { adapt, type Conversions, isAsciiRecipient } from './adapt.ts';

/** The message of an attempt as successive sessions are given it, converted for one that needs it so. */
export class AttemptMessage {
  readonly #attempt: Attempt;
  readonly #conversions: Conversions;
  /** As it was converted for this session, kept for its further transactions. */
  #adapted: OutgoingMessage | undefined;

  constructor(attempt: Attempt, conversions: Conversions) {
    this.#attempt = attempt;
    this.#conversions = conversions;
  }

  /** Another session: it gets the message as it came. */
  begin(): void {
    this.#adapted = undefined;
  }

  /** One transaction for these recipients. `onContent` as the session calls it. */
  send(
    session: ClientSession,
    of: { readonly chunk: readonly number[]; readonly onContent: (() => void) | undefined },
    signal: AbortSignal,
  ): Promise<SendResult> {
    return session.send(this.#for(of.chunk), signal, of.onContent);
  }

  /** The same once more, converted, where the server could not take the message as it was. */
  async sendConverted(
    session: ClientSession,
    of: { readonly chunk: readonly number[]; readonly unsendable: SendResult },
    signal: AbortSignal,
  ): Promise<SendResult> {
    let message = this.#for(of.chunk);
    let result = of.unsendable;
    // At most once each for the body and for SMTPUTF8.
    for (let i = 0; i < 2 && result.ending.kind === 'unsendable'; i++) {
      const adapted = await adapt(message, result.ending.unmet, this.#conversions);
      if (adapted === undefined) return result;
      this.#adapted = adapted;
      message = adapted;
      result = await session.send(message, signal);
    }
    return result;
  }

  /** The recipients that can be named to a server without SMTPUTF8. */
  asciiOf(chunk: readonly number[]): readonly number[] {
    const { recipients } = this.#attempt.envelope;
    return chunk.filter((index) => {
      const recipient = recipients[index];
      return recipient !== undefined && isAsciiRecipient(recipient);
    });
  }

  /** The message of the envelope for these recipients; the octets leave as they came. */
  #for(chunk: readonly number[]): OutgoingMessage {
    const { envelope, octets } = this.#attempt;
    const all = envelope.recipients;
    const isAll = chunk.length === all.length && chunk.every((index, at) => index === at);
    const recipients = isAll ? all : chunk.flatMap((index) => all[index] ?? []);
    if (this.#adapted !== undefined) return { ...this.#adapted, recipients, smtputf8: envelope.smtputf8 };
    const { reversePath, content, body, smtputf8, ret, envid } = envelope;
    const message = { reversePath, recipients, content, octets, body, smtputf8 };
    if (ret === undefined && envid === undefined) return message;
    return { ...message, ...(ret === undefined ? {} : { ret }), ...(envid === undefined ? {} : { envid }) };
  }
}
