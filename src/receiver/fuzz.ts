/**
 * Fuzz targets of this folder: a session in every state, fed with anything, and the readers of headers. Each takes any
 * octets and throws if an invariant is broken.
 */
import assert from 'node:assert/strict';
import { createSecureContext } from 'node:tls';
import { Background, IpSet, manualClock, memoryLog, parseCidr } from '../base/index.ts';
import { parseDomain, parsePattern, QueueIdSource, reply } from '../mail/index.ts';
import {
  type Authenticator,
  defaultLimits,
  type Intake,
  type Policy,
  type ReceiverSettings,
  Session,
} from './index.ts';
import { completed } from './testing.ts';

export const fuzzTargets: readonly {
  readonly name: string;
  run(input: Uint8Array): Promise<void> | void;
}[] = [
  { name: 'receiver/session', run: (input) => checkSession(input, { mayXclient: false }) },
  { name: 'receiver/session-xclient', run: (input) => checkSession(input, { mayXclient: true }) },
  { name: 'receiver/author', run: checkAuthor },
];

const hello = 'EHLO c.example\r\n';
const mail = `${hello}MAIL FROM:<a@b.example>\r\n`;
const rcpt = `${mail}RCPT TO:<u@d.example>\r\n`;
const binary = `${hello}MAIL FROM:<> BODY=BINARYMIME\r\nRCPT TO:<u@d.example>\r\n`;

/** Lines that bring a session into each of its states. */
const openings: readonly string[] = [
  '',
  hello,
  'HELO c.example\r\n',
  mail,
  rcpt,
  `${rcpt}DATA\r\n`,
  `${rcpt}DATA\r\nSubject: x\r\n\r\n.`,
  `${rcpt}BDAT 20\r\n`,
  `${rcpt}BDAT 4\r\nab\r\n`,
  `${rcpt}BDAT 3\r\nab\r`,
  `${rcpt}BDAT 9 LAST\r\n`,
  `${binary}BDAT 9\r\n`,
  `${mail}BDAT 9 LAST\r\n`,
  `${hello}NOOP\n`,
  `${hello}NOOP ${'x'.repeat(5000)}`,
  `${hello}STARTTLS\r\n`,
  `${hello}AUTH ASK\r\n`,
  `${hello}AUTH ASK\r\nYQ==\r\n`,
  `${hello}AUTH ASK eA==\r\nMAIL FROM:<a@b.example>\r\n`,
];

/** Answers at once or later, by the recipient. */
const policy: Policy = {
  refuseSender: () => undefined,
  decide({ recipient }) {
    const decision = recipient.localPart.startsWith('x')
      ? ({ kind: 'refusal', reply: reply(550, '7.1', 'no'), because: 'x' } as const)
      : ({ kind: 'grant', ground: 'recipient', because: 'any', to: [recipient] } as const);
    return recipient.localPart.startsWith('l') ? Promise.resolve(decision) : decision;
  },
};

/** Asks as long as it is answered with an even number of octets; an `x` first is somebody. */
const authenticator: Authenticator = {
  mechanisms: () => ['ASK'],
  renew: (identity) => identity,
  begin: (mechanism) =>
    mechanism === 'ASK'
      ? {
          takesInitial: true,
          cancel() {},
          async step(response) {
            if (response?.[0] === 120)
              return { kind: 'success', identity: { name: 'x', mechanism, senders: [] } };
            if ((response?.length ?? 0) % 2 === 0) return { kind: 'challenge', octets: Buffer.from('more') };
            return { kind: 'failure', reply: reply(535, '7.8', 'no'), because: 'odd' };
          },
        }
      : undefined,
};

const domain = parseDomain('d.example');
const limits = {
  ...defaultLimits,
  messageBytes: 300,
  recipients: 3,
  hops: 2,
  transactions: 1e6,
  commandErrors: 1e6,
  deferredRecipients: 1e6,
  idleCommands: 1e6,
};

function settings(mayXclient: boolean): ReceiverSettings {
  assert.ok(domain !== undefined);
  const xclientFrom = new IpSet(mayXclient ? [parseCidr('127.0.0.1') ?? assert.fail()] : []);
  const secureContext = createSecureContext();
  const given = { limits, policy, xclientFrom, secureContext, authenticator };
  return { hostname: 'r.example', postmasterDomain: domain, ...given };
}
const settingsOf = { plain: settings(false), xclient: settings(true) };

