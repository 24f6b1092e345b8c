/** Writes `docs/configuration.md` and `docs/explain.md`; `--check` compares only. */
import { readFileSync, writeFileSync } from 'node:fs';
import { configurationMarkdown } from '../config/index.ts';
import { operationsMarkdown } from './operations-markdown.ts';
import { situationsMarkdown } from './situations.ts';

/** The generated documents, and their generators. */
const generated: readonly { readonly file: string; readonly make: () => string | Promise<string> }[] = [
  { file: 'docs/configuration.md', make: configurationMarkdown },
  { file: 'docs/operations.md', make: operationsMarkdown },
  { file: 'docs/explain.md', make: situationsMarkdown },
];

/** Writes the generated documents; with `--check`, lists the stale ones and fails. */
async function main(argv: readonly string[]): Promise<number> {
  const made = await Promise.all(generated.map(async ({ file, make }) => ({ file, text: await make() })));
  const stale = made.filter(({ file, text }) => readIfThere(file) !== text);
  if (!argv.includes('--check')) {
    for (const { file, text } of stale) {
      writeFileSync(located(file), text);
      process.stdout.write(`wrote ${file}\n`);
    }
    return 0;
  }
  for (const { file } of stale) process.stderr.write(`${file} is stale: run "npm run docs"\n`);
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

process.exitCode = await main(process.argv.slice(2));
