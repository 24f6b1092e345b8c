/** The door for clients of Razor: one server in all roles of protocol version 3. */
import { randomBytes } from 'node:crypto';
import { ClearinghouseBusy, type LegacyKey, type Source, type Verdict } from '../ask.ts';
import { trimmedEnd } from '../content/spans.ts';
import type { Door, DoorOptions, Visitor } from './door.ts';
import type { RazorAccounts } from './razor-accounts.ts';
import { wholeMessage } from './razor-message.ts';
import { formatReplies, formatSis, parseBatch, parseSis, type Sis } from './razor-wire.ts';
import { type DoorConnection, openTcpDoor } from './tcp.ts';

export interface RazorOptions extends DoorOptions {
  readonly accounts: RazorAccounts;
  /** The `host:port` to which clients are told to return. The host name needs a dot. */
  readonly publicName: string;
}

/** The same for ever: a client that knows another one asks for everything again. */
const serial = 5;
const ep4 = '7542-10';
/** The confidence from which a client says spam: bulk alone stays below it. */
const averageConfidence = 50;
const maxLine = 64 * 1024;
/** A client reads each reply with one `read` of so many octets. */
const maxReply = 1024;
const maxQueries = 50;
const maxMessage = 2 * 2 ** 20;
/** A client waits for an answer to every line. */
const noQuery: readonly string[] = ['err=202'];

/** Opens the door that clients of Razor come to; one server has all roles (protocol version 3). */
export function openRazor(options: RazorOptions): Promise<Door<RazorOptions>> {
  return openTcpDoor(options, (connection, visitor, current) =>
    new RazorSession(current, connection, visitor).run(),
  );
}

class RazorSession {
  readonly #options: RazorOptions;
  readonly #connection: DoorConnection;
  readonly #visitor: Visitor;
  #claimed: string | undefined;
  #challenge = '';
  #user: string | undefined;

  constructor(options: RazorOptions, connection: DoorConnection, visitor: Visitor) {
    this.#options = options;
    this.#connection = connection;
    this.#visitor = visitor;
  }

  async run(): Promise<void> {
    const connection = this.#connection;
    await connection.write(`sn=NCD&srl=${serial}&ep4=${ep4}&a=l\r\n`);
    for (let first = await connection.peek(); first !== undefined; first = await connection.peek()) {
      if (!connection.nextRequest()) return;
      const replies = first === 45 ? await this.#batch() : await this.#line();
      if (replies === 'end') return;
      if (replies.length === 0) continue;
      const text = formatReplies(replies);
      await connection.write(text.length > maxReply ? 'err=204\r\n' : text);
    }
  }

  async #line(): Promise<readonly string[] | 'end'> {
    const line = await this.#connection.until('\n', maxLine);
    if (line === undefined) return 'end';
    const text = trimmedEnd(line.toString('latin1'), '\r\n');
    // The client introduces itself unasked, and expects no answer.
    if (text === '' || /^cn=/.test(text)) return [];
    const query = parseSis(text);
    if (query.get('a') === 'q') return 'end';
    if (query.get('a') === 'g') return this.#state(query.get('pm'));
    return [await this.#answer(query)];
  }

  async #batch(): Promise<readonly string[] | 'end'> {
    const first = await this.#connection.peekUntil('\n', maxLine);
    if (first === undefined) return 'end';
    // The end of a batch that has not begun: its line end is not to be seen.
    if (trimmedEnd(first.toString('latin1'), '\r\n') === '-.') {
      await this.#connection.until('\n', maxLine);
      return noQuery;
    }
    const octets = await this.#connection.until('\r\n.\r\n', maxMessage);
    if (octets === undefined) return 'end';
    const text = octets.toString('latin1').slice(1);
    if (/^a=r&message=\*\r?\n/.test(text)) return [await this.#upload(text)];
    const queries = parseBatch(text, maxQueries);
    const replies: string[] = [];
    for (const query of queries) replies.push(await this.#answer(query));
    return replies.length === 0 ? noQuery : replies;
  }

  #state(what: string | undefined): readonly string[] {
    const { publicName } = this.#options;
    switch (what) {
      case 'state':
        return [
          `ac=${averageConfidence}`,
          `bql=${maxQueries}`,
          'bqs=128',
          'dre=4',
          `ep4=${ep4}`,
          'se=88',
          `srl=${serial}`,
        ];
      case 'csl':
      case 'nsl':
        // Twice: a client with one server in its list looks for others each time.
        return [formatName(what, publicName), formatName(what, publicName)];
      default:
        return ['err=202'];
    }
  }

