import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatReplyText } from '../mail/index.ts';
import { type ClientSession, type OutgoingMessage, openClient, type SendResult } from './index.ts';
import { clientOptions, fakeServer, inPieces, testAddress, testMessage } from './testing.ts';

/** The opening of a server that offers the keywords. */
function offering(...keywords: string[]): string {
  const lines = ['mx.example', ...keywords].map(
    (line, i, all) => `S: 250${i < all.length - 1 ? '-' : ' '}${line}`,
  );
  return `S: 220 mx.example\nC: EHLO client.example\n${lines.join('\n')}\n`;
}
const quit = '\nC: QUIT\nS: 221 bye\nWAIT';
const quick = () => AbortSignal.timeout(5000);

/** Plays the script to a client that runs `act`, and gives what the server was sent as content. */
async function play(
  script: string,
  act: (session: ClientSession) => Promise<void>,
): Promise<readonly string[]> {
  await using server = await fakeServer(script);
  await using session = await openClient(clientOptions(server.port));
  // Together, so that a step the client did not take is what the test fails with.
  await Promise.all([act(session).then(() => session.quit()), server.played]);
  return server.contents;
}

/** The outcome in a few words: the ending, then the replies. */
function inShort(result: SendResult): string {
  return [result.ending.kind, ...result.recipients.map((each) => formatReplyText(each))].join(' / ');
}

const hello = testMessage('Subject: hello\r\n\r\nhello\r\n');
const dots = testMessage('.first\r\n\r\n..\r\n.\r\nMAIL FROM:<evil@example>\r\n');
const two = ['b@example.net', 'c@example.net'];

interface Case {
  readonly name: string;
  readonly script: string;
  readonly message?: OutgoingMessage;
  readonly outcome: string;
  readonly contents?: readonly string[];
}

