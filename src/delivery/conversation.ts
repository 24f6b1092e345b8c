/** The dialogue with one server in an attempt: its transactions, and the statuses that its replies mean. */
import type { Log } from '../base/index.ts';
import type { ClientErrorCode, SendResult } from '../client/index.ts';
import { isPermanent, isPositive, isTransient, reply } from '../mail/index.ts';
import type { Attempt, Health } from '../queue/index.ts';
import type { Conversions } from './adapt.ts';
import { Answers } from './answers.ts';
import { AttemptMessage } from './attempt-message.ts';
import type { Balance } from './balance.ts';
import type { Dialer } from './dialer.ts';
import type { DeliveryEvents } from './events.ts';
import { shuttingDown } from './failure.ts';
import type { DeliveryLimits } from './options.ts';
import type { PooledSession, SessionPool } from './pool.ts';
import { isNotFollowed, isTired, isUnheard, wantsTls } from './session-end.ts';
import type { TargetOptions } from './targets.ts';
import type { RemoteTransport } from './transport.ts';

/** The parts that an attempt over the network needs. One value for all attempts of a configuration. */
export interface RemoteParts {
  readonly pool: SessionPool;
  readonly dialer: Dialer;
  readonly targets: TargetOptions;
  readonly balance: Balance;
  readonly limits: DeliveryLimits;
  readonly conversions: Conversions;
  readonly log: Log<DeliveryEvents>;
  readonly now: () => number;
}

/** Recipients without a final answer, as indices, by where they may be asked about next. */
export interface Waiting {
  /** Another host. */
  readonly left: readonly number[];
  /** A fresh connection to the same host: the session ended before it looked at them. */
  readonly again: readonly number[];
}

export const nobody: readonly number[] = [];
const nowhere: Waiting = { left: nobody, again: nobody };
const endedEarly = reply(451, '4.2', 'The session ended before the recipient was reached');

/** Our own octets, our own mistake or our own end: no other host will do better, and none is to blame. */
const ownFaults: ReadonlySet<ClientErrorCode> = new Set(['content', 'internal', 'aborted', 'busy']);

/** The conversations of one attempt, host by host, and their results so far. */
export class Conversation {
  readonly answers: Answers;
  health: Health = { kind: 'alive' };
  /** No other host makes a difference. */
  isOver = false;
  readonly #parts: RemoteParts;
  readonly #transport: RemoteTransport;
  readonly #signal: AbortSignal;
  readonly #message: AttemptMessage;
  readonly #follow: Attempt['follow'];

  constructor(
    attempt: Attempt,
    transport: RemoteTransport,
    { parts, signal }: { readonly parts: RemoteParts; readonly signal: AbortSignal },
  ) {
    this.#transport = transport;
    this.#follow = attempt.follow;
    this.#parts = parts;
    this.#signal = signal;
    this.answers = new Answers(transport.protocol, parts.now);
    this.#message = new AttemptMessage(attempt, parts.conversions);
  }

  /** Transactions on one session, which is in the pool or closed when this is over, however it is. */
  async converse(host: PooledSession, recipients: readonly number[]): Promise<Waiting> {
    try {
      return await this.#transact(host, recipients);
    } catch (error) {
      // A busy session belongs to another attempt, before this one or behind it.
      if (!host.session.isBusy) host.session.close();
      throw error;
    }
  }