  async #answer(query: Sis): Promise<string> {
    try {
      switch (query.get('a')) {
        case 'c':
          return await this.#check(query);
        case 'r':
          // The whole message identifies more than its signature.
          return this.#user === undefined ? 'err=213' : 'err=230';
        case 'revoke':
          return await this.#revoke(query);
        case 'reg':
          return this.#register(query);
        case 'ai':
          return this.#begin(query);
        case 'auth':
          return this.#prove(query);
        default:
          return 'err=202';
      }
    } catch (error) {
      if (!(error instanceof ClearinghouseBusy)) throw error;
      return 'err=100';
    }
  }

  async #check(query: Sis): Promise<string> {
    const key = keyOf(query);
    if (key === undefined) return 'err=202';
    const verdict = await this.#options.clearinghouse.check({ kind: 'keys', keys: [key] }, this.#source(), {
      counts: false,
    });
    return replyOf(verdict);
  }

  async #revoke(query: Sis): Promise<string> {
    const key = keyOf(query);
    if (this.#user === undefined) return 'err=213';
    if (key === undefined) return 'err=202';
    await this.#options.clearinghouse.revoke({ kind: 'keys', keys: [key] }, this.#source());
    return 'res=1';
  }

  async #upload(text: string): Promise<string> {
    if (this.#user === undefined) return 'err=213';
    const octets = Buffer.from(text.slice(text.indexOf('\n') + 1, -5), 'latin1');
    try {
      await this.#options.clearinghouse.report(
        { kind: 'message', octets: wholeMessage(octets) },
        this.#source(),
      );
      return 'res=1';
    } catch (error) {
      if (!(error instanceof ClearinghouseBusy)) throw error;
      return 'err=100';
    }
  }

  #register(query: Sis): string {
    const { accounts } = this.#options;
    const user = query.get('user');
    if (user !== undefined && accounts.has(user)) return 'err=210';
    const made = accounts.register(this.#visitor.address, { user, password: query.get('pass') });
    return made === undefined ? 'err=211' : formatSis({ pass: made.password, res: 1, user: made.user });
  }

  #begin(query: Sis): string {
    const user = query.get('user') ?? '';
    if (!this.#options.accounts.has(user)) return 'err=213';
    this.#claimed = user;
    this.#challenge = randomBytes(20).toString('hex');
    return `achal=${this.#challenge}`;
  }

  /** A challenge is good for one answer. */
  #prove(query: Sis): string {
    const user = this.#claimed;
    const challenge = this.#challenge;
    this.#claimed = undefined;
    if (user === undefined) return 'err=202';
    if (!this.#options.accounts.proves(user, { challenge, answer: query.get('aresp') ?? '' })) return 'res=0';
    this.#user = user;
    return 'res=1';
  }

  #source(): Source {
    const { name } = this.#options;
    const { address, isKnown } = this.#visitor;
    const user = this.#user;
    return {
      reporter: user === undefined ? `${name}:${address}` : `${name}:${user}`,
      // Registration is open to everybody.
      isKnown,
      recipients: [],
      client: address,
    };
  }
}

function formatName(key: string, name: string): string {
  return `${key}=${name}`;
}

function keyOf(query: Sis): LegacyKey | undefined {
  const [engine, value = ''] = [query.get('e'), query.get('s')];
  if (!/^[A-Za-z0-9_-]{4,64}$/.test(value)) return undefined;
  if (engine === '4') return { scheme: 'razor4', value };
  return engine === '8' ? { scheme: 'razor8', value } : undefined;
}

/** Confidence without presence would be read as presence by some: there is none of it where nothing is known. */
function replyOf({ confidence, count, isBulk, isReported, isContested, isAllowed }: Verdict): string {
  if (isAllowed || (!isBulk && !isReported) || count === 0) return 'p=0';
  return `cf=${confidence}&ct=${isContested ? 1 : 0}&p=1`;
}
