/**
 * `npm run test:quick`: the tests for the inner loop. Left out are those that start processes or threads, that
 * run a whole relay, that try random input, and the few that take seconds. `npm test` runs them all.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { glob } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const startsOrTriesMuch = /'node:child_process'|'node:worker_threads'|'fast-check'|support\/relay\.ts'/;
/** More than three seconds of a processor each: much mail, many attempts, damaged stores, threads. */
const slow: readonly string[] = [
  'bench/bulk/generate.test.ts',
  'src/clearinghouse/content/hostile.test.ts',
  'src/clearinghouse/flood/flood.test.ts',
  'src/clearinghouse/flood/node.test.ts',
  'src/clearinghouse/open.test.ts',
  'src/identity/hash-gate.test.ts',
  'src/identity/throttle.test.ts',
  'src/policy/domains.test.ts',
  'src/queue/claims.test.ts',
  'src/queue/fairness.test.ts',
  'src/spool/salvage.test.ts',
  'src/spool/spool.test.ts',
  'test/fuzz.test.ts',
];

const files: string[] = [];
for await (const file of glob(['src/**/*.test.ts', 'test/*.test.ts', 'bench/**/*.test.ts'], { cwd: root }))
  if (!slow.includes(file) && !startsOrTriesMuch.test(readFileSync(join(root, file), 'utf8')))
    files.push(file);

const flags = ['--test', `--test-concurrency=${availableParallelism()}`, '--test-timeout=60000'];
const { status } = spawnSync(process.execPath, [...flags, '--test-reporter=dot', ...files.sort()], {
  cwd: root,
  stdio: 'inherit',
});
process.exitCode = status ?? 1;
