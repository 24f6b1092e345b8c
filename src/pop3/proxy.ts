/** The POP3 proxy: passes a connection on and watches for the login. */
import { type Clock, formatHostPort, isLoopback, type Log } from '../base/index.ts';
import type { Attempt, Throttle } from '../identity/index.ts';
import type { PopConnection } from './connection.ts';
import type { Pop3Events } from './events.ts';
import { LineReader } from './line-reader.ts';
import type { PopUpstream } from './options.ts';
import {
  editCapabilities,
  type GivenLogin,
  isPlainName,
  isProtected,
  saslLogin,
  saslName,
} from './proxy-login.ts';
import { isOk, UpstreamError, UpstreamSession } from './upstream.ts';

/** A login that a server accepted. */
export interface ProxyLogin {
  readonly address: string;
  readonly name: string;
  readonly source: string;
}

/** The parts that a proxy needs. */
export interface PopProxyOptions {
  readonly upstream: PopUpstream;
  /** Whether passwords may come without TLS, from this machine only. */
  readonly plaintext: 'never' | 'loopback';
  /** Opens the window; resolves when it counts. Called before the client is told that it is logged in. */
  readonly opened: (login: ProxyLogin) => Promise<unknown>;
  /** Slows down guessing clients. */
  readonly throttle: Pick<Throttle, 'enter'>;
  readonly clock: Clock;
  readonly log: Log<Pop3Events>;
}

/** Long enough for a token of OAuth 2.0 in a SASL response. */
const maxLineOctets = 16 * 1024;
const maxErrors = 10;
const maxResponses = 10;
const busy = '-ERR [SYS/TEMP] the mail server is not available';

/** Serves a connection by the server behind, until either side ends it. Never rejects because of a peer. */
export async function serveProxy(connection: PopConnection, options: PopProxyOptions): Promise<void> {
  const { upstream, clock, log } = options;
  const { address, port, id } = connection.facts;
  let server: UpstreamSession | undefined;
  try {
    server = await UpstreamSession.open({ upstream, clock }, { address, port });
    const cut = server;
    connection.whenClosed(() => cut.destroy());
    await new ProxySession(connection, server, options).run();
  } catch (error) {
    if (!(error instanceof UpstreamError)) throw error;
    log.warn('pop3-upstream-failed', {
      session: id,
      client: address,
      server: formatHostPort(upstream.host, upstream.port),
      because: error.message,
    });
    connection.end(`${busy}\r\n`);
  } finally {
    server?.destroy();
  }
}

/** The result of a command before the login. */
type Step = 'next' | 'logged-in' | 'over';

/**
 * The dialogue up to the login: one command at a time goes to the server, and nothing goes before the answer to
 * the one before is read, so that no answer is ever taken for that to another command. Commands that a client sends
 * ahead wait and are answered in order. Behind the login nothing is looked at any more.
 */
class ProxySession {
  readonly #connection: PopConnection;
  readonly #server: UpstreamSession;
  readonly #options: PopProxyOptions;
  #lines: LineReader;
  #name: string | undefined;
  #errors = 0;

  constructor(connection: PopConnection, server: UpstreamSession, options: PopProxyOptions) {
    this.#connection = connection;
    this.#server = server;
    this.#options = options;
    this.#lines = this.#reader();
  }

  async run(): Promise<void> {
    const leave = () => this.#connection.end('-ERR [SYS/TEMP] the server is shutting down\r\n');
    const { draining } = this.#connection;
    draining.addEventListener('abort', leave);
    try {
      if (draining.aborted) return;
      await this.#reply(this.#server.greeting);
      let step: Step = 'next';
      while (step === 'next') step = await this.#command();
      if (step === 'over') return;
    } finally {
      draining.removeEventListener('abort', leave);
    }
    await this.#stream();
  }

  #reader(): LineReader {
    return new LineReader(() => this.#connection.read(), maxLineOctets);
  }

