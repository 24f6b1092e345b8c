import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Command, type CommandError, formatReply, parseCommand, parseLeniently } from './index.ts';

/** A short form of a result, so that tables stay readable. */
function short(line: string): string {
  return brief(parseCommand(line));
}

function brief(command: Command | CommandError): string {
  switch (command.verb) {
    case 'error':
      return `${command.of} ${command.reply.code} ${command.reply.detail}`;
    case 'ehlo':
    case 'helo':
    case 'lhlo':
      return `${command.verb} ${command.name}`;
    case 'mail':
      return `mail ${command.reversePath?.text ?? '<>'} ${pairs(command.parameters)}`.trimEnd();
    case 'rcpt':
      return `rcpt ${command.forwardPath === 'postmaster' ? 'postmaster' : command.forwardPath.text} ${pairs(command.parameters)}`.trimEnd();
    case 'bdat':
      return `bdat ${command.size}${command.isLast ? ' last' : ''}`;
    case 'noop':
    case 'vrfy':
    case 'expn':
    case 'help':
      return `${command.verb} ${command.argument}`.trimEnd();
    case 'auth':
      return `auth ${command.mechanism} ${command.initial ?? ''}`.trimEnd();
    case 'xclient':
      return `xclient ${pairs(command.attributes)}`;
    case 'unknown':
      return `unknown ${command.kind} ${command.name}`.trimEnd();
    default:
      return command.verb;
  }
}

function pairs(map: ReadonlyMap<string, string | undefined>): string {
  return [...map].map(([key, value]) => (value === undefined ? key : `${key}=${value}`)).join(' ');
}

function check(table: readonly (readonly [string, string])[]): void {
  for (const [line, expected] of table) assert.equal(short(line), expected, JSON.stringify(line));
}

test('verbs are read in any case of letters, with white space after them', () => {
  check([
    ['DATA', 'data'],
    ['data', 'data'],
    ['DaTa  \t ', 'data'],
    ['RSET ', 'rset'],
    ['QUIT', 'quit'],
    ['STARTTLS', 'starttls'],
    ['NOOP', 'noop'],
    ['NOOP anything at all', 'noop anything at all'],
    ['HELP', 'help'],
    ['HELP MAIL', 'help MAIL'],
    ['VRFY user', 'vrfy user'],
    ['EXPN list', 'expn list'],
  ]);
});

test('a greeting has one word, whatever name it is', () => {
  check([
    ['EHLO client.example', 'ehlo client.example'],
    ['helo my_pc', 'helo my_pc'],
    ['LHLO [IPv6:::1]', 'lhlo [IPv6:::1]'],
    ['EHLO\tclient', 'ehlo client'],
    ['EHLO', 'ehlo 501 5.4'],
    ['EHLO a b', 'ehlo 501 5.4'],
    ['HELO b\u00fccher', 'helo 501 5.4'],
    ['HELO a\0', 'helo 501 5.4'],
    [`EHLO ${'a'.repeat(256)}`, 'ehlo 501 5.4'],
  ]);
});

test('commands that take no argument refuse one', () => {
  check([
    ['DATA now', 'data 501 5.4'],
    ['RSET x', 'rset 501 5.4'],
    ['QUIT x', 'quit 501 5.4'],
    ['STARTTLS x', 'starttls 501 5.4'],
    ['VRFY', 'vrfy 501 5.4'],
    ['EXPN ', 'expn 501 5.4'],
  ]);
});

test('MAIL takes a reverse-path and parameters', () => {
  check([
    ['MAIL FROM:<u@d>', 'mail u@d'],
    ['mail from:<u@d>', 'mail u@d'],
    ['MAIL FROM: <u@d>', 'mail u@d'],
    ['MAIL  FROM:<u@d>', 'mail u@d'],
    ['MAIL FROM:<>', 'mail <>'],
    ['MAIL FROM:<@a,@b:u@d>', 'mail u@d'],
    ['MAIL FROM:<u@d> SIZE=10 body=8BITMIME  X', 'mail u@d SIZE=10 BODY=8BITMIME X'],
    ['MAIL FROM:<u@d> AUTH=<>', 'mail u@d AUTH=<>'],
    ['MAIL FROM:<ü@d> SMTPUTF8', 'mail ü@d SMTPUTF8'],
    ['MAIL FROM:<ü@d>', 'mail 553 6.7'],
    ['MAIL FROM:<u@bücher.example>', 'mail 553 6.7'],
    ['MAIL', 'mail 501 5.4'],
    ['MAIL <u@d>', 'mail 501 5.4'],
    ['MAIL FROM <u@d>', 'mail 501 5.4'],
    ['MAIL TO:<u@d>', 'mail 501 5.4'],
    ['MAIL FROM:u@d', 'mail 501 1.7'],
    ['MAIL FROM:<u>', 'mail 501 1.7'],
    ['MAIL FROM:<u@d@>', 'mail 501 1.7'],
    ['MAIL FROM:<Postmaster>', 'mail 501 1.7'],
    ['MAIL FROM:<u@d>SIZE=1', 'mail 501 1.7'],
    [`MAIL FROM:<${'a'.repeat(300)}@d>`, 'mail 501 1.7'],
    ['MAIL FROM:<u@d> SIZE=', 'mail 501 5.4'],
    ['MAIL FROM:<u@d> =1', 'mail 501 5.4'],
    ['MAIL FROM:<u@d> SIZE=1=2', 'mail 501 5.4'],
    ['MAIL FROM:<u@d> SI_ZE=1', 'mail 501 5.4'],
    ['MAIL FROM:<u@d> SIZE=1 size=2', 'mail 501 5.4'],
    ['MAIL FROM:<u@d> SIZE=1\x07', 'mail 501 5.4'],
  ]);
});

