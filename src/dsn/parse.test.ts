import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isSevenBit } from '../mail/index.ts';
import { buildDsn } from './build.ts';
import { parseDsn } from './parse.ts';
import { address, at, envelope, failed, full, header, input } from './testing.ts';

function report(status: string, fields = 'Content-Type: message/delivery-status'): Buffer {
  return Buffer.from(
    `Content-Type: multipart/report; boundary=b\n\n--b\n\nSorry.\n\n--b\n${fields}\n\n${status}\n--b--\n`,
  );
}

test('a report of another system is read, whatever its line ends and letter case', () => {
  const text = `reporting-mta: DNS; mx.example.com
Original-envelope-id: abc

ORIGINAL-RECIPIENT: rfc822;Bob@Example.com
final-recipient: RFC822 ; <bob@example.com>
action: Failed (permanent)
status: 5.1.1 (bad mailbox)
diagnostic-code: smtp; 550 5.1.1
  No such
\tuser

Final-Recipient: carol@example.com
Action: lost
`;
  const expected = {
    envid: 'abc',
    reportingMta: 'mx.example.com',
    recipients: [
      {
        finalRecipient: 'bob@example.com',
        originalRecipient: 'Bob@Example.com',
        action: 'failed',
        status: '5.1.1',
        diagnostic: '550 5.1.1 No such user',
      },
      { finalRecipient: 'carol@example.com', action: undefined },
    ],
  };
  assert.deepEqual(parseDsn(report(text)), expected);
  assert.deepEqual(parseDsn(report(text.replaceAll('\n', '\r\n'))), expected);
});

test('an encoded status part is decoded', () => {
  const status =
    'Reporting-MTA: dns; a\r\n\r\nFinal-Recipient: utf-8; josé@example.com\r\nAction: delayed\r\n';
  const type = 'Content-Type: message/global-delivery-status\nContent-Transfer-Encoding: ';
  const base64 = report(Buffer.from(status).toString('base64'), `${type}base64`);
  const quoted = report(status.replace('é', '=C3=\n=A9').replaceAll('\r', ''), `${type}Quoted-Printable`);
  for (const octets of [base64, quoted]) {
    assert.equal(parseDsn(octets)?.recipients[0]?.finalRecipient, 'josé@example.com');
  }
});

test('fields that are not set apart, or in a part without a label, are found', () => {
  const fields = 'Reporting-MTA: dns; a\nFinal-Recipient: rfc822; b@c\nAction: failed\nStatus: 5.0.0\n';
  assert.equal(parseDsn(report(fields))?.recipients[0]?.status, '5.0.0');
  assert.equal(parseDsn(report(fields, 'Content-Type: text/plain'))?.recipients[0]?.finalRecipient, 'b@c');
});

test('what is no report is undefined', () => {
  assert.equal(parseDsn(Buffer.from('Subject: Hello\r\n\r\nAction: none\r\n')), undefined);
  assert.equal(parseDsn(report('')), undefined);
  assert.equal(parseDsn(Buffer.alloc(0)), undefined);
});

test('random octets are read without an error', () => {
  const word = fc.constantFrom(
    'content-type: message/delivery-status',
    'content-transfer-encoding: base64',
    'final-recipient: rfc822;',
    '\r\n',
    '\n\n',
    '--',
    ':',
    ' ',
    '=',
  );
  const text = fc.array(fc.oneof(word, fc.string({ unit: 'binary', maxLength: 8 }))).map((p) => p.join(''));
  fc.assert(
    fc.property(text, (octets) => void parseDsn(Buffer.from(octets))),
    { numRuns: 300 },
  );
});

const wild = fc.string({ unit: 'binary', maxLength: 200 });
const anyReport = fc.record({
  envid: wild,
  lines: fc.array(wild, { minLength: 1, maxLength: 4 }),
  orcpt: wild,
  type: fc.constantFrom('rfc822', 'utf-8', 'x.400', '\r\n'),
  locals: fc.array(fc.stringMatching(/^[a-z0-9.+=_-]{1,60}$/), { minLength: 1, maxLength: 20 }),
  detail: fc.constantFrom('1.1', '7.1', undefined, 'x'),
  code: fc.constantFrom(421, 450, 550, 554, 250),
  smtputf8: fc.boolean(),
  ret: fc.constantFrom('full' as const, 'hdrs' as const),
  body: fc.uint8Array({ maxLength: 300 }),
});

test('whatever is reported, the built notification is lawful and reads back', async () => {
  await fc.assert(
    fc.asyncProperty(
      anyReport,
      async ({ envid, lines, orcpt, type, locals, detail, code, smtputf8, ret, body }) => {
        const recipients = locals.map((local) => ({
          ...failed(),
          recipient: {
            address: address(`${local}@example.com`),
            originalRecipient: { type, address: orcpt },
          },
          reply: detail === undefined ? { code, lines } : { code, detail, lines },
        }));
        const { octets, envelope: out } = await buildDsn(
          input({
            recipients,
            envelope: envelope({ envid, smtputf8, ret }),
            original: { header, full: Buffer.concat([full, Buffer.from(body)]) },
          }),
        );
        const parsed = parseDsn(octets);
        assert.deepEqual(
          parsed?.recipients.map((r) => r.finalRecipient),
          locals.map((local) => `${local}@example.com`),
        );
        assert.ok(parsed?.recipients.every((r) => r.action === 'failed' && r.status !== undefined));
        const text = octets.toString('latin1');
        assert.ok(!/\r(?!\n)|(?<!\r)\n/.test(text), 'bare CR or LF');
        assert.ok(
          text.split('\r\n').every((line) => line.length <= 998),
          'over-long line',
        );
        assert.ok(isSevenBit(octets));
        assert.equal(out.content.hasEightBit, false);
        assert.equal(out.body, '7bit');
        assert.equal(out.content.size, octets.length);
        const boundary = /boundary="([^"]+)"/.exec(text)?.[1] ?? '';
        assert.equal(text.split(`--${boundary}`).length - 1, 4);
      },
    ),
    { numRuns: 200 },
  );
});

test('an envelope identifier comes back as it was sent', async () => {
  const { octets } = await buildDsn(input({ envelope: envelope({ envid: 'Job  7+B' }), now: at }));
  assert.equal(parseDsn(octets)?.envid, 'Job  7+B');
});
