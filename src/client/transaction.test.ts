import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ClientSession, OutgoingMessage } from './index.ts';
import {
  dots,
  grouped,
  hello,
  inPieces,
  inShort,
  offering,
  play,
  quick,
  quit,
  stepwise,
  testMessage,
  two,
} from './testing.ts';

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
    script: `${offering()}${stepwise}
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
    name: '552 to RCPT with the status of too many recipients counts as 452',
    script: `${offering()}
      C: MAIL FROM:<a@example.org>
      S: 250 ok
      C: RCPT TO:<b@example.net>
      S: 552 5.5.3 too many${quit}`,
    outcome: 'complete / 452 4.5.3 too many',
  },
  {
    name: '552 to RCPT that says that a mailbox is full is for good',
    script: `${offering('PIPELINING')}
      C: MAIL FROM:<a@example.org>
      C: RCPT TO:<b@example.net>
      C: RCPT TO:<c@example.net>
      C: DATA
      S: 250 ok
      S: 250 ok
      S: 552 5.2.2 mailbox full
      S: 354 go
      C.
      S: 250 queued${quit}`,
    message: testMessage('x\r\n', two),
    outcome: 'complete / 250 queued / 552 5.2.2 mailbox full',
  },
  {
    name: '552 to RCPT without a status counts as 452 behind recipients that were accepted, and not before',
    script: `${offering()}
      C: MAIL FROM:<a@example.org>
      S: 250 ok
      C: RCPT TO:<b@example.net>
      S: 552 mailbox full
      C: RCPT TO:<c@example.net>
      S: 250 ok
      C: RCPT TO:<d@example.net>
      S: 552 no more
      C: RCPT TO:<e@example.net>
      S: 552 5.0.0 no more
      C: DATA
      S: 354 go
      C.
      S: 250 queued${quit}`,
    message: testMessage('x\r\n', [...two, 'd@example.net', 'e@example.net']),
    outcome: 'complete / 552 mailbox full / 250 queued / 452 no more / 452 4.0.0 no more',
  },
  {
    name: '552 to RCPT with a status of the other class is transient',
    script: `${offering()}
      C: MAIL FROM:<a@example.org>
      S: 250 ok
      C: RCPT TO:<b@example.net>
      S: 552 4.5.3 too many${quit}`,
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
    script: `${offering('PIPELINING')}${grouped}
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
    script: `${offering()}${stepwise}
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
    script: `${offering()}${stepwise}
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
  const isKept = script.endsWith(quit);
  const run = async (isDripping: boolean) => {
    const check = async (session: ClientSession) => {
      const result = await session.send(message ?? hello, quick());
      assert.equal(inShort(result), outcome);
      assert.equal(result.accepted, result.recipients.filter((each) => each.code < 300).length);
      assert.equal(session.isUsable, isKept, 'isUsable');
    };
    const got = await play(script, check, { isDripping });
    if (contents !== undefined) assert.deepEqual(got, contents);
  };
  test(name, () => run(false));
  if (isKept) test(`${name}, an octet at a time`, () => run(true));
}
