/** The list of sections and their files. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { sectionKeys } from './sections.ts';

const folder = new URL('./sections/', import.meta.url);

test('each section is a file of its name, and each such file a section', () => {
  const files = readdirSync(folder).filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts'));
  const found = files.flatMap((name) =>
    [...readFileSync(new URL(name, folder), 'utf8').matchAll(/^export const (\w+) = section\(/gm)].map(
      ([, key = '']) => [key, name] as const,
    ),
  );
  const kebab = (key: string) => key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  assert.deepEqual(found.toSorted(), sectionKeys.map((key) => [key, `${kebab(key)}.ts`]).toSorted());
  assert.ok(found.length > 20);
});
