/** `data`: the folder of everything that the relay keeps. */
import { section } from '../section.ts';
import { path } from '../values/value.ts';

export const data = section({
  schema: path()
    .prefault('/var/lib/posthouse')
    .describe(
      'The folder of spool, captured mail, maildrop and control socket. In the local profile `./var`.',
    ),
  effect: 'restart',
  resolve: (value, site) => site.path(value),
});
