import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';

import { runSendmail } from './sendmail.ts';
import { dropped, fakeIo, maildropSite } from './testing.ts';

/** Speaks to `sendmail -bs`; each piece of the input is one read. */
async function speak(t: TestContext, input: string | readonly string[], over: { maildrop?: string } = {}) {
  const site = await maildropSite(t);
  const pieces = [input].flat();
  const io = {
    ...fakeIo(),
    stdin: (async function* () {
      for (const piece of pieces) yield Buffer.from(piece);
    })(),
  };
  const none = async () => assert.fail();
  const parts = { site: async () => ({ ...site, ...over }), listQueue: none, flushQueue: none };
  const code = await runSendmail(['-bs'], io, parts);
  const codes = [...io.text.out.matchAll(/^(\d{3}) /gm)].map(([, found]) => found).join(' ');
  return { code, codes, said: io.text.out, err: io.text.err, found: await dropped(site) };
}

const dialogue = `EHLO x
MAIL FROM:<a@b.example> BODY=8BITMIME
RCPT TO:<c@d.example>
RCPT TO:<Postmaster>
DATA
Subject: x

..dot
.
MAIL FROM:<>
RCPT TO:<e@f.example>
DATA
second
.
QUIT
`;

for (const [how, pieces] of [
  ['at once', [dialogue]],
  ['octet by octet', [...dialogue]],
  ['with CRLF', [dialogue.replaceAll('\n', '\r\n')]],
  ['with CRLF cut in two', dialogue.replaceAll('\n', '\r\n').split(/(?<=\r)/)],
] as const) {
  test(`sendmail -bs takes messages of a program that writes ${how}`, async (t) => {
    const { code, codes, found } = await speak(t, pieces);
    assert.equal(code, 0);
    assert.equal(codes, '220 250 250 250 250 354 250 250 250 354 250 221');
    const letters = found.map(({ envelope, message }) => ({ ...envelope, message }));
    const recipients = ['c@d.example', 'postmaster@h.example'].map((address) => ({ address }));
    assert.deepEqual(
      letters.sort((a, b) => b.from.length - a.from.length),
      [
        {
          version: 1,
          from: 'a@b.example',
          to: recipients,
          body: '8bitmime',
          smtputf8: false,
          message: 'Subject: x\r\n\r\n.dot\r\n',
        },
        {
          version: 1,
          from: '',
          to: [{ address: 'e@f.example' }],
          body: '7bit',
          smtputf8: false,
          message: 'second\r\n',
        },
      ],
    );
  });
}

test('sendmail -bs offers what the relay does, and neither STARTTLS, AUTH nor XCLIENT', async (t) => {
  const { said } = await speak(t, 'EHLO x\nSTARTTLS\nXCLIENT ADDR=192.0.2.1\nAUTH PLAIN\nQUIT\n');
  const offered = [...said.matchAll(/^250[- ](\S+)/gm)].map(([, word]) => word);
  for (const word of ['SIZE', 'DSN', 'SMTPUTF8', '8BITMIME', 'CHUNKING', 'PIPELINING'])
    assert.ok(offered.includes(word), said);
  assert.match(said, /^250.SIZE 100000\r$/m);
  assert.doesNotMatch(said, /STARTTLS|AUTH|XCLIENT/);
  assert.match(said, /\n502 [^\n]*\n5\d\d [^\n]*\n502 [^\n]*\n221 [^\n]*\n$/);
});

test('what is asked of the message and of each recipient goes along', async (t) => {
  const input = `EHLO x
MAIL FROM:<ü@b.example> SMTPUTF8 RET=HDRS ENVID=e+2B1
RCPT TO:<c@d.example> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;old@d.example
RCPT TO:<e@d.example> NOTIFY=NEVER
DATA
.
QUIT
`;
  const { found, said } = await speak(t, input);
  assert.equal(found.length, 1, said);
  assert.deepEqual(found[0]?.envelope, {
    version: 1,
    from: 'ü@b.example',
    to: [
      {
        address: 'c@d.example',
        notify: ['success', 'delay'],
        originalRecipient: { type: 'rfc822', address: 'old@d.example' },
      },
      { address: 'e@d.example', notify: 'never' },
    ],
    body: '7bit',
    smtputf8: true,
    ret: 'hdrs',
    envid: 'e+1',
  });
});

