/** One accepted socket: PROXY header, TLS, session, end. */
import type { Socket } from 'node:net';
import { type SecureContext, TLSSocket } from 'node:tls';
import { canonicalIp } from '../base/index.ts';
import type { Reply } from '../mail/index.ts';
import { type ProxyGreeting, readProxyHeader } from '../net/index.ts';
import { formatReply } from '../smtp/index.ts';
import type { TlsFacts } from './ask.ts';
import type { Wire } from './dialogue.ts';
import type { Disguise, ListenerOptions, ReceiverParts, ReceiverSettings } from './options.ts';
import { replies } from './replies.ts';
import { Session } from './session.ts';
import { tlsFacts } from './tls-facts.ts';

/** Whether a client at this address may begin a session, or the reply that turns it away. */
export interface Admission {
  admit(
    address: string,
  ): { readonly leave: () => void } | { readonly reply: (typeof replies)[keyof typeof replies] };
}

/** The parts that a connection begins with. */
export interface ConnectionFacts {
  readonly id: string;
  readonly listener: ListenerOptions;
  readonly settings: ReceiverSettings;
  readonly current: () => ReceiverSettings;
  readonly admission: Admission;
  readonly disguise?: Disguise;
}

/** The client's address, from the socket or from a listed proxy. */
interface ConnectionClient {
  readonly address: string;
  readonly port: number;
  readonly isVouchedFor?: boolean;
  readonly hasProxyTls?: boolean;
}

/** A session as people see it. */
export interface SessionDescription {
  readonly id: string;
  readonly listener: string;
  readonly address: string;
  readonly port: number;
  /** The identity that logged in, or was granted anything by name. */
  readonly user?: string;
  readonly mechanism?: string;
  readonly helo?: string;
  readonly tls?: string;
  /** Milliseconds since 1970. */
  readonly since: number;
  readonly transactions: number;
  readonly accepted: number;
}

/** How long a peer may take to close after we have. */
const lingerMs = 5000;

/**
 * One accepted socket: PROXY header, TLS and time limits; the dialogue itself is the session's. Ends by itself,
 * however the peer behaves.
 */
export class Connection implements Wire {
  readonly #facts: ConnectionFacts;
  readonly #parts: ReceiverParts;
  readonly #raw: Socket;
  #socket: Socket;
  #session: Session | undefined;
  #leave: (() => void) | undefined;
  #cancelDeadline: () => void = () => {};
  /** Input stops while the session asks for it, and while replies wait for a peer that does not read. */
  #isHeld = false;
  #isFull = false;
  readonly #since: number;

