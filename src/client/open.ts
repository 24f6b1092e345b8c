/** Opens a session: connection, greeting, EHLO, STARTTLS, AUTH. */
import { connect, isIP, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { systemClock } from '../base/index.ts';
import { type Reply, replyClass } from '../mail/index.ts';
import { type Extensions, noExtensions, parseExtensions } from '../smtp/index.ts';
import { authenticate } from './auth.ts';
import { ClientError, type ClientPhase, faultOf } from './client-error.ts';
import { type ClientOptions, type ClientTimeouts, defaultTimeouts } from './options.ts';
import { waitsFor } from './peer.ts';
import { type ClientSession, type ClientTls, WireSession } from './session.ts';
import { describeTls, pinFailure, tlsOptions } from './tls-options.ts';
import { Wire, waitFor } from './wire.ts';

/**
 * Dials and goes through greeting, EHLO, STARTTLS and AUTH as the options say. Rejects with a `ClientError`
 * and leaves nothing open then. The session lives no longer than `options.signal`.
 */
export async function openClient(options: ClientOptions): Promise<ClientSession> {
  const feed: Feed = {};
  return openOver(dial(options, feed), options, feed);
}

/**
 * The receiver of the octets that a socket reads, once there is a wire: all of them pass through one buffer, which
 * `Wire.receive` allows.
 */
interface Feed {
  receive?: (chunk: Buffer) => void;
}

/** Replies are short; a longer one comes in several reads. */
const readOctets = 4096;

/** The same over a stream that is there already, or, with a `feed`, over a socket that is still being connected. */
export async function openOver(stream: Duplex, options: ClientOptions, feed?: Feed): Promise<ClientSession> {
  let timeouts = defaultTimeouts;
  let wire: Wire | undefined;
  let opening: Opening | undefined;
  try {
    timeouts = { ...defaultTimeouts, ...options.timeouts };
    wire = new Wire(stream, options.clock ?? systemClock, { isFed: feed !== undefined });
    if (feed !== undefined) feed.receive = wire.receive;
    wire.watch(options.signal);
    if (feed !== undefined) await wire.connected(timeouts.connect);
    opening = new Opening(wire, options, timeouts);
    return await opening.run();
  } catch (cause) {
    if (wire === undefined) stream.destroy();
    else await wire.leave('QUIT\r\n', timeouts.quit);
    const error = cause instanceof ClientError ? cause : faultOf(cause, 'ehlo');
    if (opening?.hasSaidStartTls !== true) throw error;
    const { code, phase, message, reply } = error;
    throw new ClientError(code, phase, message, { reply, cause: error, isOfTls: true });
  }
}

function dial(options: ClientOptions, feed: Feed): Socket {
  try {
    if (options.signal.aborted) throw new ClientError('aborted', 'connect', 'aborted before dialling');
    const { host, port, localAddress } = options;
    const buffer = Buffer.allocUnsafeSlow(readOctets);
    const callback = (octets: number): boolean => {
      feed.receive?.(buffer.subarray(0, octets));
      return true;
    };
    // A stream would allocate 64 KiB for each read and cut it down afterwards.
    const onread = { buffer, callback };
    if (typeof host !== 'string') return connect({ path: host.path, onread });
    // A name here would be looked up behind the back of the caller's resolver.
    if (isIP(host) === 0) throw new Error(`"${host}" is no IP address`);
    const local = localAddress === undefined ? {} : { localAddress };
    return connect({ host, port, noDelay: true, onread, ...local });
  } catch (cause) {
    if (cause instanceof ClientError) throw cause;
    throw new ClientError('unreachable', 'connect', 'the address cannot be dialled', { cause });
  }
}

/** The dialogue before the first transaction. Each step throws a `ClientError` when it cannot go on. */
class Opening {
  readonly #wire: Wire;
  readonly #options: ClientOptions;
  readonly #timeouts: ClientTimeouts;
  #tls: ClientTls | undefined;
  #hasSaidStartTls = false;

  constructor(wire: Wire, options: ClientOptions, timeouts: ClientTimeouts) {
    this.#wire = wire;
    this.#options = options;
    this.#timeouts = timeouts;
  }

  get hasSaidStartTls(): boolean {
    return this.#hasSaidStartTls;
  }

  async run(): Promise<ClientSession> {
    if (this.#options.tls === 'implicit') await this.#secure();
    const greeting = this.#positive(await this.#greeting(), 'greeting');
    let capabilities = await this.#hello();
    if (await this.#startTls(capabilities)) capabilities = await this.#hello();
    const isAuthenticated = await this.#authenticate(capabilities);
    const peer = {
      wire: this.#wire,
      protocol: this.#options.protocol,
      capabilities,
      isAuthenticated,
      timeouts: this.#timeouts,
      waits: waitsFor(this.#timeouts),
      clock: this.#options.clock ?? systemClock,
    };
    return new WireSession({ peer, greeting, tls: this.#tls });
  }

  async #greeting(): Promise<Reply | undefined> {
    return (await this.#wire.expect(1, waitFor('greeting', this.#timeouts.greeting)))[0];
  }

  /** EHLO; to a server that does not know it, HELO (RFC 5321 §3.2), which offers nothing. */
  async #hello(): Promise<Extensions> {
    const { protocol, helo } = this.#options;
    const wait = waitFor('ehlo', this.#timeouts.ehlo);
    const verb = protocol === 'lmtp' ? 'LHLO' : 'EHLO';
    const answer = await this.#wire.ask(`${verb} ${helo}`, wait);
    if (protocol === 'smtp' && answer !== undefined && replyClass(answer) === 5) {
      this.#positive(await this.#wire.ask(`HELO ${helo}`, wait), 'ehlo');
      return noExtensions;
    }
    const ignored = (this.#options.ignoreKeywords ?? []).map((keyword) => keyword.toUpperCase());
    const offer = this.#positive(answer, 'ehlo');
    const lines = offer.lines.filter((line, index) => index === 0 || !ignored.includes(keywordOf(line)));
    return parseExtensions({ ...offer, lines });
  }

  /** True when TLS was put on. */
  async #startTls(capabilities: Extensions): Promise<boolean> {
    const { tls } = this.#options;
    if (tls === 'none' || tls === 'implicit') return false;
    if (!capabilities.startTls) {
      if (tls === 'opportunistic') return false;
      throw new ClientError('tls-unavailable', 'starttls', 'TLS is required and not offered');
    }
    this.#hasSaidStartTls = true;
    const answer = await this.#wire.ask('STARTTLS', waitFor('starttls', this.#timeouts.starttls));
    const isDeclined = answer !== undefined && replyClass(answer) >= 4 && this.#wire.isIdle;
    if (isDeclined && tls === 'opportunistic') return false;
    this.#positive(answer, 'starttls');
    // Anybody who can put octets between the reply and the handshake could have them read as if they had come through
    // TLS (response injection).
    if (this.#wire.hasPartialReply) {
      this.#wire.fail('protocol', 'octets came before the handshake', { phase: 'starttls' });
    }
    await this.#secure();
    return true;
  }

  async #secure(): Promise<void> {
    const socket = await this.#wire.secure(tlsOptions(this.#options), this.#timeouts.starttls);
    if (socket === undefined) throw this.#broken('tls');
    const wrong = pinFailure(socket, this.#options.fingerprints);
    if (wrong !== undefined) throw new ClientError('certificate', 'tls', wrong);
    this.#tls = describeTls(socket);
  }

  async #authenticate(capabilities: Extensions): Promise<boolean> {
    const { credentials, serverName, port } = this.#options;
    if (credentials === undefined) return false;
    if (this.#tls === undefined) {
      throw new ClientError('auth-unavailable', 'auth', 'credentials are not sent without TLS');
    }
    const wait = waitFor('auth', this.#timeouts.auth);
    const options = { credentials, wait, host: serverName, port };
    this.#positive(await authenticate(this.#wire, capabilities.auth, options), 'auth');
    return true;
  }

  /** The reply when it is 2yz and the server is still with us. */
  #positive(answer: Reply | undefined, phase: ClientPhase): Reply {
    if (answer === undefined || this.#wire.error !== undefined) throw this.#broken(phase);
    if (replyClass(answer) === 2) return answer;
    if (replyClass(answer) === 3)
      this.#wire.fail('protocol', `the server answered with ${answer.code}`, { phase });
    if (this.#wire.error !== undefined) throw this.#wire.error;
    throw new ClientError('rejected', phase, `the server answered with ${answer.code}`, { reply: answer });
  }

  #broken(phase: ClientPhase): ClientError {
    const { error, farewell } = this.#wire;
    if (error !== undefined) return error;
    return new ClientError('rejected', phase, 'the server is closing', farewell && { reply: farewell });
  }
}

function keywordOf(line: string): string {
  return (line.split(/[ =]/, 1)[0] ?? '').toUpperCase();
}