  /** Transactions until the recipients are through or the session ends. */
  async #transact(host: PooledSession, recipients: readonly number[]): Promise<Waiting> {
    const { session } = host;
    const { limits, pool } = this.#parts;
    const max = Math.min(limits.recipients, session.capabilities.limits?.rcptMax ?? Number.POSITIVE_INFINITY);
    const left: number[] = [];
    let queue = recipients;
    let result: SendResult | undefined;
    // It has carried mail before: if it refuses its first MAIL, it will refuse it on another connection too.
    let isProven = session.messagesSent > 0;
    const follows = session.isBusy;
    this.#message.begin();
    while (queue.length > 0 && (result === undefined || session.isUsable) && !this.isOver) {
      const chunk = queue.length <= max ? queue : queue.slice(0, max);
      const rest = queue.length <= max ? nobody : queue.slice(max);
      const isFirst = session.messagesSent === 0;
      const onContent = rest.length === 0 ? this.#onContent(host) : undefined;
      result = await this.#message.send(session, { chunk, onContent }, this.#signal);
      if (follows && isNotFollowed(result)) pool.offerNoMore(host);
      // The session is still that of the attempt before.
      if (follows && result.ending.kind === 'unsendable') return { left, again: queue };
      if (result.ending.kind === 'unsendable')
        result = await this.#message.sendConverted(session, { chunk, unsendable: result }, this.#signal);
      if (isProven ? isTired(result) : isFirst && this.#isTlsBroken(host, result)) {
        pool.retire(host);
        return { left, again: queue };
      }
      isProven ||= isPositive(result.mail);
      const demand = host.fallback === 'taken' ? wantsTls(result) : undefined;
      if (demand !== undefined) this.#parts.dialer.tlsWanted(host);
      result = demand ?? result;
      queue = this.#record(host, chunk, result, left, rest);
    }
    if (result?.isFollowed !== true) this.#release(host, result);
    // It takes no more on one connection, as it announced (RFC 9422).
    const isFull = result?.ending.kind === 'complete' && isPositive(result.mail);
    if (isFull && !this.isOver) return { left, again: queue };
    if (queue.length > 0) this.answers.settle(queue, endedEarly, host.relay);
    return this.isOver ? nowhere : { left: [...left, ...queue], again: nobody };
  }

  /** Keeps the session for others if it is good for more. */
  #release(host: PooledSession, result: SendResult | undefined): void {
    const { pool } = this.#parts;
    // The message was to follow and could not be said: the session still belongs to the attempt before.
    if (host.session.isBusy) return;
    if (!host.session.isUsable) host.session.close();
    // A host that defers MAIL now is likely to defer the next message too.
    else if (result !== undefined && isTransient(result.mail)) pool.retire(host);
    else pool.give(host);
  }

  /** Offers the session to another attempt of the lane, if any attempt of it would take this host. */
  #onContent(host: PooledSession): (() => void) | undefined {
    const { pool, targets } = this.#parts;
    const { weights, fallback } = this.#transport;
    const follow = this.#follow;
    const hasOrder = weights.length > 0 || fallback.length > 0 || targets.memory.isAvoided(host.hostKey);
    return follow === undefined || hasOrder ? undefined : () => pool.offer(host, follow);
  }

  /** The first transaction under opportunistic TLS was answered by nothing: in clear it is worth another try. */
  #isTlsBroken(host: PooledSession, result: SendResult): boolean {
    if (host.fallback !== 'possible' || !isUnheard(result)) return false;
    this.#parts.dialer.tlsBroke(host, 'the server began TLS and answered nothing after it');
    return true;
  }

  /** Records the result of a transaction; returns the indices to ask this same session about next. */
  #record(
    host: PooledSession,
    chunk: readonly number[],
    result: SendResult,
    left: number[],
    rest: readonly number[],
  ): readonly number[] {
    const { ending } = result;
    if (ending.kind === 'unsendable' && ending.unmet.needs === 'smtputf8') {
      const narrow = this.#message.asciiOf(chunk);
      if (narrow.length > 0 && narrow.length < chunk.length) {
        this.answers.settle(
          chunk.filter((index) => !narrow.includes(index)),
          ending.unmet.reply,
          host.relay,
        );
        return [...narrow, ...rest];
      }
    }
    this.#noteEnding(result);
    const isCut = this.isOver && this.#signal.aborted;
    const from = { host, result };
    const again: number[] = [];
    for (let i = 0; i < chunk.length; i++) {
      const index = chunk[i];
      const said = result.recipients[i];
      if (index === undefined || said === undefined) continue;
      this.answers.record(index, isCut && !isPositive(said) ? shuttingDown : said, from);
      if (isPositive(said) || isPermanent(said)) continue;
      // Too many recipients at once: the others had their turn, now these (RFC 5321 §4.5.3.1.8).
      if (said.code === 452 && result.accepted > 0) again.push(index);
      else if (ending.kind !== 'in-doubt') left.push(index);
    }
    // Last, so that no fault here takes an answer away from a recipient.
    this.#judgeHost(host, result);
    return again.length === 0 ? rest : [...rest, ...again];
  }

  #noteEnding({ ending }: SendResult): void {
    switch (ending.kind) {
      case 'closing':
        this.health = { kind: 'throttled', reply: ending.reply };
        return;
      case 'lost':
      case 'in-doubt': {
        const { code, message } = ending.error;
        if (ownFaults.has(code)) this.isOver = true;
        else this.health = { kind: 'broken-off', reply: reply(451, '4.2', message) };
        return;
      }
      default:
        this.health = { kind: 'alive' };
    }
  }

  /**
   * Whether the host does its work, as far as this transaction shows: it accepted mail for a recipient, or refused
   * permanently; or it answered MAIL or the content with 4yz, or broke off. A 4yz to RCPT is about the recipient.
   */
  #judgeHost({ keys }: PooledSession, { mail, end, accepted, recipients, ending }: SendResult): void {
    const { memory } = this.#parts.targets;
    if (ending.kind === 'unsendable' || this.isOver) return;
    if (accepted > 0) {
      if (!memory.isEmpty) for (const key of keys) memory.worked(key);
      return;
    }
    const isBroken = ending.kind === 'lost' || ending.kind === 'in-doubt';
    const content = this.#transport.protocol === 'smtp' ? end : undefined;
    const refused = isBroken
      ? reply(451, '4.2', ending.error.message)
      : [mail, content].find((each) => each !== undefined && isTransient(each));
    for (const key of keys) {
      if (refused !== undefined) memory.broke(key, refused);
      else if (recipients.some(isPermanent)) memory.worked(key);
    }
  }
}