  constructor(facts: ConnectionFacts, parts: ReceiverParts, socket: Socket) {
    this.#facts = facts;
    this.#parts = parts;
    this.#raw = socket;
    this.#socket = socket;
    this.#since = parts.clock.now();
    socket.setTimeout(facts.settings.limits.openingMs);
    socket.on('timeout', () => this.#timeOut());
    socket.on('close', () => this.#closed());
  }

  /** Begins: with the PROXY header where the peer is a listed proxy, else at once. */
  open(): void {
    const peer = canonicalIp(this.#raw.remoteAddress ?? '');
    if (peer === undefined) {
      this.#raw.destroy();
      return;
    }
    if (!this.#facts.listener.proxyProtocolFrom.has(peer)) {
      this.#begin({ address: peer, port: this.#raw.remotePort ?? 0 });
      return;
    }
    this.#setDeadline(this.#facts.settings.limits.openingMs);
    readProxyHeader(this.#raw, (header) => this.#introduced(peer, header));
  }

  /** The proxy at `peer` has named its client, or not. */
  #introduced(peer: string, header: ProxyGreeting): void {
    switch (header.kind) {
      case 'client': {
        const { address, port, endsTls: hasProxyTls = false } = header;
        this.#begin({ address, port, isVouchedFor: true, hasProxyTls });
        return;
      }
      case 'local':
        this.#begin({ address: peer, port: this.#raw.remotePort ?? 0 });
        return;
      case 'invalid':
        this.#parts.log.info('proxy-header-invalid', { client: peer });
        this.#raw.destroy();
        return;
      case 'cut':
        this.#raw.destroy();
    }
  }

  /** 421 when idle, else after the transaction that is under way. */
  shutDown(): void {
    if (this.#session === undefined) this.#raw.destroy();
    else this.#session.shutDown();
  }

  destroy(): void {
    this.#raw.destroy();
  }

  /** Sends the peer this reply, and ends; a command in progress is answered first. */
  terminate(last: Reply): void {
    if (this.#session === undefined) this.#raw.destroy();
    else this.#session.terminate(last);
  }

  /** For operators; undefined before there is a dialogue. */
  get description(): SessionDescription | undefined {
    const session = this.#session;
    if (session === undefined) return undefined;
    const { client, transactions, accepted } = session;
    const user = client.identity?.name ?? session.grantedTo;
    return {
      id: this.#facts.id,
      listener: client.listener,
      address: client.address,
      port: client.port,
      since: this.#since,
      transactions,
      accepted,
      ...(user !== undefined && { user }),
      ...(client.identity && { mechanism: client.identity.mechanism }),
      ...(client.helo !== '' && { helo: client.helo }),
      ...(client.tls && { tls: client.tls.version }),
    };
  }

  write(text: string): void {
    const socket = this.#socket;
    if (socket.destroyed || socket.writableEnded) return;
    if (socket.write(text, 'latin1') || this.#isFull) return;
    // A peer that asks on and on and reads no answer would fill our memory with them.
    this.#isFull = true;
    socket.pause();
    socket.once('drain', () => {
      this.#isFull = false;
      if (!this.#isHeld) socket.resume();
    });
  }

  pause(): void {
    this.#isHeld = true;
    this.#socket.pause();
  }

  resume(): void {
    this.#isHeld = false;
    if (!this.#isFull) this.#socket.resume();
  }

  end(options?: { readonly isAgreed: boolean }): void {
    // After QUIT nothing more comes, and written octets are with the kernel: no end has to be waited for.
    if (options?.isAgreed && this.#socket === this.#raw && this.#raw.writableLength === 0) {
      this.#raw.destroy();
      return;
    }
    this.#socket.end();
    this.#setDeadline(lingerMs);
    this.#socket.resume();
  }

  /** Cuts the connection off after this time, whatever the peer sends meanwhile; a new deadline replaces it. */
  #setDeadline(afterMs: number): void {
    this.#cancelDeadline();
    this.#cancelDeadline = this.#parts.clock.after(afterMs, () => this.#raw.destroy());
  }

  admitAs(address: string): (typeof replies)[keyof typeof replies] | undefined {
    this.#leave?.();
    this.#leave = undefined;
    const admitted = this.#facts.admission.admit(address);
    if ('reply' in admitted) return admitted.reply;
    this.#leave = admitted.leave;
    return undefined;
  }

  startTls(): void {
    const context = this.#facts.settings.secureContext;
    if (context === undefined) this.#session?.close(replies.tlsMissing);
    else this.#secure(context, (tls) => this.#session?.secured(tls));
  }

  #begin(from: ConnectionClient): void {
    const client = { ...from, ...this.#disguised() };
    const { address } = client;
    const admitted = this.#facts.admission.admit(address);
    if ('reply' in admitted) {
      this.#parts.log.info('refused', {
        client: address,
        stage: 'connect',
        reply: formatReply(admitted.reply).trimEnd(),
      });
      this.#raw.end(formatReply(admitted.reply));
      this.#setDeadline(lingerMs);
      this.#raw.resume();
      return;
    }
    this.#leave = admitted.leave;
    const { listener, settings } = this.#facts;
    if (listener.tls !== 'implicit') {
      this.#start(client, undefined);
      return;
    }
    if (settings.secureContext === undefined) this.#raw.destroy();
    else this.#secure(settings.secureContext, (tls) => this.#start(client, tls));
  }

  /** Looked up by the socket, not by a PROXY header. */
  #disguised(): { readonly address: string } | undefined {
    const { disguise, id } = this.#facts;
    if (disguise === undefined) return undefined;
    const address = canonicalIp(this.#raw.remoteAddress ?? '') ?? '';
    return disguise({ address, port: this.#raw.remotePort ?? 0, session: id });
  }

  #start(client: ConnectionClient, tls: TlsFacts | undefined): void {
    const { id, listener, settings, current } = this.#facts;
    this.#session = new Session(
      {
        id,
        listener,
        settings,
        current,
        ...client,
        tls,
        localAddress: () => canonicalIp(this.#raw.localAddress ?? ''),
      },
      this.#parts,
      this,
    );
    this.#cancelDeadline();
    this.#raw.setTimeout(settings.limits.idleMs);
    this.#listen();
    this.#session.greet();
  }

  #listen(): void {
    this.#socket.on('data', (octets: Buffer) => this.#session?.receive(octets));
    this.#socket.on('end', () => this.#session?.inputEnded());
    this.#socket.resume();
  }

  /**
   * The handshake. Octets that the peer sent before it were refused as out of step, so none of them can be taken for a
   * command under TLS (RFC 3207 §6, CVE-2011-0411).
   */
  #secure(secureContext: SecureContext, then: (tls: TlsFacts) => void): void {
    const isRunning = this.#session !== undefined;
    this.#raw.removeAllListeners('data');
    this.#raw.removeAllListeners('end');
    this.#raw.setTimeout(0);
    this.#setDeadline(this.#facts.settings.limits.openingMs);
    this.#isFull = false;
    // No certificate is requested that would not be checked (RFC 8314 §3.4).
    const requestCert = this.#facts.settings.clientCertificates !== undefined;
    const secured = new TLSSocket(this.#raw, {
      isServer: true,
      secureContext,
      requestCert,
      rejectUnauthorized: false,
    });
    this.#socket = secured;
    const left = () => this.#raw.destroy();
    secured.on('end', left);
    secured.on('error', (error) => {
      this.#parts.log.info('tls-failed', { session: this.#facts.id, because: error.message });
      this.#raw.destroy();
    });
    secured.on('secure', () => {
      secured.off('end', left);
      // A session that was told to end meanwhile keeps the deadline of its end.
      if (!secured.writableEnded) this.#cancelDeadline();
      this.#raw.setTimeout(this.#facts.settings.limits.idleMs);
      then(tlsFacts(secured, { hasAuthorities: this.#facts.settings.clientCertificates === 'trusted' }));
      if (isRunning) this.#listen();
    });
  }

  #timeOut(): void {
    if (this.#session === undefined) this.#raw.destroy();
    else this.#session.timeOut();
  }

  #closed(): void {
    const session = this.#session;
    this.#cancelDeadline();
    if (this.#socket !== this.#raw) this.#socket.destroy();
    this.#leave?.();
    this.#leave = undefined;
    if (session === undefined) return;
    session.closed();
    this.#parts.log.info('session-closed', {
      session: this.#facts.id,
      client: session.client.address,
      listener: this.#facts.listener.name,
      helo: session.client.helo,
      tls: session.client.tls?.version,
      transactions: session.transactions,
      accepted: session.accepted,
      durationMs: this.#parts.clock.now() - this.#since,
    });
  }
}
