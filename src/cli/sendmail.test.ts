import assert from 'node:assert/strict';
import { userInfo } from 'node:os';
import { type TestContext, test } from 'node:test';

import { listedAddresses, qualifyAddressList } from './address-list.ts';
import { CliError } from './exit-code.ts';
import { foldLongLine } from './input-line.ts';
import { runSendmail } from './sendmail.ts';
import { parseSendmail } from './sendmail-options.ts';
import { encodeWords, formatMailbox } from './submission.ts';
import { dropped, fakeIo, maildropSite } from './testing.ts';

const lists: [string, string[]][] = [
  ['a@b.example', ['a@b.example']],
  ['a@b.example, c@d.example,,', ['a@b.example', 'c@d.example']],
  ['"Doe, John" <j@b.example>, Jane (a, b (c)) <k@b.example>', ['j@b.example', 'k@b.example']],
  ['friends: a@b.example, "x;y"@c.example; root', ['a@b.example', '"x;y"@c.example', 'root']],
  ['undisclosed-recipients:;', []],
  ['"a b"@c.example', ['"a b"@c.example']],
  ['a . b @ c . example (comment)', ['a.b@c.example']],
  ['<@x.example,@y.example:a@b.example>', ['a@b.example']],
  ['a@[IPv6:2001:db8::1]', ['a@[IPv6:2001:db8::1]']],
  ['=?utf-8?Q?J=C3=BCrgen?= <j@b.example>', ['j@b.example']],
  ['"<evil@b.example>" <a@b.example>', ['a@b.example']],
  ['<"a>b"@c.example>', ['"a>b"@c.example']],
  ['"unclosed <a@b.example>', ['"unclosed <a@b.example>']],
  ['', []],
];
for (const [value, expected] of lists) {
  test(`the address list ${JSON.stringify(value)} names ${expected.length} addresses`, () => {
    assert.deepEqual(listedAddresses(value), expected);
  });
}

const calls: [string[], Partial<ReturnType<typeof parseSendmail>>][] = [
  [['-t', '-i'], { readsHeader: true, dotEnds: false }],
  [['-ti'], { readsHeader: true, dotEnds: false }],
  [['-oi', '-oem', '-odb', 'a@b'], { dotEnds: false, recipients: ['a@b'] }],
  [['-fa@b', '-F', 'A B', 'c@d'], { from: 'a@b', fullName: 'A B', recipients: ['c@d'] }],
  [['-f', '', 'c@d'], { from: '', recipients: ['c@d'] }],
  [['-f<>', 'c@d'], { from: '' }],
  [['-r', '<a@b>'], { from: 'a@b' }],
  [
    ['-B8BITMIME', '-N', 'success,delay', '-Rhdrs', '-V', 'x1'],
    { body: '8bitmime', ret: 'hdrs', envid: 'x1', notify: ['success', 'delay'] },
  ],
  [['-N', 'never'], { notify: 'never' }],
  [
    ['-O', 'DeliveryMode=b', '-OIgnoreDots=true', '-OQueueDirectory=/x', '-X', '/dev/null'],
    { dotEnds: false },
  ],
  [
    [
      '-X/var/log/x',
      '-oo',
      '-oQ/x',
      '-oT4',
      '-o7',
      '-oAhash:/x',
      '-m',
      '-n',
      '-U',
      '-Am',
      '-h20',
      '-Lx',
      'a@b',
    ],
    { recipients: ['a@b'] },
  ],
  [['-pUUCP:host', '-G', '-oee', '-odi', '-fhost!ann', 'a@b'], { from: 'host!ann', isGateway: true }],
  [['-q30m'], { mode: 'nothing' }],
  [['-bh'], { mode: 'nothing' }],
  [['-qIabc123'], { mode: 'flush-queue', flush: { ids: ['ABC123'] } }],
  [['-qRb.example'], { mode: 'flush-queue', flush: { match: { to: 'b.example' } } }],
  [['-bs'], { mode: 'smtp' }],
  [['-bp'], { mode: 'list-queue' }],
  [['-q'], { mode: 'flush-queue' }],
  [['-q30m', '-d8', '-bi'], { mode: 'aliases' }],
  [['-v', '--', '-strange@b'], { isVerbose: true, recipients: ['-strange@b'] }],
  [['-C', '/etc/x.yaml', '-bm'], { configFile: '/etc/x.yaml', mode: 'deliver' }],
  [['a@b', '-t', '-f', 'c@d', 'e@f'], { recipients: ['a@b', 'e@f'], readsHeader: true, from: 'c@d' }],
  [['a@b', '--', '-t'], { recipients: ['a@b', '-t'], readsHeader: false }],
];
for (const [argv, expected] of calls) {
  test(`sendmail ${argv.join(' ')} is understood`, () => {
    const parsed = parseSendmail(argv);
    assert.deepEqual({ ...parsed, ...expected }, parsed);
  });
}

