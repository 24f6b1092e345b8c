/**
 * Prints the size and shape of a checkout, tests left out: files, lines and functions of each folder, and the
 * folders that it imports. `npm run picture [CHECKOUT]`; default: this one.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { circlesIn, folderOf, importsAmong, isForTests, sourcesOf } from './support/sources.ts';

const root = resolve(process.argv[2] ?? join(import.meta.dirname, '..'));
/** Older checkouts have helpers of tests under this name. */
const isOldHelper = (file: string) => file.endsWith('/test-bench.ts');
const files = (await sourcesOf(root)).filter(
  (file) => file.startsWith('src/') && !isForTests(file) && !isOldHelper(file),
);
const imports = importsAmong(root, files).filter(({ to }) => !isForTests(to));
const functions = lengthsOfFunctions();

/** The lengths of functions by file: the linter says them when it allows one line. Shorter ones are not told of. */
function lengthsOfFunctions(): Map<string, number[]> {
  const folder = mkdtempSync(join(tmpdir(), 'posthouse-picture-'));
  const rule = { level: 'error', options: { maxLines: 1, skipBlankLines: false } };
  const rules = { preset: 'none', complexity: { noExcessiveLinesPerFunction: rule } };
  writeFileSync(join(folder, 'biome.json'), JSON.stringify({ linter: { rules } }));
  const biome = join(import.meta.dirname, '../node_modules/.bin/biome');
  const flags = [`--config-path=${folder}`, '--reporter=json', '--max-diagnostics=none'];
  const { stdout } = spawnSync(biome, ['lint', ...flags, 'src'], {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
  });
  rmSync(folder, { recursive: true });
  const { diagnostics }: { diagnostics: { message: string; location: { path: string } }[] } =
    JSON.parse(stdout);
  const lengths = new Map<string, number[]>();
  for (const { message, location } of diagnostics) {
    const length = Number(/lines \((\d+)\)/.exec(message)?.[1] ?? Number.NaN);
    if (length > 0) lengths.set(location.path, [...(lengths.get(location.path) ?? []), length]);
  }
  return lengths;
}

function share(sorted: readonly number[], part: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0;
}

function rowOf(name: string, own: readonly string[]): string {
  const lines = own.reduce(
    (sum, file) => sum + readFileSync(join(root, file), 'utf8').split('\n').length - 1,
    0,
  );
  const lengths = own.flatMap((file) => functions.get(file) ?? []).sort((a, b) => a - b);
  const long = lengths.filter((length) => length > 60).length;
  const cells = [own.length, lines, lengths.length, share(lengths, 0.5), share(lengths, 0.9), long];
  return `| ${name} | ${cells.join(' | ')} |`;
}

const folders = [...new Set(files.map(folderOf))].sort();
console.log('| folder | files | lines | functions | median | p90 | over 60 | imports (types only) |');
console.log('|---|---|---|---|---|---|---|---|');
let edges = 0;
for (const folder of folders) {
  const out = imports.filter(({ from, to }) => folderOf(from) === folder && folderOf(to) !== folder);
  const values = new Set(out.filter(({ isType }) => !isType).map(({ to }) => folderOf(to)));
  const types = new Set(out.map(({ to }) => folderOf(to)).filter((to) => !values.has(to)));
  edges += values.size + types.size;
  const names = [...[...values].sort(), ...[...types].sort().map((name) => `(${name})`)];
  const row = rowOf(
    folder,
    files.filter((file) => folderOf(file) === folder),
  );
  console.log(`${row} ${names.join(', ')} |`);
}
console.log(`${rowOf('all', files)} ${edges} edges |`);
const circles = circlesIn(imports);
console.log(`\nCircles of files: ${circles.length}`);
for (const circle of circles) console.log(`- ${circle.join(', ')}`);
