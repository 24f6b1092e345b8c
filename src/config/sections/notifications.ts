/** `notifications`: notices of failure and delay to senders. */
import { z } from 'zod';
import { maxReturnedBytes } from '../../dsn/options.ts';
import { section } from '../section.ts';
import { size, sizeText } from '../values/quantity.ts';

const schema = z.strictObject({
  returnSize: size({ max: '10MB' })
    .prefault(sizeText(maxReturnedBytes))
    .describe('Messages above this come back as their header only.'),
});

export const notifications = section({
  schema: schema.prefault({}).describe('Notices of failure and delay to senders.'),
  effect: 'reload',
  resolve: ({ returnSize }) => ({ maxReturnedBytes: returnSize }),
});