for (const argv of [
  ['-bd'],
  ['-bt'],
  ['-bv', 'a@b'],
  ['-Z'],
  ['-f'],
  ['-X'],
  ['-XV', 'a@b'],
  ['-qI'],
  ['-qSx'],
  ['-q', 'a@b'],
  ['-bp', 'a@b'],
  ['-bi', '-t'],
  ['-B', 'x'],
]) {
  test(`sendmail ${JSON.stringify(argv)} is a usage error`, () => {
    assert.throws(() => parseSendmail(argv), { code: 64 });
  });
}

const ignored: [string[], RegExp][] = [
  [['-N', 'sometimes'], /^-N takes never/],
  [['-N', 'never,delay'], /^-N takes never/],
  [['-R', 'x'], /^-R takes full or hdrs/],
  [['-V', 'a\nb'], /^-V takes up to 100/],
  [['-V', 'x'.repeat(101)], /^-V takes up to 100/],
];
for (const [argv, expected] of ignored) {
  test(`sendmail ${JSON.stringify(argv).slice(0, 30)} is ignored with a warning, as Postfix has it`, () => {
    const { warnings, notify, ret, envid } = parseSendmail([...argv, 'a@b']);
    assert.match(warnings[0] ?? '', expected);
    assert.deepEqual([notify, ret, envid], [undefined, undefined, undefined]);
  });
}

const qualified: [string, string][] = [
  ['root', 'root@h.example'],
  [' root (Cron Daemon)', ' root@h.example (Cron Daemon)'],
  ['Anna <anna>', 'Anna <anna@h.example>'],
  [
    '"Root, the" <root>, b@c.example,\r\n ann',
    '"Root, the" <root@h.example>, b@c.example,\r\n ann@h.example',
  ],
  ['us: ann, bob@c.example; root', 'us: ann@h.example, bob@c.example; root@h.example'],
  ['"a b"', '"a b"@h.example'],
  ['a@b.example', 'a@b.example'],
  ['<a@b.example>', '<a@b.example>'],
  ['<>', '<>'],
  ['', ''],
  ['Anna Smith', 'Anna Smith'],
  ['J\u00c3\u00bcrgen', 'J\u00c3\u00bcrgen'],
  ['undisclosed-recipients:;', 'undisclosed-recipients:;'],
  ['"unclosed', '"unclosed'],
];
for (const [value, expected] of qualified) {
  test(`in the header ${JSON.stringify(value)} becomes ${JSON.stringify(expected)}`, () => {
    assert.equal(qualifyAddressList(value, 'h.example'), expected);
  });
}

async function run(t: TestContext, argv: string[], stdin: string | Buffer) {
  const at = await maildropSite(t);
  const io = fakeIo({ stdin });
  const none = async () => assert.fail();
  let code: number;
  try {
    code = await runSendmail(argv, io, { site: async () => at, listQueue: none, flushQueue: none });
  } catch (error) {
    if (!(error instanceof CliError)) throw error;
    code = error.code;
  }
  const found = await dropped(at);
  return { code, found, envelope: found[0]?.envelope, message: found[0]?.message ?? '', io };
}

const addressees: [string[], string[]][] = [
  [['a@x.example,b@y.example'], ['a@x.example', 'b@y.example']],
  [['Anna <a@x.example>'], ['a@x.example']],
  [
    ['"Smith, Anna" <a@x.example>', 'b'],
    ['a@x.example', 'b@h.example'],
  ],
  [['us: a@x.example, b@y.example;'], ['a@x.example', 'b@y.example']],
  [['a@x.example b@y.example'], ['a@x.example', 'b@y.example']],
  [['(here) a@x.example (or there)', 'a@x.example'], ['a@x.example']],
  [['"a b"@x.example'], ['"a b"@x.example']],
  [['a@x.example', '-i', '-f', 's@z.example'], ['a@x.example']],
];
for (const [argv, expected] of addressees) {
  test(`sendmail ${argv.join(' ')} sends to ${expected.length}`, async (t) => {
    const { code, envelope } = await run(t, argv, head);
    assert.equal(code, 0);
    assert.deepEqual(
      envelope.to.map(({ address }: { address: string }) => address),
      expected,
    );
  });
}

const senders: [string, string, RegExp | undefined][] = [
  ['Anna <a@x.example>', 'a@x.example', undefined],
  ['<a@x.example>', 'a@x.example', undefined],
  ['<>', '', undefined],
  ['', '', undefined],
  ['ann', 'ann@h.example', undefined],
  [
    'a@x.example,b@y.example',
    'a@x.example',
    /^sendmail: warning: -f names more than one sender; a@x\.example is taken\n$/,
  ],
];
for (const [text, expected, warning] of senders) {
  test(`sendmail -f ${JSON.stringify(text)} sends as ${JSON.stringify(expected)}`, async (t) => {
    const { envelope, io } = await run(t, ['-f', text, 'x@y.example'], head);
    assert.equal(envelope.from, expected);
    assert.match(io.text.err, warning ?? /^$/);
  });
}

