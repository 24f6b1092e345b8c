/** `clearinghouse`: bulk mail, counted for filters and for this relay. */
import { z } from 'zod';
import { type ClearinghouseConfig, defaultMemory, defaultThresholds } from '../../clearinghouse/options.ts';
import { defined, section } from '../section.ts';
import { count, size, sizeText } from '../values/quantity.ts';
import { listOf, path, text } from '../values/value.ts';
import { doorOf, doorSchema } from './clearinghouse-doors.ts';
import { floodOf, floodSchema } from './clearinghouse-flood.ts';
import { ruleOf, ruleSchema, ruleWarnings } from './clearinghouse-rules.ts';

const schema = z.strictObject({
  folder: path().optional().describe('Where its state is kept. Default: `clearinghouse` in `data`.'),
  memory: size({ min: '16MB', max: '64GB' })
    .prefault(sizeText(defaultMemory))
    .describe('Memory for all counts together. It is allocated at the start and never grows.'),
  bulk: count(2, 1_000_000)
    .prefault(defaultThresholds.bulk)
    .describe(
      'Distinct recipients from which on copies are bulk. They are forgotten in a day, those of more than nine copies in thirty.',
    ),
  shortBulk: count(2, 1_000_000)
    .prefault(defaultThresholds.shortBulk)
    .describe('The same for messages of a few words, which people write alike.'),
  allow: listOf(text())
    .prefault([])
    .describe(
      'Senders whose bulk mail is wanted: their counts have no consequence. `dkim:example.org` is mail signed for that domain or one below it (DKIM). A domain or address alone matches From, the reverse-path or List-Id, which anybody can forge.',
    ),
  relay: listOf(ruleSchema)
    .prefault([])
    .describe(
      'Rules for the mail of this relay: the first rule that matches a message decides, and other mail is not checked. Every message that a rule matches gets a header `X-Posthouse-Bulk`. Default: none.',
    ),
  flood: floodSchema
    .optional()
    .describe(
      'Exchange of counts with other clearinghouses, over TLS: hashes and sketches of what at least three recipients here have got, no text and no addresses. Default: none.',
    ),
  doors: listOf(doorSchema)
    .prefault([])
    .describe(
      'Listeners of the clearinghouse, one for each protocol and address. Without one it cannot be asked from outside.',
    ),
});

interface Others {
  readonly data: string;
  readonly listeners: readonly { readonly name: string; readonly role: string }[];
}

export const clearinghouse = section({
  schema: schema
    .optional()
    .describe('Bulk mail, counted for filters that speak Razor, Pyzor, DCC or rspamd. Default: none.'),
  effect: 'restart',
  rebound: ['doors'],
  resolve(value, site, { data, listeners }: Others): ClearinghouseConfig | undefined {
    if (value === undefined) return undefined;
    const { folder, relay, doors, flood, ...counting } = value;
    return {
      folder: site.path(folder ?? `${data}/clearinghouse`),
      ...counting,
      relay: relay.map((rule, i) => ruleOf(rule, ['clearinghouse', 'relay', i], { listeners, site })),
      ...defined('flood', flood && floodOf(flood, ['clearinghouse', 'flood'], site)),
      doors: doors.map((door, i) => doorOf(door, ['clearinghouse', 'doors', i], site)),
    };
  },
  warnings: (value) => ruleWarnings(value?.relay ?? []),
});
