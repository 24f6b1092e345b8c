import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseForwardPath, parseReversePath } from './index.ts';

/** The address text, `<>`, `postmaster`, or the kind of the error. */
function reverse(text: string): string {
  const result = parseReversePath(text);
  if (result.kind !== 'path') return result.kind;
  return result.path === null ? '<>' : result.path.text;
}

function forward(text: string): string {
  const result = parseForwardPath(text);
  if (result.kind !== 'path') return result.kind;
  return result.path === 'postmaster' ? 'postmaster' : result.path.text;
}

test('a path is a mailbox in brackets, with the rest of the line after it', () => {
  assert.deepEqual(parseReversePath('<u@d.example> SIZE=1 X'), {
    kind: 'path',
    path: { text: 'u@d.example', localPart: 'u', domain: 'd.example' },
    rest: ' SIZE=1 X',
  });
  assert.equal(reverse('   <u@d>'), 'u@d');
  assert.equal(reverse('<"a>b"@d>'), '"a>b"@d');
  assert.equal(reverse('<"a\\">b"@d>'), '"a\\">b"@d');
  assert.equal(reverse('<ü@d>'), 'ü@d');
});

test('the null path is a reverse-path only', () => {
  assert.equal(reverse('<>'), '<>');
  assert.equal(reverse(' <> BODY=8BITMIME'), '<>');
  assert.equal(forward('<>'), 'syntax');
});

test('Postmaster without a domain is a forward-path only, in any case of letters', () => {
  for (const text of ['<Postmaster>', '<postmaster>', '<POSTMASTER>']) {
    assert.equal(forward(text), 'postmaster');
    assert.equal(reverse(text), 'syntax');
  }
  assert.equal(forward('<postmasters>'), 'syntax');
});

test('a source route is accepted and dropped', () => {
  assert.equal(reverse('<@a.example:u@d>'), 'u@d');
  assert.equal(forward('<@a.example,@b.example:u@d>'), 'u@d');
  assert.equal(forward('<@[192.0.2.1]:u@d>'), 'u@d');
  assert.equal(forward('<@[IPv6:2001:db8::1],@b:u@d>'), 'u@d');
  for (const text of [
    '<@:u@d>',
    '<@a:>',
    '<@a,:u@d>',
    '<@a,b:u@d>',
    '<@a@b:u@d>',
    '<@a_b:u@d>',
    '<@a>',
    '<:u@d>',
  ]) {
    assert.equal(forward(text), 'syntax', text);
  }
});

test('every form of the open-relay batteries that is no path is a syntax error', () => {
  const table = [
    'u@d',
    'u@d>',
    '<u@d',
    '<u>',
    '<u@d@>',
    '<u@d@e>',
    '<u@>',
    '<@d>',
    '<u@d.>',
    '<<u@d>>',
    '<u@d>>',
    '<u@d>x',
    '< u@d>',
    '<u@d >',
    '<u @d>',
    '<u@t,u@d>',
    '<u@t><u@d>',
    '<u\\@d@t>',
    '<"u@d">',
    '<"u%d">',
    '<D!u>',
    '<u@t(comment)@d>',
    '<u@d\0>',
    '<u\r@d>',
    '<u\n@d>',
    '<"u\r\n"@d>',
    '<u\x07@d>',
    '<u\x7f@d>',
    '<u@a_b>',
    '',
    ' ',
    '<',
    '>',
  ];
  for (const text of table) {
    assert.equal(reverse(text), 'syntax', JSON.stringify(text));
    assert.equal(forward(text), 'syntax', JSON.stringify(text));
  }
});

test('a path of more than 256 octets is too long, and one of 256 is not', () => {
  const of = (octets: number) => {
    const domain = `${'a'.repeat(60)}.${'b'.repeat(60)}.${'c'.repeat(60)}.`;
    const local = 'l'.repeat(30);
    return `<${local}@${domain}${'d'.repeat(octets - 3 - local.length - domain.length)}>`;
  };
  assert.equal(of(256).length, 256);
  assert.notEqual(forward(of(256)), 'too-long');
  assert.equal(forward(of(256)).length, 254);
  assert.equal(forward(of(257)), 'too-long');
  assert.equal(reverse(`<@${'x'.repeat(5000)}:u@d>`), 'too-long');
  assert.equal(reverse(`<"${'ü'.repeat(130)}"@d>`), 'too-long');
});