test('From: root is qualified, and other names without a domain, but not with -G', async (t) => {
  const input = 'From: root (Cron Daemon)\nTo: ann,\n bob@c.example\nSubject: root\n\nTo: ann\n';
  const plain = await run(t, ['-i', 'x@y.example'], input);
  assert.match(
    plain.message,
    /^From: root@h\.example \(Cron Daemon\)\r\nTo: ann@h\.example,\r\n bob@c\.example\r\nSubject: root\r\n\r\nTo: ann\r\n$/m,
  );
  const gateway = await run(t, ['-i', '-G', 'x@y.example'], input);
  assert.match(gateway.message, /^From: root \(Cron Daemon\)\r\nTo: ann,\r\n/m);
});

const head = 'From: a@b.example\nDate: x\nMessage-ID: <1@b>\n';
const conversions: [string, string[], string, string, string[]][] = [
  [
    'LF becomes CRLF, and the Bcc field goes while its recipients stay',
    ['-t'],
    `${head}To: x@y.example\nBcc: z@y.example,\n root\nSubject: s\n\nbody\n`,
    'From: a@b.example\r\nDate: x\r\nMessage-ID: <1@b>\r\nTo: x@y.example\r\nSubject: s\r\n\r\nbody\r\n',
    ['x@y.example', 'z@y.example', 'root@h.example'],
  ],
  [
    'CRLF and CR CR LF stay one line end each, a lone CR becomes a space',
    ['x@y.example'],
    `${head.replaceAll('\n', '\r\n')}\r\na\r\r\nb\rc\r\n`,
    'From: a@b.example\r\nDate: x\r\nMessage-ID: <1@b>\r\n\r\na\r\nb c\r\n',
    ['x@y.example'],
  ],
  [
    'a line with a dot ends the message',
    ['x@y.example'],
    `${head}\na\n.\nb\n`,
    'From: a@b.example\r\nDate: x\r\nMessage-ID: <1@b>\r\n\r\na\r\n',
    ['x@y.example'],
  ],
  [
    'with -i a line with a dot is text',
    ['-i', 'x@y.example'],
    `${head}\na\n.\nb`,
    'From: a@b.example\r\nDate: x\r\nMessage-ID: <1@b>\r\n\r\na\r\n.\r\nb\r\n',
    ['x@y.example'],
  ],
  [
    'addresses on the command line come before those of the header, once each',
    ['-t', 'x@y.example'],
    `${head}To: x@y.example, w@y.example\n\n`,
    'From: a@b.example\r\nDate: x\r\nMessage-ID: <1@b>\r\nTo: x@y.example, w@y.example\r\n\r\n',
    ['x@y.example', 'w@y.example'],
  ],
  [
    'without -t the header names nobody',
    ['x@y.example'],
    `${head}To: w@y.example\n\n`,
    'From: a@b.example\r\nDate: x\r\nMessage-ID: <1@b>\r\nTo: w@y.example\r\n\r\n',
    ['x@y.example'],
  ],
  [
    'a resent message goes to the Resent- recipients only',
    ['-t'],
    `Resent-Date: y\nResent-From: r@b\nResent-Message-ID: <2@b>\nResent-To: new@y.example\nResent-Bcc: b@y.example\n${head}To: old@y.example\n\n`,
    'Resent-Date: y\r\nResent-From: r@b\r\nResent-Message-ID: <2@b>\r\nResent-To: new@y.example\r\nFrom: a@b.example\r\nDate: x\r\nMessage-ID: <1@b>\r\nTo: old@y.example\r\n\r\n',
    ['new@y.example', 'b@y.example'],
  ],
  [
    'a mailbox line and a Return-Path do not belong to the message',
    ['x@y.example'],
    `From a@b Mon Jan  1\nReturn-Path: <z@b>\n${head}\nFrom here on\n`,
    'From: a@b.example\r\nDate: x\r\nMessage-ID: <1@b>\r\n\r\nFrom here on\r\n',
    ['x@y.example'],
  ],
  [
    'a line that is no field ends the header and is text',
    ['x@y.example'],
    `${head}hello there\nTo: not@a.field\n`,
    'From: a@b.example\r\nDate: x\r\nMessage-ID: <1@b>\r\n\r\nhello there\r\nTo: not@a.field\r\n',
    ['x@y.example'],
  ],
];
for (const [what, argv, input, expected, recipients] of conversions) {
  test(`sendmail: ${what}`, async (t) => {
    const { code, message, envelope } = await run(t, argv, input);
    assert.equal(code, 0);
    assert.equal(message, expected);
    assert.deepEqual(
      envelope.to,
      recipients.map((address) => ({ address })),
    );
  });
}

