import { readFileSync, writeFileSync } from 'node:fs';
import { configurationMarkdown } from '../config/index.ts';

/** The documents that are made of the code, and what makes them. */
const generated: readonly { readonly file: string; readonly make: () => string }[] = [
  { file: 'docs/configuration.md', make: configurationMarkdown },
];

/** Writes the generated documents; with `--check`, says which of them are stale and fails. */
function main(argv: readonly string[]): number {
  const stale = generated.filter(({ file, make }) => readIfThere(file) !== make());
  if (!argv.includes('--check')) {
    for (const { file, make } of stale) {
      writeFileSync(located(file), make());
      process.stdout.write(`wrote ${file}\n`);
    }
    return 0;
  }
  for (const { file } of stale) process.stderr.write(`${file} is stale: run "node src/cli/docs.ts"\n`);
  return stale.length === 0 ? 0 : 1;
}

function located(file: string): URL {
  return new URL(`../../${file}`, import.meta.url);
}

function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(located(file), 'utf8');
  } catch {
    return undefined;
  }
}

process.exitCode = main(process.argv.slice(2));