  async #command(): Promise<Step> {
    const line = await this.#lines.next();
    if (line.kind === 'end') return 'over';
    if (line.kind === 'bad') return this.#refuse('-ERR that is no command');
    const [, word = '', argument] = /^([A-Za-z0-9]{1,8})(?: (.*))?$/.exec(line.text) ?? [];
    switch (word.toUpperCase()) {
      case 'CAPA':
        return this.#capabilities();
      case 'STLS':
        return this.#secure();
      case 'USER':
        return this.#user(argument);
      case 'PASS':
        return this.#pass(line.text);
      case 'APOP':
        return isPlainName(utf8(argument ?? ''))
          ? this.#login(line.text, { name: apopName(argument) })
          : this.#refuse('-ERR APOP needs a name');
      case 'AUTH':
        return this.#auth(argument);
      case 'QUIT':
        await this.#reply(await this.#server.ask('QUIT'));
        return 'over';
      case 'NOOP':
      case 'LANG':
      case 'UTF8':
        return this.#single(line.text);
      default:
        return this.#refuse('-ERR log in first');
    }
  }

  /** A command with one line of answer. LANG with a list has more, so it is asked with an argument only. */
  async #single(line: string): Promise<Step> {
    if (/^lang *$/i.test(line)) return this.#refuse('-ERR log in first');
    const answer = await this.#server.ask(line);
    return isOk(answer) ? this.#say(answer) : this.#refuse(answer);
  }

  async #capabilities(): Promise<Step> {
    const answer = await this.#server.ask('CAPA');
    if (!isOk(answer)) return this.#refuse(answer);
    const lines = editCapabilities(await this.#server.more(), {
      canSecure: this.#connection.canSecure,
      allowsPlain: this.#allowsPlain,
    });
    return this.#say([answer, ...lines, '.'].join('\r\n'));
  }

  /** RFC 2595 §4: earlier facts count no more; octets that came ahead of the handshake end the session. */
  async #secure(): Promise<Step> {
    const { log } = this.#options;
    const { id, address } = this.#connection.facts;
    if (!this.#connection.canSecure) return this.#refuse('-ERR there is no TLS to begin');
    if (this.#lines.pending > 0) {
      log.warn('pop3-injection', { session: id, client: address, because: 'a command came behind STLS' });
      this.#connection.end('-ERR nothing may follow STLS\r\n');
      return 'over';
    }
    await this.#reply('+OK begin TLS');
    try {
      await this.#connection.startTls();
    } catch (error) {
      log.info('tls-failed', { session: id, client: address, because: String(error) });
      this.#connection.destroy();
      return 'over';
    }
    this.#name = undefined;
    this.#lines = this.#reader();
    return 'next';
  }

  async #user(name: string | undefined): Promise<Step> {
    if (!this.#allowsPlain) return this.#refuseClear();
    if (name === undefined || !isPlainName(utf8(name))) return this.#refuse('-ERR USER needs a name');
    const answer = await this.#server.ask(`USER ${name}`);
    this.#name = isOk(answer) ? utf8(name) : undefined;
    return isOk(answer) ? this.#say(answer) : this.#refuse(answer);
  }

  async #pass(line: string): Promise<Step> {
    if (!this.#allowsPlain) return this.#refuseClear();
    if (this.#name === undefined) return this.#refuse('-ERR USER first');
    const name = this.#name;
    this.#name = undefined;
    return this.#login(line, { name, secret: line.slice(5) });
  }

  /** A command whose `+OK` is a login. */
  async #login(line: string, given: GivenLogin): Promise<Step> {
    const attempt = await this.#enter(given);
    if (attempt === 'busy') return this.#refuse(tooMany);
    using judged = attempt;
    return await this.#judged(await this.#server.ask(line), given.name, judged);
  }

  /** RFC 5034: the responses go to the server as they are, and give the name. */
  async #auth(argument = ''): Promise<Step> {
    const [, mechanism = '', initial] = /^([A-Za-z0-9_-]{1,40})(?: (\S+))?$/.exec(argument) ?? [];
    if (mechanism === '') return this.#refuse('-ERR the mechanisms are in CAPA');
    if (/-PLUS$/i.test(mechanism)) return this.#refuse('-ERR no such mechanism');
    if (!isProtected(mechanism) && !this.#allowsPlain) return this.#refuseClear();
    const responses = initial === undefined || initial === '=' ? [] : [initial];
    using turn = new DisposableStack();
    let attempt: Attempt | undefined;
    for (let next = `AUTH ${argument}`; ; ) {
      // A response with the name or the secret waits for its turn; earlier ones reveal nothing.
      const given = saslLogin(mechanism, responses);
      if (attempt === undefined && given !== undefined) {
        const entered = await this.#enter(given);
        if (entered === 'busy') return this.#giveUp(responses.length > 0 && next !== `AUTH ${argument}`);
        attempt = turn.use(entered);
      }
      const answer = await this.#server.ask(next);
      if (!answer.startsWith('+ ') && answer !== '+')
        return await this.#judged(answer, saslName(mechanism, responses), attempt);
      await this.#reply(answer);
      const line = await this.#lines.next();
      if (line.kind === 'end') return 'over';
      // RFC 5034 §4: a single star gives up.
      next = line.kind === 'line' && responses.length < maxResponses ? line.text : '*';
      responses.push(next);
    }
  }

  /** The server has decided about a login. */
  async #judged(answer: string, name: string | undefined, attempt: Attempt | undefined): Promise<Step> {
    const { opened, log } = this.#options;
    const { address, id, listener } = this.#connection.facts;
    if (!isOk(answer)) {
      // A server with a temporary error (RFC 3206) has not refused the login.
      if (!/^-ERR \[SYS\/TEMP\]/i.test(answer)) attempt?.failed();
      log.info('pop3-login-failed', { session: id, client: address, user: name });
      return this.#refuse(answer);
    }
    attempt?.succeeded();
    log.info('pop3-login', { session: id, client: address, user: name, tls: this.#connection.isSecure });
    if (name === undefined)
      log.info('window-refused', { client: address, because: 'the login names no user' });
    else await opened({ address, name, source: listener });
    this.#connection.loggedIn(name);
    await this.#reply(answer);
    return 'logged-in';
  }

  /** Octets both ways until either side is at its end. */
  async #stream(): Promise<void> {
    const [connection, server] = [this.#connection, this.#server];
    const toServer = async () => {
      await server.write(this.#lines.take());
      for (let octets = await connection.read(); octets; octets = await connection.read())
        await server.write(octets);
      server.end();
    };
    const toClient = async () => {
      await connection.write(server.takePending());
      for (let octets = await server.read(); octets; octets = await server.read())
        await connection.write(octets);
      connection.end();
    };
    await Promise.all([toServer(), toClient()]);
  }

  get #allowsPlain(): boolean {
    const { isSecure, facts } = this.#connection;
    return isSecure || (this.#options.plaintext === 'loopback' && isLoopback(facts.address));
  }

  #enter(given: GivenLogin): Promise<Attempt | 'busy'> {
    return this.#options.throttle.enter({
      address: this.#connection.facts.address,
      signal: this.#connection.gone,
      ...given,
    });
  }

  /** Ends an exchange that the server is in the midst of. */
  async #giveUp(isBegun: boolean): Promise<Step> {
    if (isBegun) await this.#server.ask('*');
    return await this.#refuse(tooMany);
  }

  #refuseClear(): Promise<Step> {
    const remedy = this.#connection.canSecure ? 'say STLS first' : 'use a connection with TLS';
    return this.#refuse(`-ERR [AUTH] passwords need TLS: ${remedy}`);
  }

  async #say(text: string): Promise<Step> {
    await this.#reply(text);
    return this.#connection.isClosed ? 'over' : 'next';
  }

  async #refuse(text: string): Promise<Step> {
    if (++this.#errors < maxErrors) return this.#say(text);
    await this.#reply(text);
    this.#connection.end('-ERR too many errors\r\n');
    return 'over';
  }

  #reply(text: string): Promise<void> {
    return this.#connection.write(`${text}\r\n`);
  }
}

const tooMany = '-ERR [SYS/TEMP] too many attempts, try again later';

/** RFC 1939 §7: the name, then a digest. */
function apopName(argument: string | undefined): string | undefined {
  const name = argument?.split(' ')[0];
  return name === undefined ? undefined : utf8(name);
}

/** Lines are read octet by octet; names are UTF-8 (RFC 6856). */
function utf8(text: string): string {
  return Buffer.from(text, 'latin1').toString('utf8');
}