test('the octets of BDAT are kept as they are, also without a line end to wait for', async (t) => {
  const hello = 'EHLO x\r\nMAIL FROM:<> BODY=BINARYMIME\r\nRCPT TO:<c@d.example>\r\n';
  const { codes, found } = await speak(t, [
    hello,
    'BDAT 6\r\n',
    'a\nb\r\n.',
    'BDAT 3 LAST\r\n',
    '\0\nz',
    'QUIT\r\n',
  ]);
  assert.equal(codes, '220 250 250 250 250 250 221');
  assert.deepEqual([found[0]?.envelope.body, found[0]?.message], ['binarymime', 'a\nb\r\n.\0\nz']);
});

const faults: readonly (readonly [string, string, string])[] = [
  [
    'commands out of order',
    'RCPT TO:<a@b>\nDATA\nEHLO x\nMAIL FROM:<>\nMAIL FROM:<>\nDATA\nQUIT\n',
    '220 503 503 250 250 503 554 221',
  ],
  ['an unknown command', 'EHLO x\nXYZ\nMAIL FROM:a\nQUIT\n', '220 250 500 501 221'],
  [
    'a message that breaks off',
    'EHLO x\nMAIL FROM:<>\nRCPT TO:<a@b>\nDATA\nhalf a mess',
    '220 250 250 250 354',
  ],
  [
    'a message that is too big, with commands after it',
    `EHLO x\nMAIL FROM:<>\nRCPT TO:<a@b>\nDATA\n${'x\n'.repeat(60_000)}.\nNOOP\nQUIT\n`,
    '220 250 250 250 354 552 250 221',
  ],
  [
    'too many recipients',
    `EHLO x\nMAIL FROM:<>\n${'RCPT TO:<a@b>\n'.repeat(4)}RSET\nDATA\nQUIT\n`,
    '220 250 250 250 250 250 452 250 503 221',
  ],
  ['commands after the end', 'QUIT\nEHLO x\nMAIL FROM:<>\n', '220 221'],
];
for (const [what, input, expected] of faults) {
  test(`sendmail -bs answers ${what} and keeps nothing`, async (t) => {
    const { codes, found } = await speak(t, input);
    assert.deepEqual([codes, found], [expected, []]);
  });
}

test('a message that cannot be kept is answered 451, and standard error says why', async (t) => {
  const input = 'EHLO x\nMAIL FROM:<>\nRCPT TO:<a@b>\nDATA\nx\n.\nQUIT\n';
  const { codes, err, code } = await speak(t, input, { maildrop: '/nowhere/maildrop' });
  assert.deepEqual([code, codes], [75, '220 250 250 250 354 451 221']);
  assert.equal(err, 'sendmail: there is no maildrop "/nowhere/maildrop": has the relay ever run?\n');
});

const hello = 'EHLO x\r\nMAIL FROM:<a@b.example>\r\n';
const ends: [string, string, number][] = [
  ['nothing was asked for', 'EHLO x\nQUIT\n', 0],
  ['the input is empty', '', 65],
  ['no command is one', 'hi there\nQUIT\n', 65],
  ['a recipient is no address', `${hello}RCPT TO:<bad\r\nQUIT\r\n`, 65],
  ['the message has a NUL', `${hello}RCPT TO:<x@y.example>\r\nDATA\r\na\0b\r\n.\r\nQUIT\r\n`, 65],
  ['the input ends in the message', `${hello}RCPT TO:<x@y.example>\r\nDATA\r\nhi\r\n`, 65],
  [
    'one of two messages is accepted',
    `${hello}RCPT TO:<x@y.example>\r\nDATA\r\nhi\r\n.\r\nMAIL FROM:<bad\r\nQUIT\r\n`,
    0,
  ],
  ['a message is accepted and QUIT forgotten', `${hello}RCPT TO:<x@y.example>\r\nDATA\r\nhi\r\n.\r\n`, 0],
];
for (const [what, input, expected] of ends) {
  test(`sendmail -bs is exit ${expected} when ${what}`, async (t) => {
    const { code, found } = await speak(t, [input]);
    assert.deepEqual([code, found.length], [expected, what.includes('accepted') ? 1 : 0]);
  });
}
