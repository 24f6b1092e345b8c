/** Fuzz targets of this folder: replies of a server, and texts in commands. */
import { type Duplex, duplexPair } from 'node:stream';
import { ClientError } from './client-error.ts';
import type { OutgoingMessage, SendResult } from './message.ts';
import { openOver } from './open.ts';
import type { ClientOptions } from './options.ts';
import type { ClientSession } from './session.ts';
import { clientOptions, inPieces, testAddress, testMessage } from './testing.ts';
import { checkOverlap } from './testing-overlap.ts';

/** A fuzz target: a name, and a function that throws if the input uncovers a fault. */
export interface FuzzTarget {
  readonly name: string;
  run(input: Uint8Array): Promise<void> | void;
}

const extensions = 'PIPELINING\r\n250-SIZE 9999\r\n250-8BITMIME\r\n250-DSN\r\n250-LIMITS MAILMAX=9';

/** The replies that bring a client to a phase, before the input takes over. */
const openings: readonly (readonly string[])[] = [
  [],
  ['220 hi\r\n'],
  ['220 hi\r\n', '250-hi\r\n250-STARTTLS\r\n250 SIZE\r\n', '220 go\r\n'],
  ['220 hi\r\n', '250 hi\r\n'],
  ['220 hi\r\n', '250 hi\r\n', '250 ok\r\n', '250 ok\r\n', '354 go\r\n'],
  ['220 hi\r\n', `250-hi\r\n250 ${extensions}\r\n`],
  ['220 hi\r\n', `250-hi\r\n250-${extensions}\r\n250 CHUNKING\r\n`],
  ['220 hi\r\n', `250-hi\r\n250-${extensions}\r\n250 HELP\r\n`, '250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n'],
];

const message = testMessage('Subject: x\r\n\r\n.text\r\n', ['b@example.net', 'c@example.net']);

/**
 * A server with random replies: the first octet of the input chooses how far the dialogue goes by the book, the second
 * how the rest of the input is cut into chunks, and then the server closes.
 */
async function talkTo(input: Uint8Array, protocol: ClientOptions['protocol']): Promise<void> {
  const [near, far] = duplexPair();
  const opening = [...(openings[(input[0] ?? 0) % openings.length] ?? [])];
  const size = ((input[1] ?? 0) % 40) + 1;
  const chunks: string[] = [];
  for (let at = 2; at < input.length; at += size) {
    chunks.push(Buffer.from(input.subarray(at, at + size)).toString('latin1'));
  }
  const speak = () => {
    const next = opening.shift() ?? chunks.shift();
    if (next === undefined) far.end();
    else far.write(next, 'latin1');
    return next !== undefined;
  };
  // By the book a reply for each write of the client; after that everything there is.
  const answer = () => {
    if (opening.length > 0) speak();
    else while (speak());
  };
  far.on('error', () => {});
  far.on('data', answer);
  answer();
  const options = clientOptions(0, { protocol, tls: 'opportunistic', timeouts: { quit: 10 } });
  try {
    await converse(await openOver(near, options));
  } catch (error) {
    if (!(error instanceof ClientError)) throw error;
  } finally {
    far.destroy();
  }
}

/** Uses everything of a session; checks the promises of the API for any replies. */
async function converse(session: ClientSession): Promise<void> {
  const { signal } = new AbortController();
  try {
    let behind: Promise<SendResult> | undefined;
    const follow = () => {
      behind = session.send(message, signal);
    };
    for (const send of [
      () => session.send(inPieces(message, 5), signal),
      () => session.send(message, signal, follow),
      () => behind ?? session.send(message, signal),
    ]) {
      const result = await send();
      if (result.recipients.length !== message.recipients.length) throw new Error('a recipient has no reply');
      const accepted = result.recipients.filter((found) => found.code >= 200 && found.code < 300).length;
      if (accepted !== result.accepted) throw new Error('the count of accepted recipients is wrong');
      if (result.recipients.some((found) => found.code >= 300 && found.code < 400))
        throw new Error('3yz is final');
    }
    await session.verify(null, { address: testAddress('b@example.net') });
  } finally {
    await session.quit();
  }
}

/** The texts of a greeting and an envelope, of any origin. */
export interface SaidText {
  readonly helo: string;
  readonly from: string;
  readonly to: readonly string[];
  readonly type: string;
  readonly original: string;
  readonly envid: string;
  /** RET and NOTIFY, which types alone hold to their words. */
  readonly word: string;
}

