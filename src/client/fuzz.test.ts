import { test } from 'node:test';
import fc from 'fast-check';
import { fuzzTargets } from './fuzz.ts';
import { checkOverlap } from './testing-overlap.ts';

/** Pieces of dialogue, so that random servers come further than to their first octet. */
const words = ['220 ', '250 ', '250-', '354 ', '421 ', '550 5.1.1 ', '999 ', '\r\n', '\n', 'ok', '\0', '25'];
const speech = fc
  .array(fc.oneof(fc.constantFrom(...words), fc.string({ maxLength: 5 })), { maxLength: 60 })
  .map((parts) => Buffer.from(parts.join(''), 'latin1'));
const input = fc
  .tuple(fc.nat(255), fc.nat(255), speech)
  .map(([phase, size, said]) => Buffer.concat([Buffer.from([phase, size]), said]));

for (const { name, run } of fuzzTargets) {
  test(`${name}: whatever the server says, only a ClientError comes out`, { timeout: 20_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(input, async (octets) => run(octets)),
      { numRuns: 400 },
    );
  });
}

test('messages that follow each other get their own replies, whatever the server says and when', async () => {
  const choice = fc.oneof({ weight: 6, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(31) });
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 4 }), fc.array(choice, { maxLength: 60 }), (first, rest) =>
      checkOverlap(Uint8Array.from([...first, ...rest])),
    ),
    { numRuns: 1000 },
  );
});