test('a message without a header gets From, Date and Message-ID', async (t) => {
  const { message, envelope } = await run(t, ['-F', 'Jürgen', 'x@y.example'], 'hello\n');
  assert.match(message, /^Date: \w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d \+0000\r\n/);
  assert.match(message, /\r\nFrom: =\?utf-8\?B\?SsO8cmdlbg==\?= <\S+@h\.example>\r\n/);
  assert.match(message, /\r\nMessage-ID: <[0-9a-f]{32}@h\.example>\r\n\r\nhello\r\n$/);
  assert.equal(envelope.from, `${userInfo().username}@h.example`);
});

test('the envelope carries what the options say', async (t) => {
  const argv = ['-f', '', '-N', 'failure', '-R', 'full', '-V', 'e1', '-B', '7BIT', '-v', 'x@y.example'];
  const { envelope, io } = await run(t, argv, `${head}\n`);
  assert.deepEqual(envelope, {
    version: 1,
    from: '',
    to: [{ address: 'x@y.example', notify: ['failure'] }],
    body: '7bit',
    ret: 'full',
    envid: 'e1',
  });
  assert.match(io.text.err, /^queued as [0-9a-f]{32} for x@y\.example\n$/);
});

const failures: [string, string[], string | Buffer, number][] = [
  ['no recipients', [], head, 64],
  ['no recipients in the header', ['-t'], `${head}\n`, 65],
  ['a bad address', ['x@@y'], head, 67],
  ['a bad address in the header', ['-t'], `${head}To: x@@y\n\n`, 65],
  ['a bad sender', ['-f', 'a b c@', 'x@y.example'], head, 67],
  ['an argument without an address', [',', 'x@y.example'], head, 67],
  ['an empty argument', ['', 'x@y.example'], head, 67],
  ['one bad address of a list', ['x@y.example,x@@y'], head, 67],
  ['a NUL in the text', ['x@y.example'], `${head}\na\0b\n`, 65],
  ['a NUL in the header', ['x@y.example'], `X-\0: y\n${head}\nab\n`, 65],
  ['a NUL behind a megabyte', ['x@y.example'], `${head}\n${'x\n'.repeat(30_000)}\0`, 65],
  ['a message that is too large', ['x@y.example'], `${head}\n${'x\n'.repeat(40_000)}`, 65],
  ['a header without an end', ['x@y.example'], `X: ${'y'.repeat(200)}\n`.repeat(6000), 65],
  ['a line without an end', ['x@y.example'], Buffer.alloc(1_100_000, 'x'), 65],
  ['too many recipients', ['-t'], `${head}To: a@b, b@b, c@b, d@b\n\n`, 65],
];
for (const [what, argv, input, expected] of failures) {
  test(`${what} is exit ${expected}, and nothing is left in the maildrop`, async (t) => {
    const { code, found } = await run(t, argv, input);
    assert.deepEqual([code, found], [expected, []]);
  });
}

test('no maildrop is "try again later"', async (t) => {
  const at = { ...(await maildropSite(t)), maildrop: '/nowhere/maildrop' };
  const parts = { site: async () => at, listQueue: async () => 0, flushQueue: async () => 0 };
  await assert.rejects(runSendmail(['x@y.example'], fakeIo({ stdin: head }), parts), { code: 75 });
});

test('long lines are broken at 998 octets, not within a character, and nothing is lost', () => {
  for (const line of ['x'.repeat(998), 'x'.repeat(999), 'ü'.repeat(1500), 'x'.repeat(5000)]) {
    const parts = [...foldLongLine(Buffer.from(line))].map((part) => part.toString());
    assert.ok(parts.every((part) => Buffer.byteLength(part) <= 1000 && part.endsWith('\r\n')));
    assert.equal(parts.map((part, i) => part.slice(i === 0 ? 0 : 1, -2)).join(''), line);
  }
});

test('names are quoted or encoded as RFC 5322 and RFC 2047 have it', () => {
  assert.equal(formatMailbox('John Doe', 'a@b'), 'John Doe <a@b>');
  assert.equal(formatMailbox('Doe, "J"', 'a@b'), '"Doe, \\"J\\"" <a@b>');
  assert.equal(formatMailbox('x\r\nBcc: y', 'a@b'), '"x  Bcc: y" <a@b>');
  assert.equal(formatMailbox('', 'a@b'), 'a@b');
  assert.ok(
    encodeWords('ü'.repeat(200))
      .split('\r\n ')
      .every((word) => word.length <= 75),
  );
});
