/** `workers`: how many processes share the work; one, until the feature is built. */
import { section } from '../section.ts';
import { notYet } from '../values/value.ts';

export const workers = section({
  schema: notYet('workers', 1).describe('How many processes share the work.'),
  effect: 'restart',
  resolve: (): undefined => undefined,
});