const cases: readonly Case[] = [
  {
    name: 'without PIPELINING every command waits for the reply to the one before',
    script: `${offering()}
      C: MAIL FROM:<a@example.org>
      S: 250 ok
      C: RCPT TO:<b@example.net>
      S: 250 ok
      C: DATA
      S: 354 go
      C.
      S: 250 2.0.0 queued${quit}`,
    outcome: 'complete / 250 2.0.0 queued',
    contents: ['Subject: hello\r\n\r\nhello\r\n.\r\n'],
  },
  {
    name: 'with PIPELINING the envelope and DATA go together and the replies are matched by count',
    script: `${offering('PIPELINING')}
      C: MAIL FROM:<a@example.org>
      C: RCPT TO:<b@example.net>
      C: RCPT TO:<c@example.net>
      C: DATA
      S: 250 ok
      S: 550 5.1.1 unknown
      S: 250 ok
      S: 354 go
      C.
      S: 250 queued${quit}`,
    message: testMessage('x\r\n', two),
    outcome: 'complete / 550 5.1.1 unknown / 250 queued',
  },
  {
    name: 'dots are stuffed so that nothing in the content ends it',
    script: `${offering()}
      C: MAIL FROM:<a@example.org>
      S: 250 ok
      C: RCPT TO:<b@example.net>
      S: 250 ok
      C: DATA
      S: 354 go
      C.
      S: 250 queued${quit}`,
    message: dots,
    outcome: 'complete / 250 queued',
    contents: ['..first\r\n\r\n...\r\n..\r\nMAIL FROM:<evil@example>\r\n.\r\n'],
  },
  {
    name: 'content without a line end at its end gets one',
    script: `${offering('SIZE')}
      C: MAIL FROM:<a@example.org> SIZE=6
      S: 250 ok
      C: RCPT TO:<b@example.net>
      S: 250 ok
      C: DATA
      S: 354 go
      C.
      S: 250 queued${quit}`,
    message: testMessage('text'),
    outcome: 'complete / 250 queued',
    contents: ['text\r\n.\r\n'],
  },
  {
    name: 'MAIL refused is the reply of every recipient, and DATA refused after it changes nothing',
    script: `${offering('PIPELINING')}
      C: MAIL FROM:<a@example.org>
      C: RCPT TO:<b@example.net>
      C: DATA
      S: 550 5.7.1 not you
      S: 503 no
      S: 503 no${quit}`,
    outcome: 'complete / 550 5.7.1 not you',
  },
  {
    name: 'without PIPELINING nothing follows a MAIL that was refused',
    script: `${offering()}
      C: MAIL FROM:<a@example.org>
      S: 451 later${quit}`,
    outcome: 'complete / 451 later',
  },
  {
    name: 'a lone dot follows when DATA is answered 354 although all recipients were refused',
    script: `${offering('PIPELINING')}
      C: MAIL FROM:<a@example.org>
      C: RCPT TO:<b@example.net>
      C: DATA
      S: 250 ok
      S: 550 no
      S: 354 go
      C.
      S: 554 nobody to send to${quit}`,
    outcome: 'complete / 550 no',
    contents: ['.\r\n'],
  },
  {
    name: 'DATA refused is the reply of the recipients that were accepted',
    script: `${offering('PIPELINING')}
      C: MAIL FROM:<a@example.org>
      C: RCPT TO:<b@example.net>
      C: RCPT TO:<c@example.net>
      C: DATA
      S: 250 ok
      S: 550 no
      S: 250 ok
      S: 451 not now${quit}`,
    message: testMessage('x\r\n', two),
    outcome: 'complete / 550 no / 451 not now',
  },
  {
    name: '552 to RCPT counts as 452',
    script: `${offering()}
      C: MAIL FROM:<a@example.org>
      S: 250 ok
      C: RCPT TO:<b@example.net>
      S: 552 5.5.3 too many${quit}`,
    outcome: 'complete / 452 4.5.3 too many',
  },
  {
    name: 'with CHUNKING a small message goes out together with its envelope',
    script: `${offering('PIPELINING', 'CHUNKING')}
      C: MAIL FROM:<a@example.org>
      C: RCPT TO:<b@example.net>
      C: RCPT TO:<c@example.net>
      C: BDAT 43 LAST
      C# 43
      S: 250 ok
      S: 250 ok
      S: 550 no
      S: 250 queued${quit}`,
    message: { ...dots, recipients: testMessage('', two).recipients },
    outcome: 'complete / 250 queued / 550 no',
    contents: ['.first\r\n\r\n..\r\n.\r\nMAIL FROM:<evil@example>\r\n'],
  },
  {
    name: 'with CHUNKING and all recipients refused the refusals stand, whatever BDAT is answered',
    script: `${offering('PIPELINING', 'CHUNKING')}
      C: MAIL FROM:<a@example.org>
      C: RCPT TO:<b@example.net>
      C: BDAT 3 LAST
      C# 3
      S: 250 ok
      S: 450 later
      S: 503 no recipients${quit}`,
    message: testMessage('x\r\n'),
    outcome: 'complete / 450 later',
  },
  {
    name: 'CHUNKING without PIPELINING spares the wait for 354',
    script: `${offering('CHUNKING')}
      C: MAIL FROM:<a@example.org>
      S: 250 ok
      C: RCPT TO:<b@example.net>
      S: 250 ok
      C: BDAT 3 LAST
      C# 3
      S: 250 queued${quit}`,
    message: testMessage('x\r\n'),
    outcome: 'complete / 250 queued',
  },
  {
    name: 'a message in pieces waits for its recipients before BDAT, with its prefix in front',
    script: `${offering('PIPELINING', 'CHUNKING')}
      C: MAIL FROM:<a@example.org>
      C: RCPT TO:<b@example.net>
      S: 250 ok
      S: 250 ok
      C: BDAT 17 LAST
      C# 17
      S: 250 queued${quit}`,
    message: { ...inPieces(testMessage('abc\r\ndef\r\n'), 4), prefix: Buffer.from('X: 12\r\n') },
    outcome: 'complete / 250 queued',
    contents: ['X: 12\r\nabc\r\ndef\r\n'],
  },
  {
    name: 'a message in pieces is stuffed across their borders',
    script: `${offering('PIPELINING')}
      C: MAIL FROM:<a@example.org>
      C: RCPT TO:<b@example.net>
      C: DATA
      S: 250 ok
      S: 250 ok
      S: 354 go
      C.
      S: 250 queued${quit}`,
    message: inPieces(dots, 1),
    outcome: 'complete / 250 queued',
    contents: ['..first\r\n\r\n...\r\n..\r\nMAIL FROM:<evil@example>\r\n.\r\n'],
  },
  {
    name: '421 in the middle of a group answers what is left of it',
    script: `${offering('PIPELINING')}
      C: MAIL FROM:<a@example.org>
      C: RCPT TO:<b@example.net>
      C: RCPT TO:<c@example.net>
      C: DATA
      S: 250 ok
      S: 550 no
      S: 421 4.3.2 going down
      END`,
    message: testMessage('x\r\n', two),
    outcome: 'closing / 550 no / 421 4.3.2 going down',
  },
  {
    name: '421 to the end of data is a reply, not a loss',
    script: `${offering()}
      C: MAIL FROM:<a@example.org>
      S: 250 ok
      C: RCPT TO:<b@example.net>
      S: 250 ok
      C: DATA
      S: 354 go
      C.
      S: 421 4.3.2 going down
      END`,
    outcome: 'closing / 421 4.3.2 going down',
  },
  {
    name: 'a connection lost after some replies keeps them and defers the rest',
    script: `${offering('PIPELINING')}
      C: MAIL FROM:<a@example.org>
      C: RCPT TO:<b@example.net>
      C: RCPT TO:<c@example.net>
      C: DATA
      S: 250 ok
      S: 550 no
      END`,
    message: testMessage('x\r\n', two),
    outcome: 'lost / 550 no / 451 4.4.2 the server closed the connection (rcpt)',
  },
  {
    name: 'a connection lost after the final dot is in doubt',
    script: `${offering()}
      C: MAIL FROM:<a@example.org>
      S: 250 ok
      C: RCPT TO:<b@example.net>
      S: 250 ok
      C: DATA
      S: 354 go
      C.
      END`,
    outcome: 'in-doubt / 451 4.4.2 the server closed the connection (end-of-data)',
  },
  {
    name: 'a connection lost after BDAT LAST is in doubt',
    script: `${offering('PIPELINING', 'CHUNKING')}
      C: MAIL FROM:<a@example.org>
      C: RCPT TO:<b@example.net>
      C: BDAT 3 LAST
      C# 3
      S: 250 ok
      S: 250 ok
      END`,
    message: testMessage('x\r\n'),
    outcome: 'in-doubt / 451 4.4.2 the server closed the connection (end-of-data)',
  },
  {
    name: 'a reply of the wrong kind ends the session and defers',
    script: `${offering()}
      C: MAIL FROM:<a@example.org>
      S: 354 go
      WAIT`,
    outcome: 'lost / 451 4.4.2 the server answered with 354 (mail)',
  },
  {
    name: '250 to DATA is no leave to send content',
    script: `${offering('PIPELINING')}
      C: MAIL FROM:<a@example.org>
      C: RCPT TO:<b@example.net>
      C: DATA
      S: 250 ok
      S: 250 ok
      S: 250 ok
      WAIT`,
    outcome: 'lost / 451 4.4.2 the server answered with 250 (data)',
  },
  {
    name: 'more replies than commands end the session, and what was said before the last holds',
    script: `${offering('PIPELINING', 'CHUNKING')}
      C: MAIL FROM:<a@example.org>
      C: RCPT TO:<b@example.net>
      C: BDAT 3 LAST
      C# 3
      S: 250 ok
      S: 250 ok
      S: 250 queued
      S: 250 and again
      WAIT`,
    message: testMessage('x\r\n'),
    outcome: 'complete / 250 queued',
  },
];

