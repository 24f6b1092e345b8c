/** `spool`: the disk under accepted mail. */
import { z } from 'zod';
import { defaultFloorBytes } from '../../spool/options.ts';
import { section } from '../section.ts';
import { size, sizeText } from '../values/quantity.ts';

const schema = z.strictObject({
  floor: size()
    .prefault(sizeText(defaultFloorBytes))
    .describe('With less free space than this, mail is refused with 452 until there is more again.'),
});

export const spool = section({
  schema: schema.prefault({}).describe('Where accepted mail is kept.'),
  effect: 'restart',
  resolve: ({ floor }) => ({ floorBytes: floor }),
});
