/**
 * Tests of the lockfile and the packages: every installed package is named in it, with its hash, and runs no scripts.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

interface Locked {
  readonly version?: string;
  readonly resolved?: string;
  readonly integrity?: string;
  readonly license?: string;
  readonly link?: boolean;
  readonly dev?: boolean;
  readonly hasInstallScript?: boolean;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

const root = join(import.meta.dirname, '..');
const read = (file: string) => readFileSync(join(root, file), 'utf8');
const own = JSON.parse(read('package.json'));
const lock: { readonly packages: Readonly<Record<string, Locked>> } = JSON.parse(read('package-lock.json'));
const runtime = JSON.parse(read('dev/runtime/package.json'));

/** The packages that come from a registry; others are folders of this repository. */
const fetched = Object.entries(lock.packages).filter(
  ([path, { link }]) => path.includes('node_modules/') && link !== true,
);
const nameOf = (path: string) => path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length);
const exactVersion = /^\d+\.\d+\.\d+$/;

test('every package of the lock has its hash, and no address that ties it to one registry', () => {
  assert.ok(fetched.length > 200);
  for (const [path, { integrity, resolved }] of fetched) {
    assert.match(integrity ?? '', /^sha512-/, path);
    assert.equal(resolved, undefined, path);
  }
});

test('no package needs its install script, and those that have one are named', () => {
  const withScript = fetched.filter(([, { hasInstallScript }]) => hasInstallScript === true);
  assert.deepEqual(withScript.map(([path]) => nameOf(path)).sort(), Object.keys(own.allowScripts).sort());
  assert.deepEqual(new Set(Object.values(own.allowScripts)), new Set([false]));
});

test('the published package has exact versions from the registry only, and no scripts for who installs it', () => {
  assert.equal(own.optionalDependencies, undefined);
  assert.equal(own.workspaces, undefined);
  for (const [name, version] of Object.entries<string>(own.dependencies)) {
    assert.match(version, exactVersion, name);
    assert.equal(lock.packages[`node_modules/${name}`]?.version, version);
  }
  const atInstall = ['preinstall', 'install', 'postinstall', 'prepare', 'preprepare', 'postprepare'];
  assert.deepEqual(
    atInstall.filter((script) => script in own.scripts),
    [],
  );
});

test('the Node of a clone is locked, of one version for every platform, and never published', () => {
  assert.equal(runtime.private, true);
  assert.equal(own.devDependencies[runtime.name], 'file:dev/runtime');
  const versions = new Set(Object.values<string>(runtime.optionalDependencies));
  assert.equal(versions.size, 1);
  for (const [name, version] of Object.entries(runtime.optionalDependencies)) {
    const locked = lock.packages[`node_modules/${name}`];
    assert.deepEqual([locked?.version, locked?.dev], [version, true]);
    assert.match(String(version), exactVersion);
  }
});

test('the oldest Node is the same in package.json, in the program, and in what is said to people', () => {
  const [, oldest] = /^>=(\d+)$/.exec(own.engines.node) ?? [];
  assert.ok(read('src/cli/main.ts').includes(`const oldestNode = ${oldest};`));
  assert.ok(read('README.md').includes(`Node ${oldest}`));
  assert.ok(read('docs/howto/systemd.md').includes(`Node ${oldest}`));
});

test('every dependency of the published package has a line that says what it is for', () => {
  const named = [...read('docs/dependencies.md').matchAll(/^\| `([^`]+)` \|/gm)].map(([, name]) => name);
  assert.deepEqual(named.sort(), Object.keys(own.dependencies).sort());
});

test('every licence that asks more than to be named is told of, with the packages that have it', () => {
  const permissive = /^(?:MIT|MIT-0|ISC|0BSD|Apache-2\.0|BSD-[23]-Clause|MIT OR Apache-2\.0)$/;
  const others = fetched.filter(([, { license = '' }]) => !permissive.test(license));
  const groups = new Set(others.map(([path]) => nameOf(path).replace(/^(@img\/sharp-[^-]+).*/, '$1')));
  // One library in all of them: libvips, beside sharp or inside of it.
  assert.deepEqual([...groups].sort(), ['@img/sharp-libvips', '@img/sharp-wasm32', '@img/sharp-win32']);
  const told = read('docs/dependencies.md');
  for (const group of groups) assert.ok(told.includes(`\`${group}`), group);
  assert.match(told, /LGPL-3\.0-or-later/);
});