for (const { name, script, message, outcome, contents } of cases) {
  test(name, async () => {
    const got = await play(script, async (session) => {
      const result = await session.send(message ?? hello, quick());
      assert.equal(inShort(result), outcome);
      assert.equal(result.accepted, result.recipients.filter((each) => each.code < 300).length);
      assert.equal(session.isUsable, script.endsWith(quit), 'isUsable');
    });
    if (contents !== undefined) assert.deepEqual(got, contents);
  });
}

test('a transaction left open is reset before the next one, in the same group', async () => {
  const script = `${offering('PIPELINING')}
    C: MAIL FROM:<a@example.org>
    C: RCPT TO:<b@example.net>
    C: DATA
    S: 250 ok
    S: 550 no
    S: 554 no
    C: RSET
    C: MAIL FROM:<a@example.org>
    C: RCPT TO:<b@example.net>
    C: DATA
    S: 250 ok
    S: 250 ok
    S: 250 ok
    S: 354 go
    C.
    S: 250 queued
    C: MAIL FROM:<a@example.org>
    C: RCPT TO:<b@example.net>
    C: DATA
    S: 450 no
    S: 503 no
    S: 503 no${quit}`;
  await play(script, async (session) => {
    assert.equal(inShort(await session.send(hello, quick())), 'complete / 550 no');
    assert.equal(inShort(await session.send(hello, quick())), 'complete / 250 queued');
    assert.equal(inShort(await session.send(hello, quick())), 'complete / 450 no');
    assert.equal(session.messagesSent, 3);
  });
});

