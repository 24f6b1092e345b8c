import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  findField,
  formatDate,
  formatReceived,
  headerFields,
  parseMailbox,
  type ReceivedFacts,
  receivedProtocol,
} from './index.ts';

const facts: ReceivedFacts = {
  helo: 'client.example',
  client: '192.0.2.1',
  by: 'relay.example.org',
  protocol: 'esmtp',
  isAuthenticated: false,
  smtputf8: false,
  id: '0123456789ABCDEF',
  at: Date.UTC(2026, 0, 2, 3, 4, 5),
};

const address = (text: string) => {
  const parsed = parseMailbox(text, { smtputf8: true });
  assert.ok(parsed);
  return parsed;
};

test('the trace field names the client, the way and the time', () => {
  assert.equal(
    formatReceived(facts),
    'Received: from client.example ([192.0.2.1]) by relay.example.org with ESMTP\r\n' +
      '\tid 0123456789ABCDEF;\r\n' +
      '\tFri, 02 Jan 2026 03:04:05 +0000\r\n',
  );
  assert.equal(
    formatReceived({
      ...facts,
      rdns: 'mail.client.example',
      client: '2001:db8::1',
      port: 54321,
      isAuthenticated: true,
      tls: { version: 'TLSv1.3', cipher: 'TLS_AES_256_GCM_SHA384' },
      for: address('user@example.net'),
    }),
    'Received: from client.example (mail.client.example [IPv6:2001:db8::1])\r\n' +
      '\t(port 54321) by relay.example.org with ESMTPSA id 0123456789ABCDEF\r\n' +
      '\tfor <user@example.net> tls TLS_AES_256_GCM_SHA384 (TLSv1.3);\r\n' +
      '\tFri, 02 Jan 2026 03:04:05 +0000\r\n',
  );
});

test('the protocol is one of the registered with types', () => {
  const tls = { version: 'TLSv1.3', cipher: 'x' };
  const of = (protocol: ReceivedFacts['protocol'], flags: string) =>
    receivedProtocol({
      protocol,
      smtputf8: flags.includes('8'),
      isAuthenticated: flags.includes('A'),
      ...(flags.includes('S') ? { tls } : {}),
    });
  const table: readonly (readonly [ReceivedFacts['protocol'], string, string])[] = [
    ['smtp', '', 'SMTP'],
    ['esmtp', '', 'ESMTP'],
    ['esmtp', 'S', 'ESMTPS'],
    ['esmtp', 'A', 'ESMTPA'],
    ['esmtp', 'SA', 'ESMTPSA'],
    ['esmtp', '8', 'UTF8SMTP'],
    ['esmtp', '8S', 'UTF8SMTPS'],
    ['esmtp', '8A', 'UTF8SMTPA'],
    ['esmtp', '8SA', 'UTF8SMTPSA'],
    ['lmtp', '', 'LMTP'],
    ['lmtp', 'SA', 'LMTPSA'],
    ['lmtp', '8SA', 'UTF8LMTPSA'],
  ];
  for (const [protocol, flags, expected] of table) assert.equal(of(protocol, flags), expected);
});

test('a forged greeting cannot break out of its word', () => {
  const table: readonly (readonly [string, string])[] = [
    ['x\r\nEvil: yes', 'x??Evil??yes'],
    ['a) by evil (b', 'a??by?evil??b'],
    ['nul\0', 'nul?'],
    ['b\u00fccher.example', 'b?cher.example'],
    ['[192.0.2.9]', '[192.0.2.9]'],
    ['[IPv6:2001:DB8::9]', '[IPv6:2001:db8::9]'],
    ['[evil]', '?evil?'],
    ['my_pc', 'my_pc'],
    ['a;Fri', 'a?Fri'],
    ['"q"', '?q?'],
    ['', 'unknown'],
  ];
  for (const [helo, word] of table) {
    const text = formatReceived({ ...facts, helo });
    assert.ok(text.startsWith(`Received: from ${word} ([192.0.2.1])`), text);
  }
});

test('a recipient beyond ASCII is named only in a message that is SMTPUTF8', () => {
  const utf8 = address('ü@bücher.example');
  assert.doesNotMatch(formatReceived({ ...facts, for: utf8 }), / for /);
  assert.match(formatReceived({ ...facts, smtputf8: true, for: utf8 }), /for <ü@bücher\.example>/);
  assert.match(formatReceived({ ...facts, for: address('u@bücher.example') }), /<u@xn--bcher-kva\.example>/);
});

test('whatever the client said, the result is one field of short lines', () => {
  const word = fc.string({ unit: 'binary', maxLength: 600 });
  fc.assert(
    fc.property(word, word, word, word, (helo, rdns, cipher, client) => {
      const text = formatReceived({ ...facts, helo, rdns, client, tls: { version: helo, cipher } });
      assert.match(text, /^[\t\r\n -~]*\r\n$/);
      const octets = Buffer.from(text);
      assert.equal([...headerFields(octets)].length, 1);
      for (const line of text.split('\r\n')) assert.ok(line.length <= 998);
      assert.equal(text.split(/\r\n(?=[^\t])/).length, 1);
      assert.doesNotMatch(text.replaceAll('\r\n', ''), /[\r\n]/);
      assert.match(findField(octets, 'received') ?? '', /; *\t?Fri, 02 Jan 2026 03:04:05 \+0000$/);
    }),
  );
});

test('a date is written in UTC with two digits of the day', () => {
  assert.equal(formatDate(0), 'Thu, 01 Jan 1970 00:00:00 +0000');
  assert.equal(formatDate(Date.UTC(2024, 1, 29, 23, 59, 59, 999)), 'Thu, 29 Feb 2024 23:59:59 +0000');
});
