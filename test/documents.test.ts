import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type Config, formatProblem, loadConfig } from '../src/config/index.ts';
import { compileRules } from '../src/delivery/index.ts';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const documents = [
  ...globSync(['*.md', 'docs/**/*.md'], { cwd: root }),
  'bench/README.md',
  'test/peers/README.md',
];

function text(document: string): string {
  return readFileSync(join(root, document), 'utf8');
}

/** The code blocks of a language. */
function blocks(document: string, language: string): string[] {
  const pattern = new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\`$`, 'gm');
  return [...text(document).matchAll(pattern)].map(([, block = '']) => block);
}

/** The sources that a document adds, whole, by their path. */
function added(document: string): ReadonlyMap<string, string> {
  const pattern = /^`(src\/[\w./-]+\.ts)`[^\n]*:\n\n```ts\n(.*?)^```$/gms;
  return new Map([...text(document).matchAll(pattern)].map(([, path = '', source = '']) => [path, source]));
}

/** The files that the examples name. */
function read(path: string): string {
  const certificates: Readonly<Record<string, string>> = {
    'fullchain.pem': 'cert.pem',
    'privkey.pem': 'key.pem',
    'flood.pem': 'cert.pem',
    'flood.key': 'key.pem',
  };
  const name = path.slice(path.lastIndexOf('/') + 1);
  const certificate = certificates[name];
  if (certificate !== undefined)
    return readFileSync(join(root, 'src/delivery/testdata', certificate), 'utf8');
  if (name === 'network.key') return `${'5eed'.repeat(8)}\n`;
  return /\.(?:secret|refresh|token)$/.test(name) ? 'a secret of some length\n' : 'alice\nbob\n';
}

/** Accounts are those of the machine, so only the routes are looked at. */
function routeProblems({ domains, routes, capture }: Config) {
  const ours = domains.map(({ owner: _, ...domain }) => domain);
  return compileRules({ domains: ours, routes, capture }).problems;
}

for (const document of documents) {
  for (const [index, block] of blocks(document, 'yaml').entries()) {
    test(`configuration ${index + 1} in ${document} loads, and its routes can be used`, () => {
      const result = loadConfig(block, {
        file: '/etc/posthouse/posthouse.yaml',
        env: { hostname: 'box.example', read },
        checks: [routeProblems],
      });
      assert.ok(result.ok, result.ok ? '' : result.problems.map(formatProblem).join('\n'));
    });
  }
}

test('no document and no example does more than tag what is merely bulk', () => {
  const examples = globSync('examples/*.yaml', { cwd: root });
  const shown = [...documents.flatMap((document) => blocks(document, 'yaml')), ...examples.map(text)];
  const rules = shown.flatMap((block) => {
    const result = loadConfig(block, { file: '/p.yaml', env: { hostname: 'box.example', read } });
    return result.ok ? (result.config.clearinghouse?.relay ?? []) : [];
  });
  assert.ok(rules.length > 2);
  assert.deepEqual(
    rules.filter(({ action, when }) => action !== 'tag' && when !== 'reported'),
    [],
  );
});

test('every link between documents leads somewhere', () => {
  const broken = documents.flatMap((document) =>
    [...text(document).matchAll(/\]\(([^)#:]+)(?:#[^)]*)?\)/g)]
      .map(([, target = '']) => target)
      .filter((target) => !existsSync(join(root, dirname(document), target)))
      .map((target) => `${document}: ${target}`),
  );
  assert.deepEqual(broken, []);
});

test('every script that a document runs is in package.json, and no document runs sources with the Node of the machine', () => {
  const { scripts } = JSON.parse(text('package.json'));
  const developers = [...documents, 'test/old-data/README.md'];
  for (const document of developers) {
    const run = [...text(document).matchAll(/\bnpm run (?:-s )?([\w:-]+)/g)].map(([, script = '']) => script);
    assert.deepEqual(
      run.filter((script) => !Object.hasOwn(scripts, script)),
      [],
      document,
    );
    assert.doesNotMatch(text(document), /(?<!-- )\bnode (?:--test |src\/|test\/|bench\/)/, document);
  }
});

test('every file of the sources that a document names is there', () => {
  const missing = documents.flatMap((document) =>
    [...text(document).matchAll(/`((?:src|test|bench|examples|docs)\/[\w./-]+)`/g)]
      .map(([, path = '']) => path)
      .filter((path) => !path.startsWith('bench/.cache') && !existsSync(join(root, path)))
      .filter((path) => !added(document).has(path))
      .map((path) => `${document}: ${path}`),
  );
  assert.deepEqual(missing, []);
});

test('the check that a document adds passes its tests, and its section of the configuration loads', async (t) => {
  const files = added('docs/howto/add-a-check.md');
  assert.ok(files.size > 4);
  const folder = await mkdtemp(join(tmpdir(), 'posthouse-check-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  await symlink(join(root, 'node_modules'), join(folder, 'node_modules'));
  for (const path of ['base', 'mail', 'receiver', 'config/section.ts', 'config/values']) {
    await mkdir(dirname(join(folder, 'src', path)), { recursive: true });
    await symlink(join(root, 'src', path), join(folder, 'src', path));
  }
  for (const [path, source] of files) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), source);
  }
  const { impostor } = await import(join(folder, 'src/config/sections/impostor.ts'));
  assert.deepEqual(impostor.schema.parse({}), { action: 'refuse' });
  const tests = join(folder, 'src/impostor/impostor-check.test.ts');
  // Without the channel to this runner, which would take its report.
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const ran = spawnSync(process.execPath, ['--test', '--test-reporter=tap', tests], {
    env,
    encoding: 'utf8',
  });
  assert.match(ran.stdout, /^# pass 2$/m, ran.stdout + ran.stderr);
  assert.equal(ran.status, 0);
});
