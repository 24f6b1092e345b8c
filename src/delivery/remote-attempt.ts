import type { Log, Places } from '../base/index.ts';
import type { ClientErrorCode, SendResult } from '../client/index.ts';
import { formatReplyText, isPermanent, isPositive, isTransient, reply } from '../mail/index.ts';
import type { Attempt, AttemptResult, Health } from '../queue/index.ts';
import { Answers } from './answers.ts';
import { AttemptMessage } from './attempt-message.ts';
import type { Balance } from './balance.ts';
import type { Dialer, Target } from './dialer.ts';
import { faultReply, type HostFailure, healthOf, shuttingDown } from './failure.ts';
import type { DeliveryLimits } from './options.ts';
import type { PooledSession, SessionPool } from './pool.ts';
import { lastOf, Round } from './round.ts';
import { isTired, isUnheard, wantsTls } from './session-end.ts';
import { findHosts, findTargets, hasAlternatives, type TargetOptions } from './targets.ts';
import { formatHostPort, type NextHost, type RemoteTransport } from './transport.ts';

/** What an attempt over the network needs. One value for all attempts of a configuration. */
export interface RemoteParts {
  readonly pool: SessionPool;
  readonly dialer: Dialer;
  readonly targets: TargetOptions;
  readonly balance: Balance;
  readonly limits: DeliveryLimits;
  /** Messages that may be converted at once. */
  readonly conversions: Places;
  readonly log: Log;
  readonly now: () => number;
}

/** One attempt by SMTP or LMTP. Never rejects for anything that a peer or the network does. */
export function attemptRemote(
  attempt: Attempt,
  transport: RemoteTransport,
  parts: RemoteParts,
  signal: AbortSignal,
): Promise<AttemptResult> {
  return new RemoteAttempt(attempt, transport, parts, signal).run();
}

/** Recipients without a final answer, as indices, by where they may be asked about next. */
interface Waiting {
  /** Another host. */
  readonly left: readonly number[];
  /** A fresh connection to the same host: the session ended before it looked at them. */
  readonly again: readonly number[];
}

const nobody: readonly number[] = [];
const nowhere: Waiting = { left: nobody, again: nobody };
const endedEarly = reply(451, '4.2', 'The session ended before the recipient was reached');

/** Our own octets, our own mistake or our own end: no other host will do better, and none is to blame. */
const ownFaults: ReadonlySet<ClientErrorCode> = new Set(['content', 'internal', 'aborted', 'busy']);

/**
 * The course of one attempt: a kept session if there is one, else hosts in order, until every recipient has
 * an answer that another host would not change. 5yz in a transaction is final; 4yz, and a host that does not
 * get as far as a transaction, go to the next host, within the limits (RFC 5321 §5.1).
 */
class RemoteAttempt {
  readonly #attempt: Attempt;
  readonly #transport: RemoteTransport;
  readonly #parts: RemoteParts;
  readonly #signal: AbortSignal;
  readonly #answers: Answers;
  #health: Health = { kind: 'alive' };
  #isOver = false;
  #sessions = 0;
  readonly #message: AttemptMessage;