/** A session whose replies are gathered. */
class Bench {
  readonly log = memoryLog();
  readonly background = new Background(this.log);
  readonly session: Session;
  said = '';
  readonly messages: string[] = [];
  #open = 0;

  constructor(options: { readonly mayXclient: boolean }) {
    const wire = {
      write: (text: string) => {
        this.said += text;
      },
      pause() {},
      resume() {},
      end() {},
      startTls: () => this.session.secured({ version: 'TLSv1.3', cipher: 'TLS_AES_256_GCM_SHA384' }),
    };
    const proxyProtocolFrom = new IpSet([]);
    const listener = {
      name: 'mx',
      role: 'mx',
      host: '',
      port: 0,
      tls: 'starttls',
      offersAuth: true,
      proxyProtocolFrom,
    } as const;
    const facts = { id: 's', listener, address: '127.0.0.1', port: 1 };
    const parts = {
      intake: this.#intake(),
      clock: manualClock(),
      log: this.log,
      background: this.background,
    };
    this.session = new Session(
      { ...facts, settings: options.mayXclient ? settingsOf.xclient : settingsOf.plain },
      parts,
      wire,
    );
    this.session.greet();
  }

  /** Line by line, waiting for each reply. */
  async begin(opening: string): Promise<void> {
    for (const line of opening.split(/(?<=\n)/)) await this.receive(Buffer.from(line));
  }

  /** Lets everything happen that follows. */
  async receive(octets: Buffer): Promise<void> {
    this.session.receive(octets);
    await this.background.drain();
  }

  /** The peer goes away; checks that nothing is left, and that no bug was answered for. */
  close(): void {
    this.session.closed();
    assert.equal(this.#open, 0, 'a message was neither committed nor discarded');
    const bugs = this.log.lines.filter(({ event }) => event.endsWith('-failed'));
    assert.deepEqual(bugs, []);
    assert.match(this.said, /^(?:\d{3}[ -][ -~]{0,507}\r\n)*$/, 'every line is one of a reply');
  }

  #intake(): Intake {
    const ids = new QueueIdSource({ shard: 0, now: () => 1 });
    return {
      refusal: () => undefined,
      begin: () => {
        const id = ids.next();
        const pieces: string[] = [];
        let isOver = false;
        this.#open++;
        const finish = () => {
          if (!isOver) this.#open--;
          isOver = true;
        };
        return {
          id,
          write: (octets) => {
            assert.ok(!isOver, 'written after its end');
            pieces.push(Buffer.from(octets).toString('latin1'));
            return undefined;
          },
          commit: async (envelope) => {
            assert.ok(!isOver, 'committed after its end');
            finish();
            const content = pieces.slice(1).join('');
            assert.ok(envelope.recipients.length > 0, 'a message for nobody');
            assert.equal(envelope.content.size, content.length);
            // With the empty line before a first line that begins with a blank.
            assert.ok(content.length <= limits.messageBytes + 2);
            const isText = !/\r(?!\n)|(?<!\r)\n|\0/.test(content);
            assert.ok(isText || envelope.body === 'binarymime', 'octets that no text has');
            this.messages.push(content);
            return reply(250, '0.0', `queued as ${id}`);
          },
          discard: finish,
        };
      },
    };
  }
}

/** The first octet chooses the state, the second how the rest is cut. */
async function checkSession(input: Uint8Array, options: { readonly mayXclient: boolean }): Promise<void> {
  const opening = openings[(input[0] ?? 0) % openings.length] ?? '';
  const size = ((input[1] ?? 0) % 40) + 1;
  const rest = Buffer.from(input.subarray(2));
  const single = await talkByOctets(opening, rest, options);
  if (options.mayXclient) return;
  for (const each of [size, rest.length + 1]) {
    const bench = new Bench(options);
    await bench.begin(opening);
    for (let at = 0; at < rest.length; at += each) await bench.receive(rest.subarray(at, at + each));
    bench.close();
    // The same, wherever the chunks end, up to a command that was not waited for.
    const outOfStep = /554 5\.5\.0 commands came before they were allowed\r\n$/;
    const isSame = outOfStep.test(bench.said)
      ? single.said.startsWith(bench.said.replace(outOfStep, ''))
      : single.said === bench.said;
    assert.ok(isSame, `${JSON.stringify(bench.said)} in chunks, ${JSON.stringify(single.said)} by octets`);
    assert.deepEqual(bench.messages, single.messages.slice(0, bench.messages.length));
  }
}

