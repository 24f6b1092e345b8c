/** Tests of properties that every transport has. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseDomain, parseLane } from '../../mail/index.ts';
import { defaultPolicy, nextHostOf } from '../transport.ts';
import { parseVia } from './index.ts';

const written = [
  'smtp://user@[2001:db8::1]:2525',
  'smtps://smart.example',
  'lmtp://127.0.0.1',
  'lmtp:/run/lmtp#1',
  'maildir:/var/mail/{domain}/{local}',
  'capture',
  'mx',
  'mx:example.net',
];

for (const text of written) {
  test(`the lane of "${text}" begins with its scheme, and says where it leads`, () => {
    const via = parseVia(text);
    assert.ok(typeof via !== 'string', String(via));
    const hosts = via.server === undefined ? [] : [nextHostOf(via.server, {})];
    const rule = { policy: defaultPolicy, suffix: '', hosts, fallback: [], weights: [] };
    const transport = via.transport(rule, parseDomain('rcpt.example'));
    assert.ok(transport !== undefined);
    const { scheme, place } = parseLane(transport.lane);
    assert.equal(scheme, via.scheme);
    assert.equal(scheme, text.split(':')[0]);
    if (transport.remote !== undefined) assert.equal(transport.remote.lane, transport.lane);
    assert.equal(place === undefined, text === 'capture');
  });
}

test('a destination that is none is refused with the forms of those that there are', () => {
  for (const text of ['uucp://host', '', ':', 'smtp', 'lmtp', 'maildir', 'capture:here', 'MX', '/var/mail']) {
    assert.match(String(parseVia(text)), /^unknown destination "/, text);
    assert.match(
      String(parseVia(text)),
      /smtps:\/\/, lmtp:\/\/, lmtp:\/path, maildir:\/path, .*capture or mx$/,
    );
  }
  for (const text of ['smtp:host', 'lmtp:host', 'maildir:mail', 'maildir:/m/{user}', 'mx:-', 'smtp://u:p@h'])
    assert.equal(typeof parseVia(text), 'string', text);
});
