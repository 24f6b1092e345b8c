/** `admin`: the dashboard, which is not built yet. */
import { z } from 'zod';
import { section } from '../section.ts';
import { notYet } from '../values/value.ts';

const schema = z.strictObject({ address: notYet('admin.address').describe('Where the dashboard listens.') });

export const admin = section({
  schema: schema.prefault({}).describe('The dashboard.'),
  effect: 'restart',
  resolve: (): undefined => undefined,
});
