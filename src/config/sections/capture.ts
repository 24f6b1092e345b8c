/** `capture`: the inbox of mail that is routed to `capture`. */
import { z } from 'zod';
import { defaultCapture } from '../../delivery/options.ts';
import { section } from '../section.ts';
import { count, size, sizeText } from '../values/quantity.ts';
import { path } from '../values/value.ts';

const schema = z.strictObject({
  folder: path().optional().describe('Where it is kept. Default: `capture` in `data`.'),
  maxMessages: count(1, 10_000_000)
    .prefault(defaultCapture.maxMessages)
    .describe('Beyond this the oldest are removed.'),
  maxBytes: size({ min: '1MB' })
    .prefault(sizeText(defaultCapture.maxBytes))
    .describe('Beyond this the oldest are removed.'),
});

export const capture = section({
  schema: schema.prefault({}).describe('The inbox of mail that is routed to `capture`.'),
  effect: 'reload',
  fixed: ['folder'],
  resolve: ({ folder, ...bounds }, site, { data }: { readonly data: string }) => ({
    folder: site.path(folder ?? `${data}/capture`),
    ...bounds,
  }),
});
