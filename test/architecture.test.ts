import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { glob } from 'node:fs/promises';
import { basename, dirname, join, normalize } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

/**
 * Which folder may import which. `values` are dependencies at run time and include types; `types` are
 * `import type` only: mostly a folder that implements what another one declares. The direction is the
 * contract: a new edge is a decision, and belongs here with the code that needs it.
 */
const edges: Readonly<
  Record<string, { readonly values: readonly string[]; readonly types?: readonly string[] }>
> = {
  base: { values: [] },
  mail: { values: ['base'] },
  message: { values: ['mail', 'base'] },
  smtp: { values: ['mail', 'base'] },
  dns: { values: ['base'] },
  store: { values: ['base'] },
  client: { values: ['smtp', 'mail', 'base'] },
  spool: { values: ['store', 'mail', 'base'] },
  dsn: { values: ['mail', 'base'] },
  queue: { values: ['spool', 'dsn', 'mail', 'base'] },
  // It implements the `Deliver` that the queue declares, over the octets that the spool keeps.
  delivery: { values: ['client', 'dns', 'mail', 'base'], types: ['queue', 'spool'] },
  // It implements the `Authenticator` that the receiver declares.
  identity: { values: ['admin', 'store', 'mail', 'base'], types: ['policy', 'receiver'] },
  guard: {
    values: ['admin', 'spool', 'store', 'mail', 'base'],
    types: ['delivery', 'queue', 'receiver'],
  },
  // It implements the `Intake` that the receiver declares, and reaches nothing that could deliver.
  trap: { values: ['mail', 'base'], types: ['receiver'] },
  clearinghouse: { values: ['admin', 'mail', 'base'], types: ['dns', 'receiver'] },
  // Logins to mailboxes open relay windows.
  pop3: { values: ['smtp', 'identity', 'mail', 'base'], types: ['receiver'] },
  // It implements the `Policy` that the receiver declares.
  policy: { values: ['mail', 'base'], types: ['receiver'] },
  receiver: { values: ['smtp', 'mail', 'base'], types: ['message'] },
  admin: { values: ['base'] },
  // It takes mail in by the `Intake` that the receiver declares, and asks where it goes as the queue's `Deliver`.
  submission: { values: ['admin', 'receiver', 'smtp', 'mail', 'base'], types: ['policy', 'queue'] },
  // Notices go where the recipient policy leads them; the DSN is the `Notify` that the queue declares.
  notices: {
    values: ['guard', 'dsn', 'submission', 'mail', 'base'],
    types: ['delivery', 'queue', 'spool'],
  },
  // It plays the stranger at our own listeners, and takes what comes out of the queue as the `AuditSink` of delivery.
  audit: {
    values: ['admin', 'probe', 'submission', 'spool', 'mail', 'base'],
    types: ['delivery', 'guard', 'queue', 'receiver'],
  },
  // What an operator does by hand.
  operation: {
    values: ['admin', 'identity', 'queue', 'submission', 'spool', 'mail', 'base'],
    types: ['pop3', 'receiver'],
  },
  // It parses addresses and networks as the modules do; of the modules it knows only their options.
  config: {
    values: ['mail', 'base'],
    types: ['client', 'delivery', 'identity', 'pop3', 'queue', 'receiver'],
  },
  // The open-relay battery, for a host of somebody else and for the relay itself.
  probe: { values: ['client', 'dns', 'mail', 'base'] },
  // The composition root.
  relay: {
    values: [
      'admin',
      'audit',
      'base',
      'clearinghouse',
      'config',
      'delivery',
      'dns',
      'dsn',
      'guard',
      'identity',
      'mail',
      'notices',
      'operation',
      'policy',
      'pop3',
      'queue',
      'receiver',
      'smtp',
      'spool',
      'store',
      'submission',
      'trap',
    ],
  },
  // Each command knows the relay, the configuration and the folder that it is about.
  cli: {
    values: [
      'relay',
      'config',
      'admin',
      'identity',
      'operation',
      'receiver',
      'probe',
      'client',
      'spool',
      'submission',
      'mail',
      'base',
      'trap',
    ],
  },
};

/** Nouns that say nothing (STYLE: a folder is a noun). */
const emptyNames = ['utils', 'util', 'helpers', 'common', 'shared', 'misc', 'types', 'interfaces', 'lib'];
const maxLines = 400;
/** A file above the cap says why in a comment that begins like this. */
const reasonForLength = /^\/\/ longer than 400 lines: \S/m;

interface Import {
  readonly from: string;
  readonly to: string;
  readonly isType: boolean;
}

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const files = await sources();
const imports = files.flatMap((file) => importsOf(file, readFileSync(join(root, file), 'utf8')));

async function sources(): Promise<string[]> {
  const found: string[] = [];
  for (const pattern of ['src/**/*.ts', 'test/**/*.ts', 'bench/**/*.ts']) {
    for await (const file of glob(pattern, { cwd: root, exclude: ['**/.cache', '**/node_modules'] }))
      found.push(file);
  }
  return found;
}

