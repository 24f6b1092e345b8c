/** Opens sessions under the TLS policy of a transport. */
import { createSecureContext, type SecureContext } from 'node:tls';
import { type Clock, formatHostPort, type Log } from '../base/index.ts';
import {
  ClientError,
  type ClientErrorCode,
  type ClientOptions,
  type ClientTimeouts,
  openClient,
} from '../client/index.ts';
import { formatReplyText, isPermanent } from '../mail/index.ts';
import type { DeliveryEvents } from './events.ts';
import { failureOf, type HostFailure } from './failure.ts';
import type { HostMemory } from './host-memory.ts';
import type { Onward } from './onward.ts';
import type { PooledSession } from './pool.ts';
import type { Tokens } from './tokens.ts';
import type { NextHost, RemoteTransport } from './transport.ts';

/** One place to open a session with. */
export interface Target {
  /** For SNI and the certificate. */
  readonly serverName: string;
  readonly address: string | { readonly path: string };
  readonly port: number;
  /** The route's options for this host; absent for a mail exchanger or a socket. */
  readonly next?: NextHost;
  /** `host[address]:port`, for log and status. */
  readonly relay: string;
  /** Names its address in the `HostMemory`. */
  readonly key: string;
  /** The same, and the name of a host of a route where that is another. */
  readonly keys: readonly string[];
}

export interface DialerOptions {
  /** Our name in EHLO. */
  readonly helo: string;
  readonly clock: Clock;
  readonly log: Log<DeliveryEvents>;
  readonly tokens: Tokens;
  readonly memory: HostMemory;
  readonly onward: Onward;
  readonly timeouts?: Partial<ClientTimeouts>;
}

/** Makes the target of an address of a host. */
export function targetOf(host: string, address: string, port: number, next?: NextHost): Target {
  const key = formatHostPort(address, port);
  const name = next === undefined ? key : formatHostPort(next.host, next.port);
  const keys = name === key ? [key] : [key, name];
  const target = { serverName: host, address, port, relay: `${host}[${address}]:${port}`, key, keys };
  return next === undefined ? target : { ...target, next };
}

/** Makes the target of a unix socket. */
export function socketTarget(path: string): Target {
  return { serverName: 'localhost', address: { path }, port: 0, relay: path, key: path, keys: [path] };
}

/** Ends that TLS has nothing to do with. */
const ownEnds: ReadonlySet<ClientErrorCode> = new Set(['aborted', 'internal', 'certificate']);

/** How a host is dialled. */
interface Manner {
  readonly tls: ClientOptions['tls'];
  readonly credentials?: ClientOptions['credentials'] | undefined;
}

/** Opens sessions as the policy of a transport asks. */
export class Dialer {
  readonly #options: DialerOptions;
  /** By PEM of the roots; making one reads and parses all of them. */
  readonly #contexts = new Map<string | undefined, SecureContext>();

  constructor(options: DialerOptions) {
    this.#options = options;
  }

  /** Opens a session for the lane, and remembers how the host does. Never rejects. */
  async open(
    transport: RemoteTransport,
    target: Target,
    signal: AbortSignal,
  ): Promise<PooledSession | HostFailure> {
    const { memory, onward } = this.#options;
    const opened = await this.#openOrFallBack(transport, target, signal);
    if (!(opened instanceof ClientError)) {
      for (const key of target.keys) memory.answered(key);
      onward.reached(transport.lane);
      return opened;
    }
    const failure = this.#failed(opened, target);
    if (failure.isOver) return failure;
    for (const key of target.keys) memory.failed(key, failure.reply);
    onward.failed(transport.lane, target.key);
    return failure;
  }

  /** Opportunistic TLS that a host began did not work: for a while it is talked to in clear. */
  tlsBroke({ relay, hostKey }: Pick<PooledSession, 'relay' | 'hostKey'>, because: string): void {
    const { memory, log } = this.#options;
    memory.tlsBroke(hostKey);
    log.warn('tls-fallback', { relay, because });
  }

  /** The host takes no mail in clear: this session is over, and TLS is to be tried again, broken or not. */
  tlsWanted({ hostKey, session }: PooledSession): void {
    this.#options.memory.tlsWanted(hostKey);
    session.close();
  }

