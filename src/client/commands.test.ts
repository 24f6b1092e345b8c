import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { checkCommands, type SaidText } from './fuzz.ts';
import { openClient } from './index.ts';
import { clientOptions, fakeServer, offering, quick, testAddress, testMessage } from './testing.ts';

const usual: SaidText = {
  helo: 'client.example',
  from: 'a@example.org',
  to: ['b@example.net'],
  type: 'rfc822',
  original: 'b@example.net',
  envid: 'id',
  word: 'failure',
};

/** Characters that end a line somewhere, and commands that could follow. */
const harm = fc
  .array(fc.constantFrom('\r\n', '\n', '\r', '\0', '\x7f', '\x1b', 'RSET', 'QUIT', '>', ' ', '.', 'ü', 'a'), {
    minLength: 1,
    maxLength: 8,
  })
  .map((parts) => parts.join(''));

test('a control character in any parameter of an envelope leaves in no command', {
  timeout: 60_000,
}, async () => {
  const text = fc.oneof(harm, fc.string({ unit: 'binary' }));
  const keys = ['helo', 'from', 'type', 'original', 'envid', 'word'] as const;
  for (const keywords of [['SIZE'], ['PIPELINING'], ['PIPELINING', 'CHUNKING', '8BITMIME']]) {
    const offered = ['SMTPUTF8', ...keywords];
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...keys), text, async (key, value) =>
        checkCommands({ ...usual, [key]: value }, offered),
      ),
      { numRuns: 150 },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(text, { minLength: 1, maxLength: 3 }), async (to) =>
        checkCommands({ ...usual, to }, offered),
      ),
      { numRuns: 50 },
    );
  }
});

test('a recipient with a line end in it stops the message before its first command', async () => {
  await using server = await fakeServer(`${offering('PIPELINING', 'DSN')} WAIT`);
  await using session = await openClient(clientOptions(server.port));
  const evil = { ...testAddress('b@example.net'), text: 'b@example.net>\r\nRCPT TO:<c@example.net' };
  const message = { ...testMessage('x: y\r\n', []), recipients: [{ address: evil }] };
  const { ending, recipients } = await session.send(message, quick());
  assert.equal(ending.kind === 'lost' && ending.error.code, 'internal');
  assert.equal(recipients[0]?.code, 451);
  await server.played;
});