test('MAILMAX ends the use of a session', async () => {
  const script = `${offering('LIMITS MAILMAX=1')}
    C: MAIL FROM:<a@example.org>
    S: 451 later${quit}`;
  await play(script, async (session) => {
    await session.send(hello, quick());
    assert.equal(session.isUsable, false);
  });
});

test('what was offered is used: SIZE, BODY, SMTPUTF8 and the parameters of DSN', async () => {
  const message: OutgoingMessage = {
    ...testMessage('\xff\r\n', []),
    recipients: [
      {
        address: testAddress('b@example.net'),
        notify: ['success', 'delay'],
        originalRecipient: { type: 'rfc822', address: 'b+x@example.net' },
      },
      { address: testAddress('c@example.net'), notify: 'never' },
    ],
    ret: 'hdrs',
    envid: 'a b',
    smtputf8: true,
  };
  const refused = 'S: 450 no\n';
  await play(
    `${offering('SIZE 100', '8BITMIME', 'SMTPUTF8', 'DSN')}
    C: MAIL FROM:<a@example.org> SIZE=3 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=a+20b
    S: 250 ok
    C: RCPT TO:<b@example.net> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;b+2Bx@example.net
    ${refused}
    C: RCPT TO:<c@example.net> NOTIFY=NEVER
    ${refused}${quit}`,
    async (session) => assert.equal((await session.send(message, quick())).dsnOffered, true),
  );
});

test('what was not offered is not used', async () => {
  const message: OutgoingMessage = { ...hello, body: '8bitmime', ret: 'full', envid: 'x', reversePath: null };
  const script = `${offering()}
    C: MAIL FROM:<>
    S: 450 no${quit}`;
  await play(script, async (session) =>
    assert.equal((await session.send(message, quick())).dsnOffered, false),
  );
});

