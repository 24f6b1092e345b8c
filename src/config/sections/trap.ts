/** `trap`: the archive of trap listeners. */
import { z } from 'zod';
import { type ArchiveOptions, defaultTrap } from '../../trap/options.ts';
import { section } from '../section.ts';
import { count, duration, durationText, size, sizeText } from '../values/quantity.ts';
import { path } from '../values/value.ts';

const schema = z.strictObject({
  folder: path().optional().describe('Where it is kept. Default: `trap` in `data`.'),
  maxMessages: count(1, 10_000_000)
    .prefault(defaultTrap.maxMessages)
    .describe('Beyond this the oldest are removed.'),
  maxBytes: size({ min: '1MB' })
    .prefault(sizeText(defaultTrap.maxBytes))
    .describe('Beyond this the oldest are removed.'),
  maxAge: duration({ min: '1h', max: '3650d' })
    .prefault(durationText(defaultTrap.maxAgeMs))
    .describe('Older messages are removed.'),
  messageSize: size({ min: '64KB' })
    .prefault(sizeText(defaultTrap.maxMessageBytes))
    .describe('The largest message it takes (552 5.3.4).'),
});

export const trap = section({
  schema: schema.prefault({}).describe('The archive of `trap` listeners. Mail in it is never delivered.'),
  effect: 'restart',
  resolve: (
    { folder, maxMessages, maxBytes, maxAge, messageSize },
    site,
    { data }: { readonly data: string },
  ): ArchiveOptions => ({
    folder: site.path(folder ?? `${data}/trap`),
    maxMessages,
    maxBytes,
    maxAgeMs: maxAge,
    maxMessageBytes: messageSize,
  }),
});