  /**
   * Opportunistic TLS that breaks, in its handshake or in the first words after it, is followed by a second
   * connection in clear (RFC 7435 §3): that is still better for the mail than not to send it, and no worse than
   * a server without STARTTLS. Where that worked it is remembered. Never done when TLS is required.
   */
  async #openOrFallBack(
    transport: RemoteTransport,
    target: Target,
    signal: AbortSignal,
  ): Promise<PooledSession | ClientError> {
    const asked = tlsModeOf(transport, target);
    const isClear = asked === 'opportunistic' && this.#options.memory.isTlsBroken(target.key);
    const first = await this.#dialWithToken(transport, target, isClear ? 'none' : asked, signal);
    const isBroken = first instanceof ClientError && first.isOfTls && !ownEnds.has(first.code);
    if (asked !== 'opportunistic' || isClear || !isBroken) return first;
    // There are no credentials: they would have required TLS.
    const second = await this.#dial(transport, target, { tls: 'none' }, signal);
    if (!(second instanceof ClientError)) this.tlsBroke(second, inWords(first));
    // A permanent refusal in clear may not be the reply under TLS.
    else if (second.reply !== undefined && isPermanent(second.reply)) return first;
    return second;
  }

  /**
   * With a token where the route has an account for one. A server that refuses it is dialled once more with a
   * new one: tokens can be revoked before their end.
   */
  async #dialWithToken(
    transport: RemoteTransport,
    target: Target,
    tls: ClientOptions['tls'],
    signal: AbortSignal,
  ): Promise<PooledSession | ClientError> {
    const { oauth } = transport.policy;
    const user = target.next?.user;
    if (oauth === undefined || user === undefined) {
      const credentials = passwordOf(target.next);
      return this.#dial(transport, target, { tls, credentials }, signal);
    }
    const source = this.#options.tokens.of(oauth);
    for (let isFirst = true; ; isFirst = false) {
      let token: string;
      try {
        token = await source.current(signal);
      } catch (error) {
        if (signal.aborted) return new ClientError('aborted', 'connect', 'aborted before dialling');
        const because = error instanceof Error ? error.message : String(error);
        return new ClientError('auth-unavailable', 'auth', because);
      }
      const credentials = { user, token, mechanism: oauth.mechanism };
      const opened = await this.#dial(transport, target, { tls, credentials }, signal);
      if (!(opened instanceof ClientError)) source.accepted();
      const isRefused = opened instanceof ClientError && isAuthRefused(opened);
      if (!isRefused || !source.refused(token) || !isFirst) return opened;
      this.#options.log.warn('token-not-taken', { relay: target.relay, subject: source.subject });
    }
  }

  async #dial(
    transport: RemoteTransport,
    target: Target,
    { tls, credentials }: Manner,
    signal: AbortSignal,
  ): Promise<PooledSession | ClientError> {
    // The attempt may end the dialling, but not the session that outlives it.
    const life = new AbortController();
    const onAbort = () => life.abort();
    signal.addEventListener('abort', onAbort);
    if (signal.aborted) onAbort();
    const { clock } = this.#options;
    try {
      const options = this.#clientOptions(transport, target, tls, life.signal);
      const { relay, key: hostKey, keys, next } = target;
      const now = clock.now();
      const kept = { lane: transport.lane, relay, hostKey, keys, next, openedAt: now, idleSince: now };
      const session = await openClient(credentials === undefined ? options : { ...options, credentials });
      // Nothing after this can fail and leave the session without an owner.
      return { ...kept, session, fallback: fallbackOf(tlsModeOf(transport, target), tls, session) };
    } catch (error) {
      if (error instanceof ClientError) return error;
      return new ClientError('internal', 'connect', `a fault of this relay: ${String(error)}`, {
        cause: error,
      });
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  #clientOptions(
    transport: RemoteTransport,
    target: Target,
    tls: ClientOptions['tls'],
    signal: AbortSignal,
  ): ClientOptions {
    const { helo, timeouts, clock } = this.#options;
    const { policy } = transport;
    const isOpen = target.next?.user === undefined || policy.fingerprints !== undefined;
    return {
      host: target.address,
      port: target.port,
      serverName: target.serverName,
      helo,
      protocol: transport.protocol,
      tls,
      verify: (policy.verify ?? !isOpen) ? 'name' : 'none',
      signal,
      clock,
      ...(tls === 'none' ? {} : { secureContext: this.#context(policy.ca) }),
      ...(policy.source === undefined ? {} : { localAddress: policy.source }),
      ...(policy.fingerprints === undefined ? {} : { fingerprints: policy.fingerprints }),
      ...(timeouts === undefined ? {} : { timeouts }),
    };
  }

  #context(ca: string | undefined): SecureContext {
    let context = this.#contexts.get(ca);
    if (context === undefined) {
      context = createSecureContext({ minVersion: 'TLSv1.2', ...(ca === undefined ? {} : { ca }) });
      this.#contexts.set(ca, context);
    }
    return context;
  }

  #failed(error: ClientError, target: Target): HostFailure {
    // Wrong credentials stop a whole lane, and only an operator can help.
    if (error.phase === 'auth')
      this.#options.log.error('relay-auth-failed', { relay: target.relay, because: error.message });
    return failureOf(error, target.relay);
  }
}

/** The server understood, and refused permanently: it is not merely unable to check now. */
function isAuthRefused({ phase, code, reply }: ClientError): boolean {
  return phase === 'auth' && code === 'rejected' && reply !== undefined && isPermanent(reply);
}

function passwordOf(next: NextHost | undefined): ClientOptions['credentials'] | undefined {
  return next?.user === undefined ? undefined : { user: next.user, password: next.password ?? '' };
}

function inWords({ message, reply }: ClientError): string {
  return reply === undefined ? message : `${message}: ${formatReplyText(reply)}`;
}

function fallbackOf(
  asked: ClientOptions['tls'],
  used: ClientOptions['tls'],
  { tls, capabilities }: PooledSession['session'],
): PooledSession['fallback'] {
  if (asked !== 'opportunistic') return 'none';
  if (used === 'none') return 'taken';
  return tls !== undefined || capabilities.startTls ? 'possible' : 'none';
}

function tlsModeOf(transport: RemoteTransport, target: Target): ClientOptions['tls'] {
  const { policy, protocol } = transport;
  if (target.next?.isImplicitTls === true) return 'implicit';
  const isPinned = policy.fingerprints !== undefined;
  if (target.next?.user !== undefined || policy.verify === true || isPinned) return 'required';
  return policy.tls ?? (protocol === 'lmtp' ? 'none' : 'opportunistic');
}
