import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parsePattern, type Reply, reply } from '../mail/index.ts';
import type { Identity } from './ask.ts';
import { complete } from './completion.ts';
import { pass } from './testing.ts';

const now = Date.UTC(2026, 0, 2, 3, 4, 5);
const anna: Identity = {
  name: 'anna@example.org',
  mechanism: 'PLAIN',
  senders: ['anna@example.org', 'sales@example.org'].flatMap((text) => parsePattern(text) ?? []),
};
const needed = 'Message-ID: <1@x>\r\nDate: Fri, 2 Jan 2026 03:04:05 +0000\r\n';

const accepted = reply(250, '0.0', 'ok');

interface Outcome {
  readonly text: string;
  readonly answer: Reply;
  readonly size: number | undefined;
}

/** Submits the octets in pieces of this length. */
function submit(text: string, piece?: number, identity: Identity | null = anna): Outcome {
  const submission = { identity: identity ?? undefined, id: 'id', hostname: 'relay.example.org', now };
  const passed = pass(Buffer.from(text), (header) => complete(header, submission), piece);
  return 'code' in passed
    ? { text: '', size: undefined, answer: passed }
    : { text: passed.octets.toString(), size: passed.size, answer: accepted };
}

test('a complete message passes as it is, however it is cut', () => {
  const text = `${needed}From: anna@example.org\r\nTo: u@x.example\r\n\r\nbody\r\n\r\nmore\r\n`;
  for (const piece of [1, 2, 3, 7, 64, text.length]) {
    const outcome = submit(text, piece);
    assert.equal(outcome.text, text);
    assert.equal(outcome.size, text.length);
  }
});

test('Message-ID and Date are added where they are missing', () => {
  const { text, size } = submit('From: anna@example.org\r\n\r\nbody\r\n');
  assert.match(
    text,
    /^Message-ID: <\w+@relay\.example\.org>\r\nDate: Fri, 02? ?Jan 2026 03:04:05 \+0000\r\nFrom: anna/,
  );
  assert.equal(size, Buffer.byteLength(text));
});

test('Bcc goes, folded or twice, and nothing else', () => {
  const { text } = submit(
    `${needed}BCC: a@x.example,\r\n b@x.example\r\nFrom: anna@example.org\r\nbcc : c@x.example\r\nTo: u@x.example\r\n\r\nBcc: body\r\n`,
  );
  assert.equal(text, `${needed}From: anna@example.org\r\nTo: u@x.example\r\n\r\nBcc: body\r\n`);
});

test('Sender names the identity that is not the author', () => {
  const table = [
    ['From: anna@example.org', ''],
    ['From: "sales, all" <sales@example.org>', 'Sender: anna@example.org\r\n'],
    ['From: anna@example.org, sales@example.org', 'Sender: anna@example.org\r\n'],
    ['From: sales@example.org\r\nSender: boss@example.org', 'Sender: anna@example.org\r\n'],
    [
      'From: sales@example.org\r\nSender: a@example.org\r\nSender: anna@example.org',
      'Sender: anna@example.org\r\n',
    ],
  ] as const;
  for (const [header, sender] of table) {
    const { text } = submit(`${needed}${header}\r\n\r\nbody\r\n`);
    assert.equal(text, `${sender}${needed}${header.split('\r\n')[0]}\r\n\r\nbody\r\n`, header);
  }
  const own = `${needed}From: sales@example.org\r\nSender: anna@example.org\r\n\r\nbody\r\n`;
  assert.equal(submit(own).text, own);
});

test('an author that the identity may not be is refused', () => {
  const fields = [
    'boss@example.org',
    'anna@example.org, boss@example.org',
    '"anna@example.org" <boss@example.org>',
    'anna@example.org <boss@example.org>',
    'team: anna@example.org, boss@example.org;',
    'anna@example.org.evil.example',
    'boss@example.org (anna@example.org)',
  ];
  for (const from of fields) {
    const { answer, text } = submit(`${needed}From: ${from}\r\n\r\nbody\r\n`);
    assert.equal(`${answer.code} ${text}`, '550 ', from);
  }
});

test('a message has exactly one From with an address', () => {
  const headers = [
    '',
    'From:\r\n',
    'From: nobody\r\n',
    'From: anna@example.org\r\nFrom: anna@example.org\r\n',
    'From: undisclosed:;\r\n',
    'From: anna@example.org, nobody\r\n',
  ];
  for (const header of headers) {
    const { answer, text } = submit(`${needed}${header}\r\nbody\r\n`);
    assert.deepEqual([answer.code, text], [554, ''], header);
  }
});

test('an author in UTF-8 is compared as what he is', () => {
  const senders = parsePattern('ännä@example.org');
  assert.ok(senders !== undefined);
  const identity = { ...anna, name: 'ännä@example.org', senders: [senders] };
  const text = `${needed}From: ännä@example.org\r\n\r\nbody\r\n`;
  assert.equal(submit(text, text.length, identity).text, text);
});

test('a header that never ends is refused and not kept', () => {
  const { answer, text } = submit(`From: anna@example.org\r\n${'X: y\r\n'.repeat(60_000)}`, 10_000);
  assert.deepEqual([answer.code, text], [552, '']);
});

test('a message that is all header gets the empty line that ends it', () => {
  const { text, size } = submit(`${needed}From: anna@example.org\r\n`);
  assert.equal(text, `${needed}From: anna@example.org\r\n\r\n`);
  assert.equal(size, text.length);
});

test('without an identity the header is completed and nobody is asked', () => {
  const { text, answer } = submit('From: fax@example.org\r\nBcc: a@x.example\r\n\r\nbody\r\n', 30, null);
  assert.equal(answer.code, 250);
  assert.match(text, /Message-ID: .*\r\nDate: .*\r\nFrom: fax@example\.org\r\n\r\nbody/);
  assert.doesNotMatch(text, /Bcc|Sender/);
});

test('a From or Sender of very many commas is refused unread, and 8 KB of it are not', () => {
  const many = ','.repeat(125_000);
  const resent = `Resent-From: "${'\u00e9@ '.repeat(1500)}" <anna@example.org>\r\n`.repeat(30);
  for (const field of [
    `From: anna@example.org${many}`,
    `From: anna@example.org\r\nSender: a${many}`,
    `From: anna@example.org\r\n${resent}X: y`,
  ]) {
    const { answer, text } = submit(`${field}\r\n${needed}\r\nx\r\n`);
    assert.deepEqual(answer, reply(552, '3.4', 'From or Sender field too long'));
    assert.equal(text, '');
  }
  const some = `From: anna@example.org${','.repeat(8000)}\r\n${needed}\r\nx\r\n`;
  assert.equal(submit(some).answer.code, 250);
});
