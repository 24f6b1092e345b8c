/** Tests of transactions whose envelope goes out behind the content of another message (RFC 2920 §3.1). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ClientSession, type OutgoingMessage, openClient, type SendResult } from './index.ts';
import {
  clientOptions,
  fakeServer,
  grouped,
  hello,
  inPieces,
  inShort,
  offering,
  quick,
  testAddress,
  testMessage,
  two,
} from './testing.ts';

/** The opening, and a first message, behind which nothing follows. */
const proven = `${offering('PIPELINING')}${grouped}
  S: 250 first`;

/** The envelope of the message that is followed, up to its content. */
const leading = `
  C: MAIL FROM:<a@example.org>
  C: RCPT TO:<b@example.net>
  C: DATA
  S: 250 ok
  S: 250 ok
  S: 354 go
  C.`;

/** The envelope that follows, which has come when the server answers the content before it. */
const following = `
  C: MAIL FROM:<a@example.org>
  C: RCPT TO:<z@example.net>
  C: DATA`;

const next = testMessage('Subject: next\r\n\r\n.next\r\n', ['z@example.net']);

/** Sends a message, one more, and a third from within the second; how the last two ended. */
async function overlap(
  session: ClientSession,
  { leader = hello, follower = next }: { leader?: OutgoingMessage; follower?: OutgoingMessage } = {},
) {
  assert.equal((await session.send(hello, quick(), () => assert.fail('not proven yet'))).accepted, 1);
  let behind: Promise<SendResult> | undefined;
  const first = await session.send(leader, quick(), () => {
    assert.equal(session.isUsable, true);
    behind = session.send(follower, quick());
    assert.equal(session.isUsable, false);
  });
  return { first, second: await behind };
}

interface Case {
  readonly name: string;
  readonly script: string;
  readonly leader?: OutgoingMessage;
  readonly follower?: OutgoingMessage;
  readonly outcome: readonly [first: string, second: string | undefined];
  /** The session is good for another message afterwards. */
  readonly isKept?: boolean;
}

const cases: readonly Case[] = [
  {
    name: 'the envelope of the next message goes out behind the content, and the replies are matched in order',
    script: `${following}
      S: 250 second
      S: 250 ok
      S: 250 ok
      S: 354 go
      C.
      S: 250 third`,
    outcome: ['complete / 250 second', 'complete / 250 third'],
    isKept: true,
  },
  {
    name: 'content that is refused leaves the MAIL behind it to the server',
    script: `${following}
      S: 554 spam
      S: 250 ok
      S: 250 ok
      S: 354 go
      C.
      S: 250 third`,
    outcome: ['complete / 554 spam', 'complete / 250 third'],
    isKept: true,
  },
  {
    name: 'a server that does not begin anew after refused content says so to MAIL, and nothing more is sent',
    script: `${following}
      S: 554 spam
      S: 503 nested MAIL
      S: 503 no
      S: 503 no`,
    outcome: ['complete / 554 spam', 'complete / 503 nested MAIL'],
    isKept: true,
  },
  {
    name: 'a server that refuses MAIL and takes content is given none, not even a dot: it would be for the message before',
    script: `${following}
      S: 554 spam
      S: 503 nested MAIL
      S: 250 ok
      S: 354 go
      WAIT`,
    outcome: ['complete / 554 spam', 'complete / 503 nested MAIL'],
  },
  {
    name: 'a lone dot follows when all recipients of the next message are refused and DATA is not',
    script: `${following}
      S: 250 second
      S: 250 ok
      S: 550 unknown
      S: 354 go
      C.
      S: 554 nobody`,
    outcome: ['complete / 250 second', 'complete / 550 unknown'],
    isKept: true,
  },
  {
    name: '421 to the end of data is the end of both, of which the second was not begun',
    script: `${following}
      S: 421 bye
      WAIT`,
    outcome: ['closing / 421 bye', 'closing / 421 bye'],
  },
  {
    name: '421 to MAIL takes nothing away from the message before',
    script: `${following}
      S: 250 second
      S: 421 bye
      END`,
    outcome: ['complete / 250 second', 'closing / 421 bye'],
  },
  {
    name: 'a connection lost before the end of data is answered leaves the first in doubt, and the second was not begun',
    script: `${following}
      END`,
    outcome: [
      'in-doubt / 451 4.4.2 the server closed the connection (end-of-data)',
      'lost closed idle / 451 4.4.2 the server closed the connection (end-of-data)',
    ],
  },
  {
    name: 'a server that closes after each message has taken the first, and not begun the second',
    script: `${following}
      S: 250 second
      END`,
    outcome: [
      'complete / 250 second',
      'lost closed idle / 451 4.4.2 the server closed the connection (mail)',
    ],
  },
  {
    name: 'a reply to the end of data that is none ends both',
    script: `${following}
      S: 354 what
      WAIT`,
    outcome: [
      'in-doubt / 451 4.4.2 the server answered with 354 (end-of-data)',
      'lost closed idle / 451 4.4.2 the server answered with 354 (end-of-data)',
    ],
  },
  {
    name: 'a connection lost in the envelope that follows is lost after MAIL',
    script: `${following}
      S: 250 second
      S: 250 ok
      END`,
    outcome: [
      'complete / 250 second',
      'lost closed rcpt / 451 4.4.2 the server closed the connection (rcpt)',
    ],
  },
  {
    name: 'a second message that the server cannot take is not sent, and does the first no harm',
    script: '\nS: 250 second',
    follower: testMessage('\xe4\r\n'),
    outcome: ['complete / 250 second', 'unsendable / 554 5.6.3 the next hop does not offer 8BITMIME'],
    isKept: true,
  },
  {
    name: 'a fault in the envelope that follows does the message before no harm',
    script: '\nS: 250 second',
    follower: { ...next, recipients: [{ address: { ...testAddress('b@example.net'), text: 'b\r\n' } }] },
    outcome: [
      'complete / 250 second',
      'lost internal mail / 451 4.3.0 a fault of this relay: RangeError: RCPT would hold a control character',
    ],
    isKept: true,
  },
  {
    name: 'a large message follows with its envelope',
    script: `${following}
      S: 250 second
      S: 250 ok
      S: 250 ok
      S: 354 go
      C.
      S: 250 third`,
    follower: inPieces(next, 3),
    outcome: ['complete / 250 second', 'complete / 250 third'],
    isKept: true,
  },
  {
    name: 'nothing follows on a message that is written in pieces',
    script: '\nS: 250 second',
    leader: inPieces(hello, 3),
    outcome: ['complete / 250 second', undefined],
    isKept: true,
  },
];

