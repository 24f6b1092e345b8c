/** `xclientFrom`: the networks whose XCLIENT command is believed. */
import type { Cidr } from '../../base/index.ts';
import { section } from '../section.ts';
import { anyClaim, network } from '../values/place.ts';
import { listOf } from '../values/value.ts';

export const xclientFrom = section({
  schema: listOf(network({ means: anyClaim, hint: 'list the hosts that speak XCLIENT' }))
    .prefault([])
    .describe('Clients whose XCLIENT command is believed: content filters and tests, never strangers.'),
  effect: 'reload',
  resolve: (value): readonly Cidr[] => value,
});