/** The relative imports of a text. One with braces full of types is a value import: it runs the module. */
function importsOf(from: string, text: string): Import[] {
  const code = text.replace(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '');
  const statement = /^(?:import|export)\s+(type\s)?(?:[^;'"]*?\sfrom\s+)?'(\.[^']*)'/gm;
  const dynamic = /\bimport\('(\.[^']*)'\)/g;
  return [
    ...code
      .matchAll(statement)
      .map(([, type, to = '']) => ({ from, to: target(from, to), isType: type !== undefined })),
    ...code.matchAll(dynamic).map(([, to = '']) => ({ from, to: target(from, to), isType: false })),
  ];
}

function target(from: string, to: string): string {
  return normalize(join(dirname(from), to));
}

/** The folder under `src`, or the top folder for anything else. */
function folderOf(file: string): string {
  const [top = '', folder = ''] = file.split('/');
  return top === 'src' ? folder : top;
}

/** Code that only tests use: it is not published, and may be imported past an `index.ts`. */
function isForTests(file: string): boolean {
  if (!file.startsWith('src/')) return true;
  const name = basename(file);
  return (
    name.endsWith('.test.ts') ||
    ['testing.ts', 'test-bench.ts', 'fuzz.ts', 'contract.ts'].includes(name) ||
    /\/(?:contract|fault|testdata|golden)\//.test(file)
  );
}

const between = imports.filter(({ from, to }) => from.startsWith('src/') && folderOf(from) !== folderOf(to));

function shown(found: readonly Import[]): string[] {
  return found.map(({ from, to, isType }) => `${from} imports ${isType ? 'type ' : ''}${to}`);
}

test('every folder of src is in the table, and the table has no others', () => {
  const folders = new Set(files.filter((file) => file.startsWith('src/')).map(folderOf));
  assert.deepEqual(folders, new Set(Object.keys(edges)));
});

test('folders import only the folders that the table allows', () => {
  const wrong = between.filter(({ from, to, isType }) => {
    const allowed = edges[folderOf(from)];
    const names = [...(allowed?.values ?? []), ...(isType ? (allowed?.types ?? []) : [])];
    return !to.startsWith('src/') || !names.includes(folderOf(to));
  });
  assert.deepEqual(shown(wrong), []);
});

test('every edge for types only is used', () => {
  const isUsed = (from: string, to: string, isType: boolean) =>
    between.some(
      (edge) => folderOf(edge.from) === from && folderOf(edge.to) === to && edge.isType === isType,
    );
  const unused = Object.entries(edges).flatMap(([from, { types = [] }]) =>
    types.filter((to) => !isUsed(from, to, true)).map((to) => `${from} → ${to}`),
  );
  assert.deepEqual(unused, []);
});

test('a folder is imported through its index.ts, other than the helpers of its tests', () => {
  const wrong = imports.filter(
    ({ from, to }) =>
      to.startsWith('src/') &&
      folderOf(from) !== folderOf(to) &&
      basename(to) !== 'index.ts' &&
      !(isForTests(from) && isForTests(to)) &&
      from.startsWith('src/'),
  );
  assert.deepEqual(shown(wrong), []);
});

test('what is for tests is imported by tests only', () => {
  const wrong = imports.filter(({ from, to }) => !isForTests(from) && isForTests(to));
  assert.deepEqual(shown(wrong), []);
});

test('no folder depends on itself through others', () => {
  const next = Map.groupBy(
    between.filter(({ isType }) => !isType),
    ({ from }) => folderOf(from),
  );
  const reach = (from: string, seen: Set<string>): Set<string> => {
    for (const { to } of next.get(from) ?? []) {
      const folder = folderOf(to);
      if (!seen.has(folder)) reach(folder, seen.add(folder));
    }
    return seen;
  };
  const cyclic = [...next.keys()].filter((folder) => reach(folder, new Set()).has(folder));
  assert.deepEqual(cyclic, []);
});

test('nothing that the trap runs leads to queue, spool, delivery or client', () => {
  const reached = new Set(files.filter((file) => file.startsWith('src/trap/') && !isForTests(file)));
  for (const file of reached) {
    for (const { from, to, isType } of imports) if (from === file && !isType) reached.add(to);
  }
  assert.ok(reached.size > 5);
  assert.deepEqual(
    [...reached].filter((file) => !['trap', 'mail', 'base'].includes(folderOf(file))),
    [],
  );
});

test('no file outgrows 400 lines without saying why', () => {
  const long = files.flatMap((file) => {
    const text = readFileSync(join(root, file), 'utf8');
    const lines = text.split('\n').length - 1;
    return lines > maxLines && !reasonForLength.test(text) ? [`${file}: ${lines} lines`] : [];
  });
  assert.deepEqual(long, []);
});

test('a test that is passed over fails where CI asks for everything', () => {
  const skipping = files.filter((file) =>
    /\b(?:t|context|test|it|describe)\.(?:skip|todo)\(|\{\s*(?:skip|todo):/.test(
      readFileSync(join(root, file), 'utf8'),
    ),
  );
  // They look whether they may: `CI`, and `PEERS_REQUIRED` for the peers.
  const known = ['src/base/testing.ts', 'test/peers/support.ts'];
  assert.deepEqual(skipping.sort(), known);
});

test('no folder has a name that says nothing', () => {
  const folders = new Set(files.flatMap((file) => dirname(file).split('/')));
  assert.deepEqual(
    emptyNames.filter((name) => folders.has(name)),
    [],
  );
});

test('the index.ts of a folder opens with what the folder is for', () => {
  const bare = files.filter(
    (file) =>
      /^src\/[^/]+\/index\.ts$/.test(file) && !readFileSync(join(root, file), 'utf8').startsWith('/**\n'),
  );
  assert.deepEqual(bare, []);
});

test('the reading of imports sees every form', () => {
  const text = `import './a.ts';
import type { A } from './b.ts';
import {
  type B,
} from '../c/index.ts';
export * from './d.ts';
export type { C } from './e.ts';
// import './no.ts';
const f = await import('./f.ts');`;
  assert.deepEqual(
    importsOf('src/x/y.ts', text).map(({ to, isType }) => `${isType ? 'type ' : ''}${to}`),
    ['src/x/a.ts', 'type src/x/b.ts', 'src/c/index.ts', 'src/x/d.ts', 'type src/x/e.ts', 'src/x/f.ts'],
  );
});
