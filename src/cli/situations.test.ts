import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { situations, situationsMarkdown } from './situations.ts';

test('the situations of the documentation are what the rules say today', async () => {
  const page = readFileSync(new URL('../../docs/explain.md', import.meta.url), 'utf8');
  assert.equal(page, await situationsMarkdown(), 'run "npm run docs"');
});

test('at least twelve situations are shown, and each ground and each kind of refusal is among them', async () => {
  const page = await situationsMarkdown();
  assert.ok(situations.length >= 12);
  for (const ground of ['recipient', 'network', 'authenticated', 'certificate', 'pop-before-smtp'])
    assert.match(page, new RegExp(`granted, ground: ${ground}`));
  for (const reply of [
    '550 5.7.1 relaying denied',
    '550 5.7.1 addresses that name',
    '530 5.7.0',
    'not yours',
  ])
    assert.ok(page.includes(reply), reply);
  assert.equal(
    page.match(/^→ /gm)?.length,
    situations.length - (page.match(/because no rule grants it/g) ?? []).length,
  );
});