/** Lines that a client may write: its commands, and of the content an empty line and the final dot. */
const command = /^(?:(?:EHLO|HELO|MAIL|RCPT|BDAT) [ -~\u0080-\u00ff]*|DATA|RSET|QUIT|\.?)$/;

/**
 * Sends all commands of a client with this text to a server that accepts everything. Throws when a control octet
 * leaves, or more commands than the envelope has.
 */
export async function checkCommands(text: SaidText, keywords: readonly string[]): Promise<void> {
  const [near, far] = duplexPair();
  const lines = takeEverything(far, keywords);
  const message = messageOf(text);
  try {
    const session = await openOver(near, clientOptions(0, { helo: text.helo, timeouts: { quit: 10 } }));
    await session.send(message, new AbortController().signal);
    await session.verify(message.reversePath, message.recipients[0] ?? { address: testAddress('a@b') });
    await session.quit();
  } catch (error) {
    if (!(error instanceof ClientError)) throw error;
  } finally {
    far.destroy();
  }
  const odd = lines.find((line) => !command.test(line));
  if (odd !== undefined) throw new Error(`no command of a client: ${JSON.stringify(odd)}`);
  const count = (verb: string) => lines.filter((line) => line.startsWith(verb)).length;
  if (count('MAIL') > 2 || count('RCPT') > message.recipients.length + 1)
    throw new Error(`more was said than the envelope has: ${JSON.stringify(lines)}`);
}

function takeEverything(stream: Duplex, keywords: readonly string[]): readonly string[] {
  const lines: string[] = [];
  let received = '';
  stream.on('error', () => {});
  stream.on('data', (chunk: Buffer) => {
    received += chunk.toString('latin1');
    for (let end = received.indexOf('\r\n'); end >= 0; end = received.indexOf('\r\n')) {
      const line = received.slice(0, end);
      received = received.slice(end + 2);
      lines.push(line);
      if (line.startsWith('EHLO'))
        stream.write(`250-hi\r\n250-DSN\r\n250-${keywords.join('\r\n250-')}\r\n250 HELP\r\n`);
      else if (line !== '' && !line.startsWith('BDAT'))
        stream.write(line === 'DATA' ? '354 go\r\n' : '250 ok\r\n');
      else if (line === '' && lines.at(-2)?.startsWith('BDAT') === true) stream.write('250 ok\r\n');
    }
  });
  stream.write('220 hi\r\n');
  return lines;
}

/** An envelope with texts that should never have been accepted. */
function messageOf(text: SaidText): OutgoingMessage {
  const address = (name: string) => ({ ...testAddress('a@example.net'), text: name, localPart: name });
  return {
    ...testMessage('\r\n', []),
    reversePath: address(text.from),
    recipients: text.to.map((each) => ({
      address: address(each),
      notify: [text.word] as never,
      originalRecipient: { type: text.type, address: text.original },
    })),
    envid: text.envid,
    ret: text.word as never,
  };
}

const said: readonly (readonly string[])[] = [
  ['SMTPUTF8', 'SIZE'],
  ['SMTPUTF8', 'PIPELINING'],
  ['SMTPUTF8', 'PIPELINING', 'CHUNKING', '8BITMIME'],
];

/** Random text in every parameter; its pieces are divided by NULs, and the last ones are the usual. */
async function checkRandom(input: Uint8Array): Promise<void> {
  const [helo, from, to, more, type, original, envid, word] = Buffer.from(input.subarray(1))
    .toString('utf8')
    .split('\0');
  await checkCommands(
    {
      helo: helo || 'client.example',
      from: from || 'a@example.org',
      to: [to || 'b@example.net', more || 'c@example.net'],
      type: type || 'rfc822',
      original: original || 'b@example.net',
      envid: envid || 'id',
      word: word || 'failure',
    },
    said[(input[0] ?? 0) % said.length] ?? [],
  );
}

/** Random octets from the server, in every phase; random envelopes, of which no control octet may leave. */
export const fuzzTargets: readonly FuzzTarget[] = [
  { name: 'client/smtp', run: (input) => talkTo(input, 'smtp') },
  { name: 'client/commands', run: checkRandom },
  { name: 'client/overlap', run: checkOverlap },
  { name: 'client/lmtp', run: (input) => talkTo(input, 'lmtp') },
];
