/** `logs`: the format of the log. */
import { z } from 'zod';
import { section } from '../section.ts';
import { choice } from '../values/value.ts';

const schema = z.strictObject({
  format: choice(['auto', 'json', 'pretty', 'syslog-postfix'])
    .prefault('auto')
    .describe('`auto` is `pretty` on a terminal and `json` elsewhere. Logs go to standard error.'),
});

export const logs = section({
  schema: schema.prefault({}).describe('The log of messages and of the relay itself.'),
  effect: 'restart',
  resolve: (value): Readonly<z.output<typeof schema>> => value,
});
