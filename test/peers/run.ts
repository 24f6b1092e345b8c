/**
 * `npm run test:peers`: the tests against real mail programs. A peer that is not installed is a failure here, and so
 * is any test that was skipped: what did not run has shown nothing. Arguments are passed on to the test runner.
 */

import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const folder = mkdtempSync(join(tmpdir(), 'posthouse-peers-run-'));
const tap = join(folder, 'result.tap');
const files = readdirSync(import.meta.dirname)
  .filter((name) => name.endsWith('.test.ts'))
  .map((name) => join(import.meta.dirname, name));

const outcome = spawnSync(
  process.execPath,
  [
    ...['--test', '--test-concurrency=2'],
    ...['--test-reporter=spec', '--test-reporter-destination=stdout'],
    ...['--test-reporter=tap', `--test-reporter-destination=${tap}`],
    ...process.argv.slice(2),
    ...files,
  ],
  { stdio: 'inherit', env: { ...process.env, PEERS_REQUIRED: '1' } },
);
const summary = readFileSync(tap, 'utf8');
rmSync(folder, { recursive: true });

const count = (what: string): number =>
  Number(new RegExp(`^# ${what} (\\d+)$`, 'm').exec(summary)?.[1] ?? Number.NaN);
const notRun = count('skipped') + count('todo') + count('cancelled');
if (notRun !== 0) console.error(`${notRun} tests did not run`);
if (count('pass') === 0) console.error('no test ran');
process.exitCode = outcome.status === 0 && notRun === 0 && count('pass') > 0 ? 0 : 1;
