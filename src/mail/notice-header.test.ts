import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseMailbox } from './address.ts';
import { type NoticeHeader, noticeHeader } from './notice-header.ts';

function headerOf(over: Partial<NoticeHeader>): string {
  const to = parseMailbox('keeper@relay.test', { smtputf8: false });
  assert.ok(to);
  return noticeHeader({
    from: 'Mail Delivery System <MAILER-DAEMON@relay.test>',
    to,
    subject: 'x',
    now: 0,
    messageId: 'n@relay.test',
    autoSubmitted: 'auto-generated',
    content: ['Content-Type: text/plain; charset=us-ascii'],
    ...over,
  });
}

test('a subject beyond ASCII, or with a line end in it, stays one field of ASCII and is read as it was', () => {
  const subject = `Wächter: ${'Üß€'.repeat(40)}\r\nBcc: x@y.test`;
  const header = headerOf({ subject });
  assert.match(header, /^[\t\r\n -~]*$/);
  assert.deepEqual(
    [...header.matchAll(/^([\w-]+):/gm)].map(([, name]) => name),
    ['From', 'To', 'Subject', 'Date', 'Message-ID', 'Auto-Submitted', 'MIME-Version', 'Content-Type'],
  );
  const words = [...header.matchAll(/=\?utf-8\?B\?([^?]*)\?=/g)];
  assert.ok(words.every(([word]) => word.length <= 75));
  assert.equal(Buffer.concat(words.map(([, text = '']) => Buffer.from(text, 'base64'))).toString(), subject);
});

test('a notice about a message names it, and ends with an empty line', () => {
  const header = headerOf({ reference: '<id@origin.test>', autoSubmitted: 'auto-replied' });
  assert.match(header, /\r\nIn-Reply-To: <id@origin\.test>\r\nReferences: <id@origin\.test>\r\n/);
  assert.match(header, /\r\nAuto-Submitted: auto-replied\r\n/);
  assert.ok(header.endsWith('us-ascii\r\n\r\n'));
});