function inWords(result: SendResult): string {
  const { ending } = result;
  const short = inShort(result);
  return ending.kind === 'lost'
    ? short.replace('lost', `lost ${ending.error.code} ${ending.error.phase}`)
    : short;
}

for (const { name, script, outcome, isKept = false, ...messages } of cases) {
  for (const isDripping of isKept ? [false, true] : [false]) {
    test(isDripping ? `${name}, an octet at a time` : name, async () => {
      await using server = await fakeServer(
        `${proven}${leading}${script}${isKept ? '\nC: QUIT\nS: 221 bye\nWAIT' : ''}`,
        { isDripping },
      );
      await using session = await openClient(clientOptions(server.port));
      const act = async () => {
        const { first, second } = await overlap(session, messages);
        assert.deepEqual([inShort(first), second && inWords(second)], outcome);
        assert.deepEqual([session.isUsable, session.isBusy], [isKept, false]);
        assert.equal(first.isFollowed, script.startsWith(following));
        await session.quit();
      };
      await Promise.all([act(), server.played]);
    });
  }
}

test('a transaction that the server did not let go of for the MAIL that followed is reset before the next', async () => {
  await using server = await fakeServer(`${proven}${leading}${following}
    S: 554 spam
    S: 503 nested MAIL
    S: 503 no
    S: 503 no
    C: RSET
    C: MAIL FROM:<a@example.org>
    C: RCPT TO:<b@example.net>
    C: DATA
    S: 250 ok
    S: 250 ok
    S: 250 ok
    S: 354 go
    C.
    S: 250 fourth`);
  const session = await openClient(clientOptions(server.port));
  await overlap(session);
  assert.equal(inShort(await session.send(hello, quick())), 'complete / 250 fourth');
  session.close();
});

test('what is put off, and servers without PIPELINING or with CHUNKING, have nothing follow', async () => {
  const refusal = `
    C: MAIL FROM:<a@example.org>
    C: RCPT TO:<b@example.net>
    C: RCPT TO:<c@example.net>
    C: DATA
    S: 250 ok
    S: 250 ok
    S: 452 later
    S: 354 go
    C.
    S: 250 second`;
  await using server = await fakeServer(`${proven}${refusal}\nWAIT`);
  const session = await openClient(clientOptions(server.port));
  const { first, second } = await overlap(session, { leader: testMessage('x\r\n', two) });
  assert.deepEqual([inShort(first), second], ['complete / 250 second / 452 later', undefined]);
  session.close();
  for (const keywords of [[], ['CHUNKING'], ['PIPELINING', 'CHUNKING']]) {
    const one = `
      C: MAIL FROM:<a@example.org>
      ${keywords.includes('PIPELINING') ? '' : 'S: 250 ok'}
      C: RCPT TO:<b@example.net>
      ${keywords.includes('PIPELINING') ? '' : 'S: 250 ok'}
      ${keywords.includes('CHUNKING') ? `C: BDAT ${hello.octets.size} LAST\nC# ${hello.octets.size}` : 'C: DATA\nS: 354 go\nC.'}
      ${keywords.includes('PIPELINING') ? 'S: 250 ok\nS: 250 ok' : ''}
      S: 250 taken`;
    await using plain = await fakeServer(`${offering(...keywords)}${one}${one}\nWAIT`);
    const other = await openClient(clientOptions(plain.port));
    assert.equal((await overlap(other)).second, undefined, keywords.join(' '));
    other.close();
  }
});

test('a signal that fires ends both, and a second message behind the same content is turned away', async () => {
  await using server = await fakeServer(`${proven}${leading}${following}\nWAIT`);
  const session = await openClient(clientOptions(server.port));
  await session.send(hello, quick());
  const end = new AbortController();
  let behind: Promise<SendResult> | undefined;
  let third: Promise<SendResult> | undefined;
  const first = session.send(hello, end.signal, () => {
    behind = session.send(next, end.signal);
    third = session.send(next, end.signal);
  });
  // All is written before the signal fires.
  while (!session.isBusy || behind === undefined) await new Promise((resolve) => setImmediate(resolve));
  end.abort();
  const codes = [await first, await behind, await third].map((result) =>
    result !== undefined && 'error' in result.ending ? result.ending.error.code : result?.ending.kind,
  );
  assert.deepEqual(codes, ['aborted', 'aborted', 'busy']);
});
