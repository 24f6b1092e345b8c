/** One attempt over the network: a kept session, else the hosts of the route in order. */
import { formatHostPort } from '../base/index.ts';
import { formatReplyText, isPermanent } from '../mail/index.ts';
import type { Attempt, AttemptResult } from '../queue/index.ts';
import { Conversation, nobody, type RemoteParts, type Waiting } from './conversation.ts';
import type { Target } from './dialer.ts';
import { faultReply, type HostFailure, healthOf, shuttingDown } from './failure.ts';
import type { PooledSession } from './pool.ts';
import { lastOf, Round } from './round.ts';
import { findHosts, findTargets, hasAlternatives } from './targets.ts';
import type { NextHost, RemoteTransport } from './transport.ts';

/** One attempt by SMTP or LMTP. Never rejects for anything that a peer or the network does. */
export function attemptRemote(
  attempt: Attempt,
  transport: RemoteTransport,
  parts: RemoteParts,
  signal: AbortSignal,
): Promise<AttemptResult> {
  return new RemoteAttempt(attempt, transport, parts, signal).run();
}

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
  readonly #talk: Conversation;
  #sessions = 0;

  constructor(attempt: Attempt, transport: RemoteTransport, parts: RemoteParts, signal: AbortSignal) {
    this.#attempt = attempt;
    this.#talk = new Conversation(attempt, transport, { parts, signal });
    this.#transport = transport;
    this.#parts = parts;
    this.#signal = signal;
  }

  async run(): Promise<AttemptResult> {
    try {
      const order = this.#turn();
      const kept = this.#takeKept(order?.[0]);
      let waiting: Waiting = { left: this.#attempt.recipients, again: nobody };
      let tried: string | undefined;
      if (kept !== undefined) {
        waiting = await this.#talk.converse(kept, waiting.left);
        // A kept session that was no longer good is as if it had not been there.
        if (waiting.again.length < this.#attempt.recipients.length) {
          tried = kept.hostKey;
          this.#sessions++;
        }
      }
      if (this.#isLeft(waiting, tried)) await this.#tryHosts(waiting, tried, order);
    } catch (error) {
      this.#onFault(error);
    }
    return { statuses: this.#talk.answers.statuses, health: this.#talk.health };
  }

  /** Recipients with an answer keep it: one whose mail was delivered is not asked for again. */
  #onFault(error: unknown): void {
    const { id, recipients } = this.#attempt;
    this.#parts.log.error('attempt-failed', {
      queueId: id,
      lane: this.#transport.lane,
      error: String(error),
    });
    this.#talk.answers.settle(this.#talk.answers.missing(recipients), faultReply(error));
    this.#talk.health = { kind: 'alive' };
  }

  /** Whether recipients are left that a host, after the one that was tried, may be asked about. */
  #isLeft({ left, again }: Waiting, tried: string | undefined): boolean {
    if (this.#talk.isOver) return false;
    const isElsewhere = tried === undefined || hasAlternatives(this.#transport);
    return again.length > 0 || (left.length > 0 && isElsewhere);
  }

  /** The hosts of a weighted route, the one whose turn it is first. */
  #turn(): readonly NextHost[] | undefined {
    if (this.#transport.weights.length === 0) return undefined;
    const { memory } = this.#parts.targets;
    return this.#parts.balance.turn(this.#transport, (next) => !memory.isAvoided(nameOf(next)));
  }

  /** A kept session, with the host whose turn it is; none with a host that does badly while there are others. */
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
      this.#talk.answers.settle(
        [...waiting.left, ...waiting.again],
        this.#signal.aborted ? shuttingDown : found,
      );
      if (!isPermanent(found)) this.#talk.health = { kind: 'unavailable', reply: found };
      return;
    }
    const first = new Round(found);
    const rounds = fallback.length === 0 ? [first] : await this.#withFallback(first);
    let still = waiting;
    for (const round of rounds) {
      if (this.#talk.isOver) break;
      still = await this.#tryRound(round, still, tried);
    }
    const last = lastOf(rounds);
    if (last === undefined) return;
    if (this.#sessions === 0) this.#talk.health = healthOf(last.failure.health, last.failure.reply);
    // A server's reply to a recipient says more than that the next host is down.
    const untold = this.#talk.answers.missing([...still.left, ...still.again]);
    this.#talk.answers.settle(untold, last.failure.reply, last.relay);
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
      if (this.#talk.isOver || (!isTried && sessions >= this.#parts.limits.sessions)) break;
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
   * Sessions with one target, a fresh one after each that ended early: every fresh one answers for at least some
   * recipients. Returns the recipients that another host may be asked about; `undefined` when no session was opened.
   */
  async #tryTarget(
    target: Target,
    recipients: readonly number[],
    round: Round,
  ): Promise<readonly number[] | undefined> {
    const left: number[] = [];
    let here = recipients;
    for (let count = 0; here.length > 0 && !this.#talk.isOver; count++) {
      const opened = await this.#parts.dialer.open(this.#transport, target, this.#signal);
      if (!('session' in opened)) {
        this.#onHostFailure(opened, target);
        round.failed(opened, target.relay);
        return count === 0 ? undefined : [...left, ...here];
      }
      if (count === 0) this.#sessions++;
      const outcome = await this.#talk.converse(opened, here);
      left.push(...outcome.left);
      here = outcome.again;
    }
    return left;
  }

  #onHostFailure(failure: HostFailure, target: Target): void {
    if (failure.isOver) this.#talk.isOver = true;
    this.#parts.log.info('host-failed', {
      queueId: this.#attempt.id,
      lane: this.#transport.lane,
      relay: target.relay,
      because: formatReplyText(failure.reply),
    });
  }
}

function nameOf({ host, port }: NextHost): string {
  return formatHostPort(host, port);
}