test('binary content goes out by BDAT with BODY=BINARYMIME, as it is', async () => {
  const contents = await play(
    `${offering('CHUNKING', 'BINARYMIME', 'PIPELINING')}
    C: MAIL FROM:<a@example.org> BODY=BINARYMIME
    C: RCPT TO:<b@example.net>
    C: BDAT 5 LAST
    C# 5
    S: 250 ok
    S: 250 ok
    S: 250 queued${quit}`,
    async (session) => {
      await session.send(testMessage('a\nb\0\r', undefined, { body: 'binarymime' }), quick());
    },
  );
  assert.deepEqual(contents, ['a\nb\0\r']);
});

test('what cannot be said to the server is refused before anything is sent', async () => {
  const wide = [{ address: testAddress('bücher@example.net') }];
  const unsendable: readonly (readonly [OutgoingMessage, string])[] = [
    [testMessage('\xff\r\n'), '8bitmime / 554 5.6.3'],
    [
      testMessage('x\r\n', undefined, { prefix: Buffer.from('X: \xff\r\n', 'latin1') }),
      '8bitmime / 554 5.6.3',
    ],
    [testMessage('a\nb\r\n'), 'binarymime / 554 5.6.3'],
    [testMessage('x\r\n', undefined, { smtputf8: true }), 'smtputf8 / 554 5.6.9'],
    [testMessage('x\r\n', undefined, { recipients: wide }), 'smtputf8 / 553 5.6.7'],
    [testMessage('x\r\n'.repeat(5)), 'size / 552 5.3.4'],
  ];
  await play(offering('SIZE 14') + quit, async (session) => {
    for (const [message, expected] of unsendable) {
      const { ending, recipients } = await session.send(message, quick());
      assert(ending.kind === 'unsendable');
      const said = formatReplyText(ending.unmet.reply);
      assert.equal(`${ending.unmet.needs} / ${said.slice(0, 9)}`, expected);
      assert.deepEqual(recipients, [ending.unmet.reply]);
    }
    assert.equal(session.isUsable, true);
    assert.equal(session.messagesSent, 0);
  });
});

test('SIZE 0 sets no limit', async () => {
  const script = `${offering('SIZE 0')}
    C: MAIL FROM:<a@example.org> SIZE=3
    S: 450 no${quit}`;
  await play(script, async (session) => {
    assert.equal((await session.send(testMessage('x\r\n'), quick())).ending.kind, 'complete');
  });
});

test('a refusal in the middle of the content is taken, and the session given up', async () => {
  await using server = await fakeServer(`${offering('PIPELINING')}
    C: MAIL FROM:<a@example.org>
    C: RCPT TO:<b@example.net>
    C: DATA
    S: 250 ok
    S: 250 ok
    S: 354 go
    C# 7
    S: 552 5.3.4 too big
    WAIT`);
  const session = await openClient(clientOptions(server.port));
  let release = () => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  const message = inPieces(testMessage('line 1\r\nline 2\r\n'), 8);
  async function* chunks() {
    yield Buffer.from('line 1\r');
    // The rest is not there before the server had its say.
    while (session.isUsable === false && !wasHeard()) await new Promise((resolve) => setImmediate(resolve));
    release();
    yield Buffer.from('\nline 2\r\n');
  }
  let replies = 0;
  const wasHeard = () => replies++ > 200;
  const octets = { size: 16, whole: undefined, chunks };
  const result = await session.send({ ...message, octets }, quick());
  await held;
  assert.equal(inShort(result), 'complete / 552 5.3.4 too big');
  assert.equal(session.isUsable, false);
  await server.played;
});

test('content that is shorter or longer than it was said to be, or cannot be read, is not completed', async () => {
  async function* failing() {
    yield Buffer.from('x\r\n');
    throw new Error('the disk is gone');
  }
  const { octets } = inPieces(testMessage('x\r\ny\r\n'), 3);
  for (const wrong of [
    { ...octets, size: 5 },
    { ...octets, size: 7 },
    { ...octets, chunks: failing },
  ]) {
    await using server = await fakeServer(`${offering()}
      C: MAIL FROM:<a@example.org>
      S: 250 ok
      C: RCPT TO:<b@example.net>
      S: 250 ok
      C: DATA
      S: 354 go
      C.`);
    const session = await openClient(clientOptions(server.port));
    const result = await session.send({ ...hello, octets: wrong }, quick());
    assert.equal(result.ending.kind, 'lost');
    assert.equal(formatReplyText(result.recipients[0] ?? assert.fail()).slice(0, 9), '451 4.3.0');
    await assert.rejects(server.played, /the client left/);
  }
});

