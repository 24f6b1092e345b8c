import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { isSevenBit } from '../mail/index.ts';
import { type BuiltDsn, buildDsn, type DsnInput } from './build.ts';
import type { ReportedRecipient } from './decide.ts';
import { address, at, envelope, failed, full, header, input } from './testing.ts';

const folder = new URL('./golden/', import.meta.url);
const eightBitHeader = Buffer.concat([header, Buffer.from('Subject: Grüße = 1 \r\n', 'latin1')]);

const local: ReportedRecipient = {
  recipient: { address: address('bob@example.com') },
  action: 'delivered',
  reply: { code: 250, detail: '1.5', lines: ['Written to /var/mail/bob'] },
  relay: 'maildir:/var/mail/bob',
  at,
};
const slow: ReportedRecipient = {
  ...failed(),
  action: 'delayed',
  reply: { code: 451, detail: '4.1', lines: ['mx.example.com does not answer'] },
};

/** One notification of each kind; the expected octets are in `golden`, rewritten by UPDATE_GOLDEN=1. */
const cases: Record<string, DsnInput> = {
  failed: input(),
  'failed-ret-hdrs': input({ envelope: envelope({ ret: 'hdrs' }) }),
  'failed-ret-full-with-envid': input({
    envelope: envelope({
      ret: 'full',
      envid: 'Batch  7+é\r\nX-Evil: 1',
    }),
    recipients: [
      {
        ...failed(),
        recipient: {
          address: address('bob@example.com'),
          originalRecipient: { type: 'rfc822', address: 'Robert@example.com' },
        },
      },
    ],
  }),
  'failed-too-large-to-return': input({ original: { header } }),
  'failed-expired': input({ recipients: [{ ...slow, action: 'failed', expired: true }] }),
  'failed-here': input({
    recipients: [
      {
        recipient: { address: address('bob@nowhere.example') },
        action: 'failed',
        reply: { code: 550, detail: '1.2', lines: ['nowhere.example does not exist'] },
        at,
      },
    ],
  }),
  'failed-at-a-private-hop': input({
    recipients: [{ ...failed(), relay: 'hub.corp.internal[10.1.2.3]:25' }],
  }),
  'failed-several-recipients': input({
    recipients: [
      failed(),
      {
        ...failed('carol@example.com'),
        reply: { code: 552, detail: '2.2', lines: ['Mailbox', 'is full'] },
      },
      { ...failed('dave@[192.0.2.9]'), relay: '[192.0.2.9]:25', reply: { code: 554, lines: ['Go away'] } },
    ],
  }),
  'failed-many-recipients': input({
    recipients: Array.from({ length: 52 }, (_, i) => failed(`r${i}@example.com`)),
  }),
  'failed-hostile-reply': input({
    recipients: [
      {
        ...failed(),
        reply: {
          code: 550,
          detail: '1.1\r\nX: 1',
          lines: ['\u001b[31mred\r\nBcc: x@y\u202e evil\ud800', '--=_06BXYZ0000000002', 'é'.repeat(90)],
        },
      },
    ],
  }),
  'failed-long-reply': input({
    recipients: [
      {
        ...failed(),
        reply: { code: 550, detail: '7.1', lines: Array(100).fill(`spam ${'x'.repeat(150)}`) },
      },
    ],
  }),
  'failed-8bit': input({
    envelope: envelope({ body: '8bitmime' }),
    original: { header, full: Buffer.concat([full, Buffer.from('Grüße\r\n')]) },
  }),
  'failed-8bit-header-only': input({
    envelope: envelope({ ret: 'hdrs' }),
    original: { header: eightBitHeader },
  }),
  'failed-binary': input({
    envelope: envelope({ body: 'binarymime', content: { ...envelope().content, isBinary: true } }),
    original: { header, full: Buffer.concat([full, Buffer.from('a\0b\rc\nd')]) },
  }),
  'failed-smtputf8': input({
    to: address('josé@example.org'),
    envelope: envelope({ smtputf8: true, body: '8bitmime', reversePath: address('josé@example.org') }),
    recipients: [
      {
        ...failed('用户@example.com'),
        reply: { code: 550, detail: '1.1', lines: ['用户不存在 \u202e'] },
      },
    ],
    original: { header, full: Buffer.from('Subject: Grüße\r\n\r\nHallo\r\n') },
  }),
  'failed-smtputf8-ret-hdrs': input({
    envelope: envelope({ smtputf8: true, ret: 'hdrs' }),
    original: { header: Buffer.from('Subject: Grüße\r\n') },
  }),
  'failed-utf8-orcpt-in-an-ascii-report': input({
    recipients: [
      {
        ...failed(),
        recipient: {
          address: address('bob@example.com'),
          originalRecipient: { type: 'utf-8', address: 'bjö\\rn@example.com' },
        },
      },
    ],
  }),
  delayed: input({ recipients: [slow], willRetryUntil: at + 432_000_000 }),
  'delayed-untried': input({
    recipients: [
      {
        recipient: { address: address('bob@example.com') },
        action: 'delayed',
        reply: { code: 451, detail: '4.7', lines: ['No attempt could be made so far'] },
      },
    ],
  }),
  delivered: input({ recipients: [local], envelope: envelope({ ret: 'full' }) }),
  relayed: input({
    recipients: [{ ...failed(), action: 'relayed', reply: { code: 250, lines: ['queued as 1'] } }],
  }),
  expanded: input({
    recipients: [
      {
        recipient: { address: address('team@example.com') },
        action: 'expanded',
        reply: { code: 250, detail: '1.5', lines: ['Passed on to the members'] },
      },
    ],
  }),
  'double-bounce': input({
    kind: 'double-bounce',
    to: address('postmaster@example.net'),
    envelope: envelope({ reversePath: null }),
  }),
};

for (const [name, dsnInput] of Object.entries(cases)) {
  test(`the notification '${name}' is written as expected`, async () => {
    const built = await buildDsn(dsnInput);
    assert.ok(isSevenBit(built.octets) || built.envelope.smtputf8, 'every server takes it');
    const actual = transcript(built);
    const file = new URL(`${name}.eml`, folder);
    if (process.env.UPDATE_GOLDEN === '1') {
      mkdirSync(folder, { recursive: true });
      writeFileSync(file, actual);
    }
    assert.equal(actual.toString('latin1'), readFileSync(file, 'latin1'));
  });
}

/** The envelope on top, as commands, since the octets do not show it. */
function transcript({ envelope: { recipients, reversePath, body, smtputf8 }, octets }: BuiltDsn): Buffer {
  const flags = ` BODY=${body.toUpperCase()}${smtputf8 ? ' SMTPUTF8' : ''}`;
  const commands = [
    `MAIL FROM:<${reversePath?.text ?? ''}>${flags}`,
    ...recipients.map(({ address: to }) => `RCPT TO:<${to.text}>`),
  ];
  return Buffer.concat([Buffer.from(`${commands.join('\r\n')}\r\n\r\n`), octets]);
}
