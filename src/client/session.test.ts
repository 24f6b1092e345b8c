import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { formatReplyText } from '../mail/index.ts';
import { type OutgoingMessage, openClient } from './index.ts';
import {
  clientOptions,
  dots,
  fakeServer,
  grouped,
  hello,
  inPieces,
  inShort,
  offering,
  play,
  quick,
  quit,
  stepwise,
  testAddress,
  testMessage,
  two,
} from './testing.ts';

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
    C*
    S: 552 5.3.4 too big
    WAIT*`);
  const session = await openClient(clientOptions(server.port));
  let isStopped = false;
  async function* chunks() {
    try {
      for (;;) {
        yield Buffer.from('line 1\r\n');
        await setImmediate();
      }
    } finally {
      isStopped = true;
    }
  }
  const octets = { size: 1_000_000_000, whole: undefined, chunks };
  const result = await session.send({ ...hello, octets }, quick());
  assert.ok(isStopped);
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
    await using server = await fakeServer(`${offering()}${stepwise}`);
    const session = await openClient(clientOptions(server.port));
    const result = await session.send({ ...hello, octets: wrong }, quick());
    assert.equal(result.ending.kind, 'lost');
    assert.equal(formatReplyText(result.recipients[0] ?? assert.fail()).slice(0, 9), '451 4.3.0');
    await assert.rejects(server.played, /the client left/);
  }
});

test('content that belies its facts with a bare LF never gets its final dot', async () => {
  await using server = await fakeServer(`${offering('PIPELINING')}${grouped}`);
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
    while (session.isUsable) await setImmediate();
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
  const alone = `${offering()}
    C: MAIL FROM:<>
    S: 250 ok
    C: RCPT TO:<b@example.net>
    S: 550 5.1.1 unknown
    C: RSET
    S: 250 ok${quit}`;
  for (const script of [pipelined, alone]) {
    await play(script, async (session) => {
      const { to, reply } = await session.verify(null, recipient);
      assert.deepEqual([to, formatReplyText(reply)], ['rcpt', '550 5.1.1 unknown']);
      assert.equal(session.isUsable, true);
    });
  }
});

test('a callout hears 552 as it was said, except where it is of too many recipients', async () => {
  for (const [said, heard] of [
    ['552 5.2.2 full', '552 5.2.2 full'],
    ['552 full', '552 full'],
    ['552 5.5.3 too many', '452 4.5.3 too many'],
  ] as const) {
    const script = `${offering()}
      C: MAIL FROM:<>
      S: 250 ok
      C: RCPT TO:<b@example.net>
      S: ${said}
      C: RSET
      S: 250 ok${quit}`;
    await play(script, async (session) => {
      const { reply } = await session.verify(null, { address: testAddress('b@example.net') });
      assert.equal(formatReplyText(reply), heard);
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
