/**
 * `npm run fuzz [-- --seconds N] [--target NAME] [--seed N] [--input FILE]`: feeds every target, or those
 * whose name begins with NAME, for N seconds in all. A failure prints the seed that repeats it, and writes
 * the input, made small, into the folder of temporary files; `--input` tries such a file again.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { attempt, fuzz } from './fuzz.ts';
import { type FuzzTarget, targets } from './targets.ts';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    target: { type: 'string', default: '' },
    seed: { type: 'string', default: String(Date.now() % 2 ** 32) },
    input: { type: 'string' },
  },
});

const chosen = targets.filter(({ name }) => name.startsWith(values.target));
const seconds = Number(values.seconds);
const seed = Number(values.seed);
if (chosen.length === 0 || !(seconds > 0) || !Number.isSafeInteger(seed)) {
  console.error(`usage: [--seconds N] [--seed N] [--input FILE] [--target NAME]; targets:`);
  for (const { name } of targets) console.error(`  ${name}`);
  process.exit(64);
}

function report(target: FuzzTarget, error: unknown): void {
  process.exitCode = 1;
  console.error(`${target.name}: FAILED`, error);
}

for (const target of chosen) {
  if (values.input !== undefined) {
    const error = await attempt(target, readFileSync(values.input));
    if (error === undefined) console.log(`${target.name}: passed`);
    else report(target, error);
    continue;
  }
  const result = await fuzz(target, { seed, budgetMs: (seconds * 1000) / chosen.length });
  const { failure } = result;
  if (failure === undefined) {
    console.log(`${target.name}: ${result.runs} runs from seed ${seed}`);
    continue;
  }
  report(target, failure.error);
  const file = join(tmpdir(), `posthouse-fuzz-${target.name.replaceAll('/', '-')}-${failure.seed}`);
  writeFileSync(file, failure.input);
  console.error(`again: npm run fuzz -- --target ${target.name} --seed ${failure.seed} --seconds 1`);
  console.error(`smallest input: ${file}\n${JSON.stringify(failure.input.toString('latin1'))}`);
}
