/** Callouts: whether a destination knows a recipient, asked over few connections that are used again. */
import { type Clock, type Log, Places } from '../base/index.ts';
import { type CalloutAnswer, ClientError } from '../client/index.ts';
import { type Address, formatReplyText, type LaneName } from '../mail/index.ts';
import { judgeAnswer, type Verification } from './callout-verdict.ts';
import type { RemoteParts } from './conversation.ts';
import type { DeliveryEvents } from './events.ts';
import type { PooledSession } from './pool.ts';
import { findTargets } from './targets.ts';
import type { RemoteTransport } from './transport.ts';

/** How callouts are made. */
export interface CalloutOptions {
  /** Connections to one destination that ask at once. */
  readonly connections: number;
  /** The refusals that mean "no such recipient": `5.1.1`, or `550` for a reply without an enhanced code. */
  readonly unknown: ReadonlySet<string>;
}

/** A destination that does not answer about recipients. */
export interface CalloutTrouble {
  /** Its lane. */
  readonly destination: string;
  /** Milliseconds since 1970: of the first question without an answer, and of the last. */
  readonly since: number;
  readonly lastAt: number;
  /** Questions without an answer. */
  readonly count: number;
  /** In the words of the server, where it had some. */
  readonly because: string;
}

/** Waiting, dialling and asking together may take this long: a client waits for the reply to RCPT. */
const verifyMs = 20_000;
/** The number of questions that wait for one destination; more are told to come again. */
const maxWaiting = 1000;
/** A trouble ends when it was not met again for this time. */
const forgetMs = 3_600_000;
/** The same trouble is logged again after this. */
const sayAgainMs = 3_600_000;
const maxTroubles = 1000;

/** The answer to one callout. */
interface Outcome {
  readonly verification: Verification;
  readonly because?: string;
  readonly relay?: string;
}

const timedOut: Outcome = { verification: 'unavailable', because: 'it did not answer in time' };
const crowded: Outcome = { verification: 'unavailable', because: 'too many questions wait for it' };

/**
 * Asks the hosts of a transport, in order, whether they would take mail for a recipient: MAIL, RCPT, RSET. The first
 * answer that is about the recipient counts. Sessions come from the pool of the lane and go back to it. What kept a
 * destination from answering is logged once, and told until it answers again.
 */
export class Callouts {
  readonly #clock: Clock;
  readonly #log: Log<DeliveryEvents>;
  #options: CalloutOptions;
  readonly #places = new Map<LaneName, Places>();
  readonly #troubles = new Map<string, CalloutTrouble & { readonly saidAt: number }>();

  constructor(parts: {
    readonly clock: Clock;
    readonly log: Log<DeliveryEvents>;
    readonly options: CalloutOptions;
  }) {
    this.#clock = parts.clock;
    this.#log = parts.log;
    this.#options = parts.options;
  }

  /** Questions that are asked from now on are asked so. */
  reload(options: CalloutOptions): void {
    this.#options = options;
    this.#places.clear();
  }

  /** Destinations that did not answer when they were asked last, within the last hour. */
  get troubles(): readonly CalloutTrouble[] {
    const from = this.#clock.now() - forgetMs;
    return [...this.#troubles.values()]
      .filter(({ lastAt }) => lastAt > from)
      .map(({ saidAt: _, ...trouble }) => trouble);
  }

  /** Never rejects because of a peer or the network. */
  async verify(transport: RemoteTransport, recipient: Address, parts: RemoteParts): Promise<Verification> {
    const { verification, because = '', relay } = await this.#ask(transport, recipient, parts);
    const { lane } = transport;
    if (verification === 'unavailable') this.#note(lane, { because, relay });
    else this.#troubles.delete(lane);
    return verification;
  }

  async #ask(transport: RemoteTransport, recipient: Address, parts: RemoteParts): Promise<Outcome> {
    const signal = AbortSignal.timeout(verifyMs);
    const places = this.#placesOf(transport.lane);
    if (places.waiting >= maxWaiting) return crowded;
    using place = await places.take(signal);
    if (place === undefined) return timedOut;
    const kept = parts.pool.take(transport.lane);
    if (kept !== undefined) {
      const outcome = await this.#converse(kept, { recipient, parts, signal });
      // A kept session may only have grown too old.
      if (outcome.verification !== 'unavailable') return outcome;
    }
    return await this.#askHosts(transport, { recipient, parts, signal });
  }

  async #askHosts(transport: RemoteTransport, question: Question): Promise<Outcome> {
    const { parts, signal } = question;
    const targets = await findTargets(transport, parts.targets, signal);
    if ('code' in targets) return { verification: 'unavailable', because: formatReplyText(targets) };
    let last: Outcome = timedOut;
    for (const target of targets) {
      if (signal.aborted) break;
      const opened = await parts.dialer.open(transport, target, signal);
      if (!('session' in opened)) {
        last = unavailable(formatReplyText(opened.reply), target.relay);
        continue;
      }
      last = await this.#converse(opened, question);
      if (last.verification !== 'unavailable') return last;
    }
    return signal.aborted ? { ...last, ...timedOut } : last;
  }

  /** Asks one server. The session goes back to the pool, unless it gave no answer. */
  async #converse(host: PooledSession, { recipient, parts, signal }: Question): Promise<Outcome> {
    const { session, relay } = host;
    const onAbort = () => session.close();
    signal.addEventListener('abort', onAbort, { once: true });
    let answer: CalloutAnswer;
    try {
      answer = await session.verify(null, { address: recipient });
    } catch (error) {
      session.close();
      if (!(error instanceof ClientError)) throw error;
      return unavailable(error.reply === undefined ? error.message : formatReplyText(error.reply), relay);
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
    const verification = judgeAnswer(answer, this.#options.unknown);
    if (verification === 'unavailable') {
      parts.pool.retire(host);
      const { to, reply } = answer;
      return unavailable(`to ${to === 'mail' ? 'MAIL FROM:<>' : 'RCPT'}: ${formatReplyText(reply)}`, relay);
    }
    parts.pool.give(host);
    return { verification };
  }

  #placesOf(lane: LaneName): Places {
    const known = this.#places.get(lane);
    if (known !== undefined) return known;
    const places = new Places(this.#options.connections);
    this.#places.set(lane, places);
    return places;
  }

  /** Logged when it begins, when its text changes, and once an hour. */
  #note(
    lane: string,
    { because, relay }: { readonly because: string; readonly relay: string | undefined },
  ): void {
    const now = this.#clock.now();
    const known = this.#troubles.get(lane);
    const isNew = known === undefined || known.because !== because || now - known.saidAt >= sayAgainMs;
    if (known === undefined && this.#troubles.size >= maxTroubles) this.#troubles.clear();
    this.#troubles.set(lane, {
      destination: lane,
      since: known?.since ?? now,
      lastAt: now,
      count: (known?.count ?? 0) + 1,
      because,
      saidAt: isNew ? now : (known?.saidAt ?? now),
    });
    if (isNew) this.#log.warn('callout-unanswered', { lane, relay, because });
  }
}

/** A callout: its recipient, the parts that it uses, and the signal that ends it. */
interface Question {
  readonly recipient: Address;
  readonly parts: RemoteParts;
  readonly signal: AbortSignal;
}

function unavailable(because: string, relay: string): Outcome {
  return { verification: 'unavailable', because, relay };
}
