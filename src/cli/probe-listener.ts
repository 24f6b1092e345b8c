/** The listener of `posthouse probe --listen`, which sees test messages arrive. */
import { Background, IpSet, silentLog, systemClock } from '../base/index.ts';
import { type Domain, type Envelope, QueueIdSource, reply } from '../mail/index.ts';
import { findTokens, tokenField } from '../probe/index.ts';
import { defaultLimits, type IncomingMessage, type ListeningAddress, Receiver } from '../receiver/index.ts';

/** The return of a case: the message itself, or a notification that it could not be delivered. */
export interface Return {
  readonly kind: 'relayed' | 'bounced';
  /** The address that handed it over: the tested host, or another one behind it. */
  readonly from: string;
}

/** Octets of a message that are kept to look for a token. */
const headOctets = 64 * 1024;

/**
 * The third party of a probe: an SMTP server that takes mail for its own domain, looks for tokens in it, and
 * keeps nothing. It relays for nobody.
 */
export class ProbeListener implements AsyncDisposable {
  readonly #receiver: Receiver;
  readonly #returns = new Map<string, Return>();
  readonly #targets = new Set<string>();
  readonly #secret: Uint8Array;
  readonly #background = new Background(silentLog);
  #wake: () => void = () => {};

  constructor(domain: Domain, secret: Uint8Array) {
    this.#secret = secret;
    const ids = new QueueIdSource({ shard: 0, now: () => Date.now() });
    const intake = { refusal: () => undefined, begin: () => this.#begin(ids.next()) };
    this.#receiver = new Receiver(
      { intake, clock: systemClock, log: silentLog, background: this.#background },
      {
        hostname: domain,
        postmasterDomain: domain,
        limits: { ...defaultLimits, messageBytes: 1_000_000, sessions: 100 },
        xclientFrom: new IpSet([]),
        policy: {
          refuseSender: () => undefined,
          decide: ({ recipient }) =>
            recipient.domain === domain || recipient.domain.endsWith(`.${domain}`)
              ? { kind: 'grant', ground: 'recipient', because: 'it is of the probe', to: [recipient] }
              : { kind: 'refusal', reply: reply(550, '7.1', 'relaying denied'), because: 'not of the probe' },
        },
      },
    );
  }

  /** Rejects with the system's error. */
  listen({ host, port }: { readonly host: string; readonly port: number }): Promise<ListeningAddress> {
    const proxyProtocolFrom = new IpSet([]);
    return this.#receiver.listen({ name: 'probe', role: 'mx', host, port, tls: 'none', proxyProtocolFrom });
  }

  expectFrom(target: string): void {
    this.#targets.add(target);
  }

  /** The return of the case with this token, if any. */
  returned(caseId: string, target: string): Return | undefined {
    return this.#returns.get(`${target} ${caseId}`);
  }

  /** Waits until all of these have come back, for at most so long. */
  async settled(keys: readonly (readonly [caseId: string, target: string])[], waitMs: number): Promise<void> {
    const late = AbortSignal.timeout(waitMs);
    const isOver = () =>
      late.aborted || keys.every(([caseId, target]) => this.returned(caseId, target) !== undefined);
    late.addEventListener('abort', () => this.#wake());
    while (!isOver()) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  #begin(id: IncomingMessage['id']): IncomingMessage {
    let head = '';
    return {
      id,
      write(octets) {
        if (head.length < headOctets) head += Buffer.from(octets).toString('latin1');
        return undefined;
      },
      commit: async (envelope) => {
        this.#arrived(envelope, head);
        return reply(250, '0.0', 'seen');
      },
      discard() {},
    };
  }

  #arrived({ reversePath, recipients, origin }: Envelope, text: string): void {
    const header = text.slice(0, text.indexOf('\r\n\r\n')).replace(/\r\n[ \t]+/g, ' ');
    const fields = header
      .split('\r\n')
      .filter((line) => line.toLowerCase().startsWith(`${tokenField.toLowerCase()}:`));
    const own = findTokens(fields.join('\n'), this.#targets, this.#secret);
    const addresses = recipients.map(({ address }) => address.text).join('\n');
    // A reply or notification to the sender quotes the mark and does not bear it.
    const others = findTokens(`${addresses}\n${text}`, this.#targets, this.#secret);
    const kind = own.length > 0 || reversePath !== null ? 'relayed' : 'bounced';
    for (const { target, caseId } of own.length > 0 ? own : others) {
      const key = `${target} ${caseId}`;
      if (this.#returns.get(key)?.kind !== 'relayed') this.#returns.set(key, { kind, from: origin.client });
    }
    this.#wake();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#receiver[Symbol.asyncDispose]();
    await this.#background.drain();
  }
}
