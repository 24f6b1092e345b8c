/** `clearinghouse.relay`: the relay's rules for bulk in its own mail. */
import { z } from 'zod';
import type { BulkRule } from '../../clearinghouse/options.ts';
import type { KeyPath } from '../problem.ts';
import type { Site, Warning } from '../section.ts';
import { count } from '../values/quantity.ts';
import { choice, listOf, text } from '../values/value.ts';

/** One member of `clearinghouse.relay`. */
export const ruleSchema = z.strictObject({
  grounds: listOf(choice(['open', 'network', 'recipient', 'authenticated', 'certificate', 'pop-before-smtp']))
    .prefault([])
    .describe(
      'Mail that is accepted on one of these grounds; `open` is that of an open relay. Default: all.',
    ),
  listeners: listOf(text())
    .prefault([])
    .describe('Mail of these listeners, by name or by role. Default: all.'),
  identities: listOf(text()).prefault([]).describe('Mail of these users. Default: all.'),
  bulk: count(2, 1_000_000)
    .optional()
    .describe('Distinct recipients from which on it is bulk here. Default: `clearinghouse.bulk`.'),
  when: choice(['bulk', 'reported'])
    .optional()
    .describe(
      'Whether the action follows from bulk alone, or only when copies were reported as well. Default: `reported` for mail of a known user, which may be a newsletter; `bulk` for other mail.',
    ),
  action: choice(['tag', 'hold', 'refuse', 'defer'])
    .prefault('tag')
    .describe(
      '`tag` adds the header only; `hold` accepts it and keeps it for an operator; `refuse` is 550, `defer` 451. Ordinary mail may be called bulk, so let anything but `tag` wait for reports (`when: reported`).',
    ),
  unavailable: choice(['pass', 'hold', 'defer'])
    .prefault('pass')
    .describe(
      'What happens to mail that cannot be checked, because the clearinghouse does not answer within two seconds or its thread is being restarted. It is logged either way.',
    ),
});

type Parsed = z.output<typeof ruleSchema>;
type Listeners = readonly { readonly name: string; readonly role: string }[];

/** A listener is named by its name, or with all others of its role. */
export function ruleOf(
  { identities, bulk, when, ...rule }: Parsed,
  path: KeyPath,
  { listeners, site }: { readonly listeners: Listeners; readonly site: Site },
): BulkRule {
  return {
    ...rule,
    listeners: rule.listeners.flatMap((wanted) => {
      const found = listeners.filter(({ name, role }) => name === wanted || role === wanted);
      if (found.length === 0)
        site.find([...path, 'listeners'], `there is no listener "${wanted}"`, hintOf(listeners));
      return found.map(({ name }) => name);
    }),
    identities: identities.map((name) => name.toLowerCase()),
    ...(bulk !== undefined && { bulk }),
    ...(when !== undefined && { when }),
  };
}

function hintOf(listeners: Listeners): string {
  return `there are ${listeners.map(({ name }) => `"${name}"`).join(', ')}`;
}

/** Similar messages of different people count as copies too often for more than a header to follow. */
export function ruleWarnings(rules: readonly BulkRule[]): Warning[] {
  return rules.flatMap(({ action, when }, i) => {
    if (action === 'tag' || when === 'reported') return [];
    const message = `action "${action}" is for mail that is merely bulk, and ordinary mail may be called that: "when: reported" is safer`;
    return [{ path: `clearinghouse.relay[${i}]`, message }];
  });
}