test('content that belies its facts with a bare LF never gets its final dot', async () => {
  await using server = await fakeServer(`${offering('PIPELINING')}
    C: MAIL FROM:<a@example.org>
    C: RCPT TO:<b@example.net>
    C: DATA
    S: 250 ok
    S: 250 ok
    S: 354 go
    C.`);
  const session = await openClient(clientOptions(server.port));
  const { content } = dots;
  const result = await session.send({ ...testMessage('x\n.\r\n'), content }, quick());
  assert.equal(result.ending.kind, 'lost');
  await assert.rejects(server.played, /the client left; unread: ""/);
});

test('LMTP has a reply for each recipient that was accepted', async () => {
  for (const chunking of [false, true]) {
    const content = chunking ? 'C: BDAT 3 LAST\nC# 3' : 'C.';
    await using server = await fakeServer(`
      S: 220 lmtp
      C: LHLO client.example
      S: 250-lmtp
      S: 250${chunking ? '-CHUNKING\nS: 250' : ''} PIPELINING
      C: MAIL FROM:<a@example.org>
      C: RCPT TO:<b@example.net>
      C: RCPT TO:<c@example.net>
      C: RCPT TO:<d@example.net>
      ${chunking ? '' : 'C: DATA'}
      S: 250 ok
      S: 250 ok
      S: 550 no
      S: 250 ok
      ${chunking ? '' : 'S: 354 go'}
      ${content}
      S: 250 stored
      S: 452 4.2.2 full${quit}`);
    const session = await openClient(clientOptions(server.port, { protocol: 'lmtp' }));
    const message = testMessage('x\r\n', [...two, 'd@example.net']);
    const result = await session.send(message, quick());
    assert.equal(inShort(result), 'complete / 250 stored / 550 no / 452 4.2.2 full');
    assert.equal(result.accepted, 1);
    await session.quit();
    await server.played;
  }
});

test('LMTP that breaks off between its replies is in doubt for those that lack one', async () => {
  await using server = await fakeServer(`
    S: 220 lmtp
    C: LHLO client.example
    S: 250-lmtp
    S: 250 PIPELINING
    C: MAIL FROM:<a@example.org>
    C: RCPT TO:<b@example.net>
    C: RCPT TO:<c@example.net>
    C: DATA
    S: 250 ok
    S: 250 ok
    S: 250 ok
    S: 354 go
    C.
    S: 250 stored
    END`);
  const session = await openClient(clientOptions(server.port, { protocol: 'lmtp' }));
  const result = await session.send(testMessage('x\r\n', two), quick());
  assert.match(inShort(result), /^in-doubt \/ 250 stored \/ 451 4\.4\.2 /);
});

test('a kept session that the server has closed since is lost before MAIL', async () => {
  for (const last of ['END', 'S: 421 4.4.2 idle too long\nEND']) {
    await using server = await fakeServer(`${offering()}\n${last}`);
    const session = await openClient(clientOptions(server.port));
    while (session.isUsable) await new Promise((resolve) => setImmediate(resolve));
    const { ending, recipients } = await session.send(hello, quick());
    assert.equal(ending.kind, last === 'END' ? 'lost' : 'closing');
    assert.equal(recipients[0]?.code, last === 'END' ? 451 : 421);
    if (ending.kind === 'lost') assert.deepEqual([ending.error.code, ending.error.phase], ['closed', 'idle']);
  }
});

