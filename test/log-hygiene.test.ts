import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openLog } from '../src/base/index.ts';
import { renderPostfix } from '../src/relay/index.ts';
import { MemoryPeer } from './support/peer.ts';

/** Characters that make two lines of one, move a cursor, or turn the direction of writing. */
const nasty = [
  '\x1b[2J',
  '\x07',
  '\x7f',
  '\u0085',
  '\u2028',
  '\u202e',
  '\u200b',
  '"',
  '\\',
  ' from=',
  '%0a',
  '{}',
];

const lines = [
  ...nasty.map((text) => `EHLO x${text}y`),
  ...nasty.map((text) => `MAIL FROM:<x${text}y@b.example> SMTPUTF8`),
  ...nasty.map((text) => `MAIL FROM:<"x${text}y"@b.example> SMTPUTF8`),
  ...nasty.map((text) => `RCPT TO:<"x${text}y"@third.example>`),
  ...nasty.map((text) => `RCPT TO:<x${text}y@example.org>`),
  ...nasty.map((text) => `X${text}`),
  ...nasty.map((text) => `RCPT TO:<"x${text}y"@example.org> ORCPT=rfc822;x${text}y`),
  ...nasty.map((text) => `XCLIENT ADDR=${text} NAME=${text}`),
];

for (const format of ['json', 'pretty', 'syslog-postfix'] as const) {
  test(`nothing that a peer says is unescaped in the log (${format})`, async () => {
    let written = '';
    await using log = openLog({
      format: format === 'syslog-postfix' ? renderPostfix() : format,
      stream: {
        write: (text: string) => {
          written += text;
        },
      },
    });
    const limits = { commandErrors: 1e6, idleCommands: 1e6 };
    await using peer = new MemoryPeer({ log, limits });
    await peer.reply();
    await peer.expect(['EHLO client.example', 250], ['MAIL FROM:<"\x20x"@b.example> SMTPUTF8', 250]);
    for (const line of lines) {
      const reply = await peer.command(line);
      assert.match(reply, /^\d{3} [ -~]*$/, 'no reply repeats it either');
    }
    for (const text of nasty) {
      await peer.expect(['RSET', 250], ['EHLO client.example', 250], ['MAIL FROM:<>', 250]);
      await peer.expect(['RCPT TO:<u@example.org>', 250], ['DATA', 354]);
      await peer.expect([`Message-ID: <x${text}y@z>\r\nSubject: x\r\n\r\n.`, 250]);
    }
    peer.session.closed();
    await log[Symbol.asyncDispose]();
    assert.ok(written.includes('third.example'), 'refusals are in the log');
    assert.doesNotMatch(written.replaceAll('\n', ''), /[\p{C}\p{Zl}\p{Zp}]/u);
    const count = written.split('\n').length - 1;
    if (format === 'json') for (const line of written.trimEnd().split('\n')) JSON.parse(line);
    assert.ok(count < lines.length + 2 * nasty.length + 10, 'one line for each fact');
  });
}
