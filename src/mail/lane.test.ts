/** Tests of lane names: what is on disk is what was written, and every text can be looked into. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatLane, laneName, parseLane } from './lane.ts';

const cases: readonly (readonly [string, ReturnType<typeof parseLane>])[] = [
  ['mx:example.org', { scheme: 'mx', place: 'example.org' }],
  ['mx:[IPv6:2001:db8::1]', { scheme: 'mx', place: '[IPv6:2001:db8::1]' }],
  ['smtp:smart.example:587#1f0a22c3', { scheme: 'smtp', place: 'smart.example:587', suffix: '#1f0a22c3' }],
  ['smtps:a.example:465,b.example:465', { scheme: 'smtps', place: 'a.example:465,b.example:465' }],
  ['smtp:10.0.0.5:25#1f0a22c3~2', { scheme: 'smtp', place: '10.0.0.5:25', suffix: '#1f0a22c3~2' }],
  ['smtp:10.0.0.5:25~3', { scheme: 'smtp', place: '10.0.0.5:25', suffix: '~3' }],
  ['lmtp:/run/dovecot/#lmtp', { scheme: 'lmtp', place: '/run/dovecot/#lmtp' }],
  ['maildir:/var/mail/{domain}/{local}', { scheme: 'maildir', place: '/var/mail/{domain}/{local}' }],
  ['capture', { scheme: 'capture' }],
  ['policy:', { scheme: 'policy', place: '' }],
  ['', { scheme: '' }],
];

for (const [text, parts] of cases) {
  test(`the lane "${text}" is taken apart and written as it was`, () => {
    assert.deepEqual(parseLane(laneName(text)), parts);
    assert.equal(formatLane(parts), text);
  });
}

test('whatever name is on disk, what it says makes the same name again', () => {
  const piece = fc.constantFrom('mx', ':', '#', '~', '2', '1f0a22c3', '\n', '☃', 'A', '/run');
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.array(piece).map((pieces) => pieces.join('')),
      ),
      (text) => {
        assert.equal(formatLane(parseLane(laneName(text))), text);
      },
    ),
  );
});
