/** The declarations of events, and what reads events by their names. */
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { EventTable } from '../src/base/index.ts';
import { eventTables, renderPostfix } from '../src/relay/index.ts';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');

test('every event that is declared is logged somewhere', () => {
  const sources = globSync('src/**/*.ts', {
    cwd: root,
    exclude: ['**/*.test.ts', '**/testing.ts', '**/events.ts', 'src/relay/log-postfix.ts'],
  }).map((file) => readFileSync(join(root, file), 'utf8'));
  const events = [...eventTables.values()].flatMap((table) => Object.keys(table));
  assert.ok(events.length > 100);
  assert.deepEqual(
    events.filter((event) => !sources.some((source) => source.includes(`'${event}'`))),
    [],
  );
});

test('a field has one kind in all declarations of an event', () => {
  const kinds = new Map<string, Set<string>>();
  for (const table of eventTables.values()) {
    for (const [event, { fields }] of Object.entries(table)) {
      for (const [field, kind] of Object.entries(fields)) {
        const key = `${event} ${field}`;
        kinds.set(key, (kinds.get(key) ?? new Set()).add(kind.replace('?', '')));
      }
    }
  }
  assert.deepEqual(
    [...kinds].filter(([, found]) => found.size > 1),
    [],
  );
});

/** The fields of an event that the Postfix format reads. */
function fieldsRead(event: string): readonly string[] {
  const read = new Set<string>();
  const fields = new Proxy<Record<string, unknown>>(
    {},
    {
      get(_target, field) {
        if (typeof field === 'string') read.add(field);
        return undefined;
      },
    },
  );
  renderPostfix({ host: 'mx', pid: 1 })({ at: new Date(0), level: 'info', event, fields });
  return [...read];
}

test('the fields of an event that the Postfix format reads are declared', () => {
  // Postfix has a name for each client and a time for each step; where we log none, its word for that is written.
  const ours = ['name', 'delaysMs', 'transport', 'protocol'];
  const declared = new Map<string, EventTable[string]['fields'][]>();
  for (const table of eventTables.values()) {
    for (const [event, { fields }] of Object.entries(table))
      declared.set(event, [...(declared.get(event) ?? []), fields]);
  }
  const reads = [...declared].flatMap(([event, all]) =>
    fieldsRead(event).map((field) => ({ key: `${event} ${field}`, field, all })),
  );
  assert.ok(reads.length > 20);
  assert.deepEqual(
    reads
      .filter(({ field, all }) => !ours.includes(field) && !all.some((fields) => field in fields))
      .map(({ key }) => key),
    [],
  );
});