  constructor(attempt: Attempt, transport: RemoteTransport, parts: RemoteParts, signal: AbortSignal) {
    this.#attempt = attempt;
    this.#message = new AttemptMessage(attempt, {
      maxBytes: parts.limits.conversionBytes,
      places: parts.conversions,
    });
    this.#answers = new Answers(transport.protocol, parts.now);
    this.#transport = transport;
    this.#parts = parts;
    this.#signal = signal;
  }

  async run(): Promise<AttemptResult> {
    try {
      await this.#carryOut();
    } catch (error) {
      this.#onFault(error);
    }
    return { statuses: this.#answers.statuses, health: this.#health };
  }

  /** Those who have their answer keep it: a recipient whose mail was delivered is not asked for again. */
  #onFault(error: unknown): void {
    const { id, recipients } = this.#attempt;
    this.#parts.log.error('attempt-failed', {
      queueId: id,
      lane: this.#transport.lane,
      error: String(error),
    });
    this.#answers.settle(this.#answers.missing(recipients), faultReply(error));
    this.#health = { kind: 'alive' };
  }

  async #carryOut(): Promise<void> {
    let waiting: Waiting = { left: this.#attempt.recipients, again: nobody };
    const order = this.#turn();
    const kept = this.#takeKept(order?.[0]);
    let tried: string | undefined;
    if (kept !== undefined) {
      waiting = await this.#converse(kept, waiting.left);
      // One that was not good any more is as if it had not been there.
      if (waiting.again.length < this.#attempt.recipients.length) {
        tried = kept.hostKey;
        this.#sessions++;
      }
    }
    const { left, again } = waiting;
    const isElsewhere = tried === undefined || hasAlternatives(this.#transport);
    if (this.#isOver || (again.length === 0 && (left.length === 0 || !isElsewhere))) return;
    await this.#tryHosts(waiting, tried, order);
  }

  /** The hosts of a weighted route, the one whose turn it is first. */
  #turn(): readonly NextHost[] | undefined {
    if (this.#transport.weights.length === 0) return undefined;
    const { memory } = this.#parts.targets;
    return this.#parts.balance.turn(this.#transport, (next) => !memory.isAvoided(nameOf(next)));
  }

  /** A kept session, with the host whose turn it is; none with one that does badly while there are others. */
  #takeKept(turn: NextHost | undefined): PooledSession | undefined {
    const { pool, targets } = this.#parts;
    const { lane, fallback, nextHop } = this.#transport;
    const { memory } = targets;
    if (turn === undefined && fallback.length === 0 && memory.isEmpty) return pool.take(lane);
    const own = nextHop.kind === 'hosts' ? nextHop.hosts : [];
    const isDown = own.length > 0 && own.every((next) => memory.isAvoided(nameOf(next)));
    const mayAvoid = hasAlternatives(this.#transport);
    return pool.take(lane, ({ next, hostKey }) => {
      if (mayAvoid && memory.isAvoided(hostKey)) return false;
      if (next !== undefined && fallback.includes(next)) return isDown;
      return turn === undefined || next === turn;
    });
  }

  async #tryHosts(
    waiting: Waiting,
    tried: string | undefined,
    order: readonly NextHost[] | undefined,
  ): Promise<void> {
    const { targets: options } = this.#parts;
    const { fallback } = this.#transport;
    const found = await findTargets(this.#transport, options, this.#signal, order);
    if ('code' in found && (fallback.length === 0 || isPermanent(found) || this.#signal.aborted)) {
      this.#answers.settle([...waiting.left, ...waiting.again], this.#signal.aborted ? shuttingDown : found);
      if (!isPermanent(found)) this.#health = { kind: 'unavailable', reply: found };
      return;
    }
    const first = new Round(found);
    const rounds = fallback.length === 0 ? [first] : await this.#withFallback(first);
    let still = waiting;
    for (const round of rounds) {
      if (this.#isOver) break;
      still = await this.#tryRound(round, still, tried);
    }
    const last = lastOf(rounds);
    if (last === undefined) return;
    if (this.#sessions === 0) this.#health = healthOf(last.failure.health, last.failure.reply);
    // What a server said to a recipient tells more than that the next host is down.
    const untold = this.#answers.missing([...still.left, ...still.again]);
    this.#answers.settle(untold, last.failure.reply, last.relay);
  }

  /** The fallback after the hosts themselves, or before them where all of them did badly just now. */
  async #withFallback(first: Round): Promise<readonly Round[]> {
    const { targets: options } = this.#parts;
    const spare = new Round(
      await findHosts(this.#transport.fallback, this.#transport, options, this.#signal),
    );
    const isDown = first.targets.every(({ key }) => options.memory.isAvoided(key));
    return isDown ? [spare, first] : [first, spare];
  }

  /** Targets in order, within the limit of sessions. Gives the recipients that another round may be for. */
  async #tryRound(round: Round, waiting: Waiting, tried: string | undefined): Promise<Waiting> {
    let { left, again } = waiting;
    // A kept session counted for the hosts themselves, and a fallback has its own chance.
    let sessions = round.targets.some(({ key }) => key === tried) ? 1 : 0;
    for (const target of round.targets) {
      const isTried = target.key === tried;
      if (this.#isOver || (!isTried && sessions >= this.#parts.limits.sessions)) break;
      const here = isTried ? again : [...left, ...again];
      if (here.length === 0) continue;
      const refused = await this.#tryTarget(target, here, round);
      if (refused === undefined) continue;
      left = isTried ? [...left, ...refused] : refused;
      again = nobody;
      if (!isTried) sessions++;
    }
    return { left, again };
  }

  /**
   * Sessions with one target, a fresh one after each that was good for no more: every fresh one hears at least
   * of some recipients. Gives those that another host may be asked about; `undefined` when no session came about.
   */
  async #tryTarget(
    target: Target,
    recipients: readonly number[],
    round: Round,
  ): Promise<readonly number[] | undefined> {
    const left: number[] = [];
    let here = recipients;
    for (let count = 0; here.length > 0 && !this.#isOver; count++) {
      const opened = await this.#parts.dialer.open(this.#transport, target, this.#signal);
      if (!('session' in opened)) {
        this.#onHostFailure(opened, target);
        round.failed(opened, target.relay);
        return count === 0 ? undefined : [...left, ...here];
      }
      if (count === 0) this.#sessions++;
      const outcome = await this.#converse(opened, here);
      left.push(...outcome.left);
      here = outcome.again;
    }
    return left;
  }

  #onHostFailure(failure: HostFailure, target: Target): void {
    if (failure.isOver) this.#isOver = true;
    this.#parts.log.info('host-failed', {
      queueId: this.#attempt.id,
      lane: this.#transport.lane,
      relay: target.relay,
      because: formatReplyText(failure.reply),
    });
  }

  /** Transactions on one session, which is in the pool or closed when this is over, however it is. */
  async #converse(host: PooledSession, recipients: readonly number[]): Promise<Waiting> {
    try {
      return await this.#transact(host, recipients);
    } catch (error) {
      host.session.close();
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
    // It has carried something before: one that refuses its first MAIL will refuse it on another connection too.
    let isProven = session.messagesSent > 0;
    this.#message.begin();
    while (queue.length > 0 && (result === undefined || session.isUsable) && !this.#isOver) {
      const chunk = queue.length <= max ? queue : queue.slice(0, max);
      const rest = queue.length <= max ? nobody : queue.slice(max);
      const isFirst = session.messagesSent === 0;
      result = await this.#message.send(session, chunk, this.#signal);
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
    // Who puts MAIL off now is likely to do so to the next message too.
    if (!session.isUsable) session.close();
    else if (result !== undefined && isTransient(result.mail)) pool.retire(host);
    else pool.give(host);
    // All that it takes on one connection: it said so beforehand (RFC 9422).
    const isFull = result?.ending.kind === 'complete' && isPositive(result.mail);
    if (isFull && !this.#isOver) return { left, again: queue };
    if (queue.length > 0) this.#answers.settle(queue, endedEarly, host.relay);
    return this.#isOver ? nowhere : { left: [...left, ...queue], again: nobody };
  }

  /** The first transaction under opportunistic TLS was answered by nothing: in clear it is worth another try. */
  #isTlsBroken(host: PooledSession, result: SendResult): boolean {
    if (host.fallback !== 'possible' || !isUnheard(result)) return false;
    this.#parts.dialer.tlsBroke(host, 'the server began TLS and answered nothing after it');
    return true;
  }

  /** Writes down what came of a transaction; gives the indices to ask this same session about next. */
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
        this.#answers.settle(
          chunk.filter((index) => !narrow.includes(index)),
          ending.unmet.reply,
          host.relay,
        );
        return [...narrow, ...rest];
      }
    }
    this.#noteEnding(result);
    const isCut = this.#isOver && this.#signal.aborted;
    const from = { host, result };
    const again: number[] = [];
    for (let i = 0; i < chunk.length; i++) {
      const index = chunk[i];
      const said = result.recipients[i];
      if (index === undefined || said === undefined) continue;
      this.#answers.record(index, isCut && !isPositive(said) ? shuttingDown : said, from);
      if (isPositive(said) || isPermanent(said)) continue;
      // Too many recipients at once: the others had their turn, now these (RFC 5321 §4.5.3.1.8).
      if (said.code === 452 && result.accepted > 0) again.push(index);
      else if (ending.kind !== 'in-doubt') left.push(index);
    }
    // Last, so that whatever goes wrong here takes no answer away from a recipient.
    this.#judgeHost(host, result);
    return again.length === 0 ? rest : [...rest, ...again];
  }

  #noteEnding({ ending }: SendResult): void {
    switch (ending.kind) {
      case 'closing':
        this.#health = { kind: 'throttled', reply: ending.reply };
        return;
      case 'lost':
      case 'in-doubt': {
        const { code, message } = ending.error;
        if (ownFaults.has(code)) this.#isOver = true;
        else this.#health = { kind: 'broken-off', reply: reply(451, '4.2', message) };
        return;
      }
      default:
        this.#health = { kind: 'alive' };
    }
  }

  /**
   * Whether the host does its work, as far as this transaction tells: it took somebody's mail, or refused for
   * good; or it answered MAIL or the content with 4yz, or broke off. A 4yz to RCPT is about the recipient.
   */
  #judgeHost({ keys }: PooledSession, { mail, end, accepted, recipients, ending }: SendResult): void {
    const { memory } = this.#parts.targets;
    if (ending.kind === 'unsendable' || this.#isOver) return;
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

function nameOf({ host, port }: NextHost): string {
  return formatHostPort(host, port);
}
