/** `user`: the user and group of the relay after it has bound its ports. */
import { section } from '../section.ts';
import { text } from '../values/value.ts';

export const user = section({
  schema: text()
    .optional()
    .describe('The user to become after binding, when started as root; also `user:group`.'),
  effect: 'restart',
  /** `user` or `user:group`, not looked up. */
  resolve: (value) => value,
});
