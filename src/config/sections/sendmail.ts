/** `sendmail`: mail from users and programs of this machine. */
import { z } from 'zod';
import { section } from '../section.ts';
import { size } from '../values/quantity.ts';
import { path } from '../values/value.ts';

const schema = z.strictObject({
  maildrop: path()
    .optional()
    .describe('The folder that the sendmail command drops mail into. Default: `maildrop` in `data`.'),
  maxMessage: size({ min: '64KB' })
    .optional()
    .describe('The largest message it takes. Default: `limits.messageSize`.'),
});

interface Others {
  readonly data: string;
  readonly limits: { readonly messageBytes: number };
}

export const sendmail = section({
  schema: schema.prefault({}).describe('Mail from users and programs of this machine.'),
  effect: 'reload',
  fixed: ['maildrop'],
  resolve: ({ maildrop, maxMessage }, site, { data, limits }: Others) => ({
    maildrop: site.path(maildrop ?? `${data}/maildrop`),
    maxMessageBytes: maxMessage ?? limits.messageBytes,
  }),
});
