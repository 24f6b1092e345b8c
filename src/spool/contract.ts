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
  survives: surviveCases,
};

/** Declares the tests that every `Spool` has to pass. `open` makes a new, empty spool each time. */
export function describeSpool(name: string, open: OpenFixture): void {
  for (const [verb, cases] of Object.entries(groups)) {
    describe(`the ${name} spool ${verb}`, () => {
      for (const [sentence, body] of Object.entries(cases)) {
        it(sentence, async (t) => {
          await using fixture = await open();
          await body(fixture, t);
        });
      }
    });
  }
}
