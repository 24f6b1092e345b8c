/** The contract that every spool has to pass. */
import { describe, it } from 'node:test';
import { acceptCases } from './contract/accept.ts';
import { changeCases } from './contract/change.ts';
import type { OpenFixture } from './contract/fixture.ts';
import { refuseCases, surviveCases } from './contract/refuse.ts';
import { scheduleCases } from './contract/schedule.ts';

export type { OpenFixture, SpoolFixture } from './contract/fixture.ts';

const groups = {
  accepts: acceptCases,
  schedules: scheduleCases,
  changes: changeCases,
  refuses: refuseCases,
};

/**
 * Declares the tests that every `Spool` has to pass, and those of one that outlives a close. `open` makes a
 * new, empty spool each time.
 */
export function describeSpool(
  { name, isDurable }: { readonly name: string; readonly isDurable: boolean },
  open: OpenFixture,
): void {
  const all = isDurable ? { ...groups, survives: surviveCases } : groups;
  for (const [verb, cases] of Object.entries(all)) {
    describe(`the ${name} spool ${verb}`, () => {
      for (const [sentence, body] of Object.entries(cases)) {
        it(sentence, async () => {
          await using fixture = await open();
          await body(fixture);
        });
      }
    });
  }
}