test('an abort in the middle of a transaction ends it at once', async () => {
  await using server = await fakeServer(`${offering()}
    C: MAIL FROM:<a@example.org>
    WAIT`);
  const session = await openClient(clientOptions(server.port));
  const controller = new AbortController();
  const sending = session.send(hello, controller.signal);
  setTimeout(() => controller.abort(), 10);
  const { ending } = await sending;
  assert(ending.kind === 'lost');
  assert.deepEqual([ending.error.code, ending.error.phase], ['aborted', 'mail']);
  await server.played;
});

test('an abort after a transaction leaves the session alone', async () => {
  const script = `${offering()}
    C: MAIL FROM:<a@example.org>
    S: 450 no${quit}`;
  await play(script, async (session) => {
    const controller = new AbortController();
    await session.send(hello, controller.signal);
    controller.abort();
    assert.equal(session.isUsable, true);
  });
});

test('every phase of a transaction has its deadline', async () => {
  const steps = [
    'C: MAIL FROM:<a@example.org>',
    'S: 250 ok',
    'C: RCPT TO:<b@example.net>',
    'S: 250 ok',
    'C: DATA',
  ];
  const phases = [
    ['mail', { mail: 30 }, 1, 'lost'],
    ['rcpt', { rcpt: 30 }, 3, 'lost'],
    ['data', { dataInit: 30 }, 5, 'lost'],
    ['end-of-data', { dataDone: 30 }, 7, 'in-doubt'],
  ] as const;
  for (const [phase, timeouts, length, kind] of phases) {
    const script = [...steps, 'S: 354 go', 'C.'].slice(0, length).join('\n');
    await using server = await fakeServer(`${offering()}${script}\nWAIT`);
    const session = await openClient(clientOptions(server.port, { timeouts }));
    const { ending } = await session.send(hello, quick());
    assert(ending.kind === kind);
    assert.deepEqual([ending.error.code, ending.error.phase], ['timeout', phase]);
    await server.played;
  }
});

test('a second transaction while one is under way is turned away and does no harm', async () => {
  const script = `${offering()}
    C: MAIL FROM:<a@example.org>
    S: 450 no${quit}`;
  await play(script, async (session) => {
    const first = session.send(hello, quick());
    const second = await session.send(hello, quick());
    assert(second.ending.kind === 'lost' && second.ending.error.code === 'busy');
    await assert.rejects(session.verify(null, { address: testAddress('b@example.net') }), { code: 'busy' });
    assert.equal(inShort(await first), 'complete / 450 no');
  });
});

test('a callout asks and resets, pipelined where that is offered', async () => {
  const recipient = { address: testAddress('b@example.net'), notify: 'never' as const };
  const pipelined = `${offering('PIPELINING', 'DSN')}
    C: MAIL FROM:<>
    C: RCPT TO:<b@example.net>
    C: RSET
    S: 250 ok
    S: 550 5.1.1 unknown
    S: 250 ok${quit}`;
  const stepwise = `${offering()}
    C: MAIL FROM:<>
    S: 250 ok
    C: RCPT TO:<b@example.net>
    S: 550 5.1.1 unknown
    C: RSET
    S: 250 ok${quit}`;
  for (const script of [pipelined, stepwise]) {
    await play(script, async (session) => {
      assert.equal(formatReplyText(await session.verify(null, recipient)), '550 5.1.1 unknown');
      assert.equal(session.isUsable, true);
    });
  }
});

test('a callout whose server breaks off rejects with a ClientError', async () => {
  for (const last of ['END', 'S: 354 what\nWAIT']) {
    await using server = await fakeServer(`${offering()}
      C: MAIL FROM:<>
      ${last}`);
    const session = await openClient(clientOptions(server.port));
    const asking = session.verify(null, { address: testAddress('b@example.net') });
    await assert.rejects(asking, { name: 'ClientError', code: last === 'END' ? 'closed' : 'protocol' });
    assert.equal(session.isUsable, false);
  }
});