test('RCPT takes a forward-path and parameters', () => {
  check([
    ['RCPT TO:<u@d>', 'rcpt u@d'],
    ['rcpt to: <u@d>', 'rcpt u@d'],
    ['RCPT TO:<Postmaster>', 'rcpt postmaster'],
    ['RCPT TO:<u@d> NOTIFY=NEVER ORCPT=rfc822;u@d', 'rcpt u@d NOTIFY=NEVER ORCPT=rfc822;u@d'],
    ['RCPT TO:<>', 'rcpt 501 1.3'],
    ['RCPT TO:u@d', 'rcpt 501 1.3'],
    ['RCPT TO:<u@d@e>', 'rcpt 501 1.3'],
    ['RCPT FROM:<u@d>', 'rcpt 501 5.4'],
    ['RCPT', 'rcpt 501 5.4'],
    ['RCPT TO:<u@d> NOTIFY=NEVER NOTIFY=DELAY', 'rcpt 501 5.4'],
  ]);
});

test('the size of BDAT is a number or too big, never something else', () => {
  check([
    ['BDAT 0', 'bdat 0'],
    ['BDAT 1000 LAST', 'bdat 1000 last'],
    ['bdat 007 last', 'bdat 7 last'],
    ['BDAT 9007199254740991', 'bdat 9007199254740991'],
    ['BDAT 99999999999999', 'bdat 99999999999999'],
    ['BDAT 9007199254740992', 'bdat too-big'],
    [`BDAT ${'9'.repeat(400)} LAST`, 'bdat too-big last'],
    ['BDAT', 'bdat 501 5.4'],
    ['BDAT LAST', 'bdat 501 5.4'],
    ['BDAT -1', 'bdat 501 5.4'],
    ['BDAT 1.5', 'bdat 501 5.4'],
    ['BDAT 0x10', 'bdat 501 5.4'],
    ['BDAT 1 LAST x', 'bdat 501 5.4'],
    ['BDAT 1 FIRST', 'bdat 501 5.4'],
  ]);
});

test('AUTH takes a mechanism and perhaps an initial response', () => {
  check([
    ['AUTH PLAIN', 'auth PLAIN'],
    ['auth plain =', 'auth PLAIN ='],
    ['AUTH SCRAM-SHA-256 biwsbj11', 'auth SCRAM-SHA-256 biwsbj11'],
    ['AUTH', 'auth 501 5.4'],
    ['AUTH PLAIN a b', 'auth 501 5.4'],
    ['AUTH PL/AIN', 'auth 501 5.4'],
  ]);
});

test('XCLIENT takes attributes in xtext', () => {
  check([
    ['XCLIENT ADDR=192.0.2.1 name=a+2Bb', 'xclient ADDR=192.0.2.1 NAME=a+b'],
    ['XCLIENT NAME=[UNAVAILABLE]', 'xclient NAME=[UNAVAILABLE]'],
    ['XCLIENT', 'xclient 501 5.4'],
    ['XCLIENT ADDR', 'xclient 501 5.4'],
    ['XCLIENT ADDR=+0', 'xclient 501 5.4'],
    ['XCLIENT ADDR=a ADDR=b', 'xclient 501 5.4'],
  ]);
});