/** Octet by octet, so that each reply can be told to be due: one for each command, and for each content. */
async function talkByOctets(opening: string, rest: Buffer, options: { readonly mayXclient: boolean }) {
  const bench = new Bench(options);
  await bench.begin(opening);
  const count = new ReplyCount(opening);
  for (const octet of rest) {
    const before = bench.session.state;
    const said = bench.said.length;
    await bench.receive(Buffer.from([octet]));
    const replies = bench.said.slice(said).match(/^\d{3} /gm)?.length ?? 0;
    const due = count.due(octet, before, bench.session.state);
    assert.equal(replies, due, `after ${before.at}: ${JSON.stringify(bench.said)}`);
  }
  bench.close();
  return bench;
}

/** Knows how many replies are due, by its own reading of the lines. */
class ReplyCount {
  #previous = 0;
  /** The line was answered for a bare LF already. */
  #isTail: boolean;

  constructor(opening: string) {
    this.#isTail = /(?<!\r)\n$/.test(opening);
  }

  due(octet: number, before: Session['state'], after: Session['state']): number {
    const previous = this.#previous;
    this.#previous = octet;
    if (before.at === 'closed') return 0;
    if (before.at === 'content' || before.at === 'discard') {
      if (after.at === before.at) return 0;
      this.#previous = 0;
      return 1;
    }
    if (octet !== 10) return 0;
    const isLine = previous === 13;
    const wasAnswered = isLine && this.#isTail;
    this.#isTail = !isLine;
    const isChunk = after.at === 'discard' || (after.at === 'content' && after.by !== 'data');
    return wasAnswered || isChunk ? 0 : 1;
  }
}

/** The pieces of From fields, honest ones and others; each octet of the input is one. */
const pieces = [
  ...['boris@home.example', 'boss@home.example', 'boss', '@', 'home.example', 'Boris', "'", '.', '\uff20'],
  ...['<', '>', '"', '(', ')', ',', ':', ';', ' ', '\\', '\r\n ', '\t', '[', ']', '\u200b', '\u202e', '\xff'],
  ...[
    '=?utf-8?q?boss=40home.example?=',
    '=?utf-8?q?boss?=',
    '=?us-ascii?b?QGhvbWUuZXhhbXBsZQ==?=',
    '=?',
    '?=',
  ],
];
const boris = { name: 'boris@home.example', senders: [parsePattern('boris@home.example') ?? assert.fail()] };

/** No simple reader finds an address of somebody else in a From that passed. */
function checkAuthor(input: Uint8Array): void {
  const words = [...input.subarray(1, 200)].map((octet) => pieces[octet % pieces.length]).join('');
  const ends = ['<boris@home.example>', 'boris@home.example', ''];
  const value = words + ends[(input[0] ?? 0) % ends.length];
  const octets = Buffer.from(`From: ${value}\r\nSubject: a\r\n`);
  const header = completed(octets, { identity: boris, hostname: 'r.example', now: 0 });
  if ('code' in header) return;
  const text = value.replace(/\r\n(?=[ \t])/g, '');
  const decoded = text
    .replace(/(\?=)[ \t]+(?==\?)/g, '$1')
    .replaceAll('=?us-ascii?b?QGhvbWUuZXhhbXBsZQ==?=', '@home.example')
    .replace(/=\?utf-8\?q\?(.*?)\?=/g, (_, word: string) => word.replaceAll('=40', '@'));
  for (const reading of [text, decoded, decoded.replace(/["\\]/g, ''), decoded.replace(/\([^()]*\)/g, '')])
    for (const [found] of reading.matchAll(/[A-Za-z0-9.]+[@\uff20][A-Za-z0-9]+(?:\.[A-Za-z0-9]+)+/g))
      assert.equal(found.toLowerCase(), 'boris@home.example', JSON.stringify(value));
}
