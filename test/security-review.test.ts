import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const read = (path: string) => readFileSync(join(root, path), 'utf8');

test('every test that docs/security-review.md names is there', () => {
  const named = [...read('docs/security-review.md').matchAll(/`((?:src|test)\/[^`]+\.ts)`:\s“([^”]+)”/g)];
  assert.ok(named.length > 100, `${named.length} tests are named`);
  const missing = named.filter(([, file = '', name = '']) => {
    const text = read(file).replace(/\s+/g, ' ');
    return !text.includes(name.replaceAll('\\"', '"').replace(/\s+/g, ' '));
  });
  assert.deepEqual(
    missing.map(([, file, name]) => `${file}: ${name}`),
    [],
  );
});

test('secrets are compared in a time that says nothing of them', () => {
  // Names of secrets in these sources, next to a comparison that ends at the first difference.
  const secret = '\\w*(?:[sS]ecret|[tT]oken|[pP]assword|[pP]roof|[mM]ac)|aresp|sig';
  const early = new RegExp(
    `\\b(?:${secret}) [!=]== (?!undefined|''|null)|(?<!typeof \\S+) [!=]== (?:${secret})\\b`,
  );
  const found = globSync(
    'src/{identity,admin,client,pop3,probe,receiver,clearinghouse/doors,clearinghouse/flood}/**/*.ts',
    { cwd: root },
  )
    .filter((file) => !/test|fuzz/.test(file))
    .flatMap((file) =>
      read(file)
        .split('\n')
        .flatMap((line, n) => (early.test(line) ? [`${file}:${n + 1}: ${line.trim()}`] : [])),
    );
  assert.deepEqual(found, []);
});
