import { duplexPair } from 'node:stream';
import { ClientError } from './client-error.ts';
import { openOver } from './open.ts';
import type { ClientOptions } from './options.ts';
import type { ClientSession } from './session.ts';
import { clientOptions, inPieces, testAddress, testMessage } from './testing.ts';

/** What a fuzz runner needs: a name, and something that throws when the input uncovered a fault. */
export interface FuzzTarget {
  readonly name: string;
  run(input: Uint8Array): Promise<void> | void;
}

const extensions = 'PIPELINING\r\n250-SIZE 9999\r\n250-8BITMIME\r\n250-DSN\r\n250-LIMITS MAILMAX=9';

/** What a server says to get a client to a phase, before the input takes over. */
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
 * A server that says random things: the first octet of the input chooses how far the dialogue goes by the
 * book, the second how the rest of the input is cut into chunks, and then the server closes.
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

/** Everything a session can do; checks what the API promises whatever the server says. */
async function converse(session: ClientSession): Promise<void> {
  const { signal } = new AbortController();
  try {
    for (const each of [message, inPieces(message, 5)]) {
      const result = await session.send(each, signal);
      if (result.recipients.length !== each.recipients.length) throw new Error('a recipient has no reply');
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

/** Random octets from the server, in every phase. */
export const fuzzTargets: readonly FuzzTarget[] = [
  { name: 'client/smtp', run: (input) => talkTo(input, 'smtp') },
  { name: 'client/lmtp', run: (input) => talkTo(input, 'lmtp') },
];
