import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isMailbox, type RecipientOptions, recipientFaults, resolve } from './index.ts';
import { address, localDomain, tableOf } from './testing.ts';

const locals = ['a', 'b', 'c', 'a+t', 'b+t', 'postmaster', 'abuse', 'A', 'x%y'];
const domains = ['one.example', 'two.example', 'out.example'];
const anybody = fc
  .tuple(fc.constantFrom(...locals), fc.constantFrom(...domains))
  .map(([local, domain]) => `${local}@${domain}`);
const target = fc.oneof(anybody, fc.constantFrom(...locals));

const domain = (name: string) =>
  fc
    .record({
      recipients: fc.oneof(
        fc.constant({ kind: 'any' as const }),
        fc.constant({ kind: 'verify' as const }),
        fc
          .subarray(['a', 'b', 'c', 'rest'])
          .map((names) => ({ kind: 'list' as const, names: new Set(names) })),
      ),
      aliases: fc.dictionary(
        fc.constantFrom('a', 'b', 'c', 'a+t', 'postmaster'),
        fc.array(target, { minLength: 1, maxLength: 3 }),
      ),
      catchAll: fc.option(anybody.map(address), { nil: undefined }),
      keepsTag: fc.boolean(),
      tagSeparators: fc.constantFrom('+', ''),
    })
    .map(({ catchAll, ...changes }) => localDomain(name, { ...changes, ...(catchAll && { catchAll }) }));

const setups = fc
  .record({ one: domain('one.example'), two: domain('two.example'), postmaster: anybody.map(address) })
  .map(
    ({ one, two, postmaster }): RecipientOptions => ({
      domains: tableOf(one, two),
      backupDomains: new Set(),
      postmaster,
    }),
  );

test('whatever names lead to is a mailbox that may be made, and is what it leads to itself', () => {
  fc.assert(
    fc.property(setups, anybody, (options, text) => {
      const found = resolve(address(text), options);
      if (found.kind !== 'known') return;
      for (const to of [...found.to, ...found.toAsk]) {
        if (options.domains.has(to.domain)) assert.ok(isMailbox(to, options), to.text);
      }
    }),
    { numRuns: 5000 },
  );
});

test('where the check finds no fault, no name leads nowhere or in a circle', () => {
  fc.assert(
    fc.property(setups, (options) => {
      if (recipientFaults(options).length > 0) return;
      for (const { name, aliases, catchAll } of options.domains.values()) {
        for (const alias of aliases.keys())
          assert.equal(resolve(address(`${alias}@${name}`), options).kind, 'known');
        for (const local of ['postmaster', 'abuse'])
          assert.equal(resolve(address(`${local}@${name}`), options).kind, 'known');
        if (catchAll !== undefined)
          assert.notEqual(resolve(address(`nobody@${name}`), options).kind, 'unknown');
      }
    }),
    { numRuns: 5000 },
  );
});
