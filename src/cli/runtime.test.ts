import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runtimeFault } from './runtime.ts';

test('a Node without the fixes of October 2026 is named, and one with them is not', () => {
  for (const version of ['24.0.0', '24.21.0', '24.22.0', '25.9.0', '26.0.0', '26.12.0'])
    assert.match(runtimeFault(version) ?? '', /lacks security fixes .* 24\.22\.1 or 26\.12\.1/, version);
  for (const version of ['24.22.1', '24.23.0', '26.12.1', '26.13.0', '27.0.0', '28.1.0'])
    assert.equal(runtimeFault(version), undefined, version);
});
