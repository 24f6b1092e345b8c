/** One run of an audit: its domain, its sink and the mail that arrives there. */
import { randomBytes } from 'node:crypto';
import type { LineSubject } from '../base/index.ts';
import type { AuditSink } from '../delivery/index.ts';
import type { Address, Envelope } from '../mail/index.ts';
import { findTokens, formatToken } from '../probe/index.ts';
import type { Attempt } from '../queue/index.ts';
import type { Disguise } from '../receiver/index.ts';

/** The mail that came out of the queue with one token. */
export interface Arrival {
  readonly recipients: readonly Address[];
  readonly lanes: readonly string[];
}

/** The head of a message is long enough for our trace field and the mark. */
const headOctets = 64 * 1024;

/**
 * One run of the audit: its names, the connections that pose as strangers, and the mail that arrives. Every session of
 * the run is known by its id, so that no other mail is touched, whatever its address.
 */
export class AuditRun implements AuditSink {
  readonly id = randomBytes(8).toString('hex');
  /** A random domain that cannot exist (RFC 6761 §6.4). */
  readonly domain = `audit-${this.id}.invalid`;
  readonly secret = randomBytes(32);
  readonly #strangers = new Map<string, string>();
  readonly #clients = new Set<string>();
  readonly #sessions = new Set<string>();
  readonly #queueIds = new Set<string>();
  readonly #arrivals = new Map<string, Arrival[]>();
  readonly #targets = new Set<string>();
  #wake: () => void = () => {};

  /** The token of a case at a target. */
  token(target: string, caseId: string, at: number): string {
    this.expectFrom(target);
    return formatToken({ target, caseId, at }, this.secret);
  }

  /** Looks for tokens of this target in the mail that arrives. */
  expectFrom(target: string): void {
    this.#targets.add(target);
  }

  /** A connection that is about to come from here is one of ours, and is to be taken for a stranger's. */
  pose(from: { readonly address: string; readonly port: number }, stranger: string): () => void {
    const key = `${from.address} ${from.port}`;
    this.#strangers.set(key, stranger);
    this.#clients.add(stranger);
    return () => this.#strangers.delete(key);
  }

  readonly disguise: Disguise = (peer) => {
    const stranger = this.#strangers.get(`${peer.address} ${peer.port}`);
    if (stranger === undefined) return undefined;
    this.#sessions.add(peer.session);
    return { address: stranger };
  };

  takes({ origin, recipients }: Envelope): boolean {
    return (
      this.#sessions.has(origin.session) || recipients.some(({ address }) => this.isOurs(address.domain))
    );
  }

  isOurs(domain: string): boolean {
    return domain === this.domain || domain.endsWith(`.${this.domain}`);
  }

  async arrived({ id, envelope, recipients, octets }: Attempt, lanes: readonly string[]): Promise<void> {
    this.#queueIds.add(id);
    const head: Buffer[] = [];
    let length = 0;
    for await (const piece of octets.chunks()) {
      head.push(Buffer.from(piece));
      length += piece.length;
      if (length >= headOctets) break;
    }
    const addresses = recipients.flatMap((index) => envelope.recipients[index]?.address ?? []);
    const text = [Buffer.concat(head).toString('latin1'), ...addresses.map((address) => address.text)].join(
      '\n',
    );
    const found = new Map(
      findTokens(text, this.#targets, this.secret).map((token) => [`${token.target} ${token.caseId}`, token]),
    );
    for (const token of found.values()) {
      const key = formatToken(token, this.secret);
      this.#arrivals.set(key, [...(this.#arrivals.get(key) ?? []), { recipients: addresses, lanes }]);
    }
    this.#wake();
  }

  arrivals(token: string): readonly Arrival[] {
    return this.#arrivals.get(token) ?? [];
  }

  /** Waits until every one of these has arrived, or until nothing has for so long. */
  async settled(
    tokens: readonly string[],
    options: { readonly quietMs: number; readonly signal: AbortSignal },
  ): Promise<void> {
    const isOver = () => tokens.every((token) => this.#arrivals.has(token));
    while (!isOver() && !options.signal.aborted) {
      const isQuiet = await new Promise<boolean>((resolve) => {
        const timer = setTimeout(() => resolve(true), options.quietMs);
        const wake = () => {
          clearTimeout(timer);
          options.signal.removeEventListener('abort', wake);
          resolve(false);
        };
        this.#wake = wake;
        options.signal.addEventListener('abort', wake);
      });
      if (isQuiet) return;
    }
  }

  /** Whether a line of the log is about this run. */
  isAbout({ session, client, queueId }: LineSubject): boolean {
    const isMine =
      (session !== undefined && this.#sessions.has(session)) ||
      (queueId !== undefined && this.#queueIds.has(queueId)) ||
      (session === undefined && client !== undefined && this.#clients.has(client));
    if (isMine && queueId !== undefined) this.#queueIds.add(queueId);
    return isMine;
  }
}

/** The current run, if any, for the checks. */
export class Audits {
  run: AuditRun | undefined;
}