test('what is no command of ours says of what kind it is', () => {
  check([
    ['ETRN example.org', 'unknown smtp ETRN'],
    ['turn', 'unknown smtp TURN'],
    ['SAML FROM:<u@d>', 'unknown smtp SAML'],
    ['GET / HTTP/1.1', 'unknown foreign GET'],
    ['Host: example.org', 'unknown foreign'],
    ['FOO', 'unknown other FOO'],
    ['', 'unknown other'],
    [' NOOP', 'unknown other'],
    ['MAILFROM:<u@d>', 'unknown other'],
    ['DATA\0', 'unknown other'],
    ['constructor', 'unknown other CONSTRUCTOR'],
    ['__proto__', 'unknown other'],
    [`${'A'.repeat(5000)}`, 'unknown other'],
  ]);
});

test('no line makes the parser throw, and no reply repeats what was sent', () => {
  const verb = fc.constantFrom(
    'MAIL FROM:',
    'RCPT TO:',
    'EHLO ',
    'AUTH ',
    'BDAT ',
    'XCLIENT ',
    'MAIL FROM:<a@b> ',
    '',
  );
  const secret = 'Zq7#xK';
  fc.assert(
    fc.property(verb, fc.string({ unit: 'binary', maxLength: 80 }), (start, rest) => {
      const command = parseCommand(`${start}${rest}${secret}`);
      if (command.verb !== 'error') return;
      assert.ok(command.reply.code >= 500);
      assert.ok(!formatReply(command.reply).includes(secret));
    }),
    { numRuns: 2000 },
  );
});

test('what Postfix takes beyond the standard is read, and what is in doubt is not', () => {
  const table = [
    ['EHLO my file (1).eml', 'ehlo my?file?(1).eml'],
    ['EHLO b\u00fccher', 'ehlo b?cher'],
    ['helo a b  c', 'helo a?b??c'],
    ['EHLO a\0b', 'ehlo a?b'],
    [`EHLO ${'a b'.repeat(200)}`, `ehlo ${'a?b'.repeat(85)}`],
    ['EHLO', undefined],
    ['HELO  ', undefined],
    ['LHLO a b', undefined],
    ['MAIL FROM:\t<u@d>', 'mail u@d'],
    ['MAIL FROM: \t <u@d>', 'mail u@d'],
    ['MAIL\tFROM:\t<u@d>', 'mail u@d'],
    ['MAIL FROM:<u@d>\tSIZE=10', 'mail u@d SIZE=10'],
    ['MAIL FROM:<u@d>\t', 'mail u@d'],
    ['MAIL FROM:< u@d >', 'mail u@d'],
    ['MAIL FROM:u@d', 'mail u@d'],
    ['mail from: u@d  body=8bitmime', 'mail u@d BODY=8bitmime'],
    ['MAIL FROM:"a b"@d', 'mail "a b"@d'],
    ['MAIL FROM:"a > b"@d SIZE=1', 'mail "a > b"@d SIZE=1'],
    ['MAIL FROM:< >', 'mail <>'],
    ['MAIL FROM:\t<>', 'mail <>'],
    ['RCPT TO:\t<u@d>', 'rcpt u@d'],
    ['RCPT TO:u@d NOTIFY=NEVER', 'rcpt u@d NOTIFY=NEVER'],
    ['RCPT TO: postmaster', 'rcpt postmaster'],
    ['RCPT TO:<u@[IPv6:::1]>\t', 'rcpt u@[IPv6:::1]'],
    ['MAIL FROM:', undefined],
    ['MAIL FROM', undefined],
    ['MAIL u@d', undefined],
    ['MAIL FROM <u@d>', undefined],
    ['MAIL FROM :<u@d>', undefined],
    ['MAIL TO:u@d', undefined],
    ['MAIL FROM:<u@d>SIZE=1', undefined],
    ['MAIL FROM:<u@d', undefined],
    ['MAIL FROM:u@d>', undefined],
    ['MAIL FROM:Anna <u@d>', undefined],
    ['MAIL FROM:"Anna" <u@d>', undefined],
    ['MAIL FROM:<<u@d>>', undefined],
    ['MAIL FROM:<a b@d>', undefined],
    ['MAIL FROM:u', undefined],
    ['MAIL FROM:u@d@e', undefined],
    ['MAIL FROM:\u00fc@d', undefined],
    ['RCPT TO:', undefined],
    ['RCPT TO:<>', undefined],
    ['RCPT TO:<u@d>,<v@d>', undefined],
    ['RCPT TO:u@d,v@d', undefined],
    ['RCPT TO:<u@d> <v@d>', undefined],
    ['DATA now', undefined],
    ['AUTH PLAIN a b', undefined],
  ] as const;
  for (const [line, expected] of table) {
    const command = parseLeniently(line);
    assert.equal(command && brief(command), expected, JSON.stringify(line));
  }
});
