/** The rules of the architecture: which folder may import which, and what every file has to be like. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import {
  circlesIn,
  folderOf,
  type Import,
  importsAmong,
  importsOf,
  isForTests,
  saysWhatFor,
  sourcesOf,
} from './support/sources.ts';

/** The permissions of a folder: dependencies at run time, which include types, and those of types alone. */
interface Permissions {
  readonly values: readonly string[];
  /** Mostly a folder that implements what another one declares. */
  readonly types?: readonly string[];
}

/**
 * Which folder may import which. The direction is the contract: a new edge is a decision, and belongs here and in the
 * table of docs/architecture.md, with the code that needs it; an edge that no code needs any more is taken out. Code for
 * tests runs whatever its folder may import.
 */
const edges: Readonly<Record<string, Permissions>> = {
  base: { values: [] },
  mail: { values: ['base'] },
  message: { values: ['mail', 'base'] },
  // Listeners and what each connection begins with; it knows no mail.
  net: { values: ['base'] },
  smtp: { values: ['mail'] },
  dns: { values: ['base'] },
  store: { values: ['base'] },
  client: { values: ['smtp', 'mail', 'base'] },
  spool: { values: ['store', 'mail', 'base'] },
  dsn: { values: ['mail', 'base'] },
  queue: { values: ['spool', 'mail', 'base'] },
  // It implements the `Deliver` that the queue declares.
  delivery: { values: ['client', 'mail', 'base'], types: ['dns', 'queue'] },
  // It implements the `Authenticator` that the receiver declares.
  identity: { values: ['admin', 'store', 'mail', 'base'], types: ['policy', 'receiver'] },
  guard: {
    values: ['admin', 'spool', 'store', 'mail', 'base'],
    types: ['delivery', 'queue', 'receiver'],
  },
  // It implements the `Intake` that the receiver declares, and reaches nothing that could deliver.
  trap: { values: ['message', 'mail'], types: ['receiver', 'base'] },
  clearinghouse: { values: ['admin', 'net', 'mail', 'base'], types: ['dns', 'receiver'] },
  // Logins to mailboxes open relay windows.
  pop3: { values: ['net', 'smtp', 'identity', 'mail', 'base'], types: ['receiver'] },
  // It implements the `Policy` that the receiver declares.
  policy: { values: ['mail', 'base'], types: ['receiver'] },
  receiver: { values: ['net', 'message', 'smtp', 'mail', 'base'] },
  admin: { values: ['net', 'base'] },
  // A message is dropped by a command that loads nothing else of the relay.
  maildrop: { values: ['admin'], types: ['base'] },
  // It takes mail in by the `Intake` that the receiver declares, and asks where it goes as the queue's `Deliver`.
  'local-mail': {
    values: ['admin', 'maildrop', 'receiver', 'smtp', 'mail', 'base'],
    types: ['policy', 'queue'],
  },
  // Notices go where the recipient policy leads them; the DSN is the `Notify` that the queue declares.
  notices: {
    values: ['guard', 'dsn', 'local-mail', 'mail'],
    types: ['delivery', 'queue', 'spool', 'base'],
  },
  // It plays the stranger at our own listeners, and takes what comes out of the queue as the `AuditSink` of delivery.
  audit: {
    values: ['admin', 'probe', 'local-mail', 'spool', 'mail', 'base'],
    types: ['delivery', 'queue', 'receiver'],
  },
  // What an operator does by hand.
  operation: {
    values: ['admin', 'identity', 'queue', 'local-mail', 'spool', 'mail', 'base'],
    types: ['pop3', 'receiver'],
  },
  // It parses addresses and networks as the modules do; of the modules it knows their `options.ts` alone.
  config: { values: ['mail', 'base'] },
  // The open-relay battery, for a host of somebody else and for the relay itself.
  probe: { values: ['mail', 'base'] },
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
      'guard',
      'identity',
      'mail',
      'maildrop',
      'message',
      'net',
      'notices',
      'operation',
      'policy',
      'pop3',
      'queue',
      'receiver',
      'spool',
      'store',
      'local-mail',
      'trap',
    ],
  },
  // Each command knows the relay, the configuration and the folder that it is about.
  cli: {
    values: [
      'relay',
      'config',
      'admin',
      'audit',
      'clearinghouse',
      'guard',
      'identity',
      'operation',
      'receiver',
      'probe',
      'client',
      'maildrop',
      'spool',
      'local-mail',
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

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const files = await sourcesOf(root);
const imports = importsAmong(root, files);

const between = imports.filter(({ from, to }) => from.startsWith('src/') && folderOf(from) !== folderOf(to));

function shown(found: readonly Import[]): string[] {
  return found.map(({ from, to, isType }) => `${from} imports ${isType ? 'type ' : ''}${to}`);
}

test('every folder of src is in the table, and the table has no others', () => {
  const folders = new Set(files.filter((file) => file.startsWith('src/')).map(folderOf));
  assert.deepEqual(folders, new Set(Object.keys(edges)));
});

/** The configuration takes types and defaults from the modules, and nothing that does anything. */
function isOptions({ from, to }: Import): boolean {
  return folderOf(from) === 'config' && /^src\/[^/]+\/options\.ts$/.test(to);
}

test('folders import only the folders that the table allows', () => {
  const wrong = between.filter((edge) => {
    if (isOptions(edge)) return false;
    const { from, to, isType } = edge;
    const { values = [], types = [] } = edges[folderOf(from)] ?? {};
    const names = isType || isForTests(from) ? [...values, ...types] : values;
    return !to.startsWith('src/') || !names.includes(folderOf(to));
  });
  assert.deepEqual(shown(wrong), []);
});

test('there is no permission that no import uses', () => {
  const used = new Set(
    between
      .filter((edge) => !isForTests(edge.from) && !isOptions(edge))
      .map(({ from, to, isType }) => `${folderOf(from)} → ${isType ? 'type ' : ''}${folderOf(to)}`),
  );
  const permitted = Object.entries(edges).flatMap(([from, { values, types = [] }]) => [
    ...values.map((to) => `${from} → ${to}`),
    ...types.map((to) => `${from} → type ${to}`),
  ]);
  assert.deepEqual(
    permitted.filter((edge) => !used.has(edge)),
    [],
  );
});

test('the table in docs/architecture.md has the same permissions', () => {
  const page = readFileSync(join(root, 'docs/architecture.md'), 'utf8');
  const rows = page.matchAll(/^\| `([\w-]+)` \| [^|]+ \| ([^|]*?) \|$/gm);
  const written = ({ values, types = [] }: Permissions) =>
    [...values, ...types.map((folder) => `(${folder})`)].join(', ') || '–';
  assert.deepEqual(
    Object.fromEntries(rows.map(([, folder, found]) => [folder, found])),
    Object.fromEntries(Object.entries(edges).map(([folder, each]) => [folder, written(each)])),
  );
});

test('the options.ts that the configuration imports runs nothing but mail, base and its own folder', () => {
  const found = between.filter(isOptions).map(({ to }) => to);
  assert.ok(new Set(found).size > 5);
  for (const options of found) {
    const reached = new Set([options]);
    for (const file of reached) {
      for (const { from, to, isType } of imports) if (from === file && !isType) reached.add(to);
    }
    const wrong = [...reached].filter(
      (file) =>
        ![folderOf(options), 'mail', 'base'].includes(folderOf(file)) ||
        (basename(file) === 'index.ts' && folderOf(file) === folderOf(options)),
    );
    assert.deepEqual(wrong, [], options);
  }
});

/** A command line that only asks a running relay loads the tables of its commands, and nothing that carries them out. */
const tableFile = 'commands.ts';

test('a folder is imported through its index.ts or its commands.ts, other than the helpers of its tests and the options', () => {
  const wrong = imports.filter(
    ({ from, to, isType }) =>
      !isOptions({ from, to, isType }) &&
      to.startsWith('src/') &&
      folderOf(from) !== folderOf(to) &&
      basename(to) !== 'index.ts' &&
      basename(to) !== tableFile &&
      !(isForTests(from) && isForTests(to)) &&
      from.startsWith('src/'),
  );
  assert.deepEqual(shown(wrong), []);
});

test('a table of commands loads the control socket and other tables, and nothing else of the relay', () => {
  const tables = files.filter((file) => /^src\/[^/]+\/commands\.ts$/.test(file));
  assert.ok(tables.length > 5);
  const wrong = imports.filter(
    ({ from, to }) => tables.includes(from) && to !== 'src/admin/index.ts' && basename(to) !== tableFile,
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

test('no files import each other in a circle, also not for types only', () => {
  const found = circlesIn(imports.filter(({ from, to }) => !isForTests(from) && !isForTests(to)));
  assert.deepEqual(found, []);
});

test('the reading of imports finds circles', () => {
  const edge = (from: string, to: string) => ({ from, to, isType: true });
  assert.deepEqual(circlesIn([edge('a', 'b'), edge('b', 'c'), edge('a', 'c')]), []);
  const two = [
    edge('a', 'b'),
    edge('b', 'a'),
    edge('b', 'c'),
    edge('c', 'd'),
    edge('d', 'e'),
    edge('e', 'c'),
  ];
  assert.deepEqual(circlesIn(two), [
    ['c', 'd', 'e'],
    ['a', 'b'],
  ]);
});

test('the first line of a file says what the file is for', () => {
  // A test is about the file beside it.
  const silent = files.filter(
    (file) => !file.endsWith('.test.ts') && !saysWhatFor(readFileSync(join(root, file), 'utf8')),
  );
  assert.deepEqual(silent, []);
});

test('a comment right above a declaration is not about the file', () => {
  for (const said of [
    '/** Of the file. */\n\nconst a = 1;',
    '/**\n * Long.\n */\nimport a;',
    '#!x\n/** A. */\n\n',
  ])
    assert.ok(saysWhatFor(said), said);
  for (const other of [
    '/** One. */\nconst a = 1;',
    '/** One. */\nexport const a = 1;',
    '// A.\n\n',
    'import a;',
  ])
    assert.ok(!saysWhatFor(other), other);
  assert.ok(saysWhatFor("/** Doors. */\nexport { a } from './a.ts';\n"));
  assert.ok(!saysWhatFor("/** One. */\n/** Two. */\nimport a from 'a';\n"));
});

/** A comment that begins with a pronoun, where the noun belongs. */
const pronounFirst = /^[ \t]*(?:\/\*\*|\*) (?:What|Who|Whom|Whose|Whoever|Whatever)\b/m;

test('a comment of a declaration begins with a noun or a verb, not with "what" or "who"', () => {
  const found = files.flatMap((file) => {
    const line = pronounFirst.exec(readFileSync(join(root, file), 'utf8'))?.[0];
    return line === undefined ? [] : [`${file}: ${line.trim()}`];
  });
  assert.deepEqual(found, []);
  for (const text of ['/** What it is. */', 'a\n/**\n * Who asks.\n */', '  /** Whatever. */'])
    assert.match(text, pronounFirst);
  for (const text of ['/** Whole. */', '// What follows is read next.', '/** The number. What is left. */'])
    assert.doesNotMatch(text, pronounFirst);
});

test('nothing that the trap runs leads to queue, spool, delivery or client', () => {
  const reached = new Set(files.filter((file) => file.startsWith('src/trap/') && !isForTests(file)));
  for (const file of reached) {
    for (const { from, to, isType } of imports) if (from === file && !isType) reached.add(to);
  }
  assert.ok(reached.size > 5);
  assert.deepEqual(
    [...reached].filter((file) => !['trap', 'message', 'mail', 'base'].includes(folderOf(file))),
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
