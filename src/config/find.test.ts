import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { type SelfSigned, selfSigned } from '../base/index.ts';
import { findConfig, initConfig, loadConfig, localFiles, localProfile } from './index.ts';

function folders(run: (here: string, system: string) => void): void {
  const base = mkdtempSync(join(tmpdir(), 'posthouse-config-'));
  const [here, system] = [mkdtempSync(join(base, 'here-')), mkdtempSync(join(base, 'system-'))];
  try {
    run(here, system);
  } finally {
    rmSync(base, { recursive: true });
  }
}

test('without any file the local profile runs', () => {
  folders((cwd, systemFolder) => {
    assert.deepEqual(findConfig({ cwd, argv: ['start'], systemFolder }), { kind: 'local' });
  });
});

test('a file here goes before the one of the system, and a named one before both', () => {
  folders((cwd, systemFolder) => {
    writeFileSync(join(systemFolder, 'posthouse.yaml'), '');
    const find = (...argv: string[]) => findConfig({ cwd, argv, systemFolder });
    assert.deepEqual(find(), { kind: 'file', file: join(systemFolder, 'posthouse.yaml') });
    writeFileSync(join(cwd, 'posthouse.yaml'), '');
    assert.deepEqual(find(), { kind: 'file', file: join(cwd, 'posthouse.yaml') });
    writeFileSync(join(cwd, 'other.yaml'), '');
    assert.deepEqual(find('start', '--config', 'other.yaml'), {
      kind: 'file',
      file: join(cwd, 'other.yaml'),
    });
    assert.deepEqual(find('--config=posthouse.yaml', '--config=other.yaml'), {
      kind: 'file',
      file: join(cwd, 'other.yaml'),
    });
    assert.deepEqual(find('--', '--config=other.yaml'), { kind: 'file', file: join(cwd, 'posthouse.yaml') });
  });
});

test('a named file that is missing is exit 78, never the local profile', () => {
  folders((cwd, systemFolder) => {
    const found = findConfig({ cwd, argv: ['--config', 'gone.yaml'], systemFolder });
    assert.ok(found.kind === 'missing' && found.exitCode === 78);
    const empty = findConfig({ cwd, argv: ['start', '--config'], systemFolder });
    assert.ok(empty.kind === 'missing' && empty.exitCode === 64);
  });
});

test('a link that leads nowhere is a file that somebody meant', () => {
  folders((cwd, systemFolder) => {
    symlinkSync(join(cwd, 'gone'), join(cwd, 'posthouse.yaml'));
    assert.equal(findConfig({ cwd, argv: [], systemFolder }).kind, 'file');
  });
});

test('the local profile keeps to this machine', () => {
  const profile = localProfile({ cwd: '/home/a', hostname: 'my box' });
  assert.equal(profile.file, undefined);
  assert.equal(profile.hostname, 'localhost');
  assert.equal(profile.data, '/home/a/var');
  assert.ok(profile.listeners.every(({ host }) => host === '127.0.0.1'));
  assert.deepEqual(
    profile.relay.networks.map(({ address }) => address),
    ['127.0.0.0', '::1'],
  );
  assert.deepEqual(
    profile.routes.map(({ to, via }) => [to, via]),
    [[['*'], ['capture']]],
  );
});

test('the file of init local says what the local profile does', () => {
  const written = initConfig('local');
  assert.ok(written.ok);
  const loaded = loadConfig(written.text, { file: '/home/a/posthouse.yaml', env: { hostname: 'box' } });
  assert.ok(loaded.ok);
  const { file: _, ...config } = loaded.config;
  assert.deepEqual(config, localProfile({ cwd: '/home/a', hostname: 'box' }));
});

test('the local profile has a login only while its certificate is good', async (t) => {
  const cwd = await mkdtemp(join(tmpdir(), 'posthouse-local-'));
  t.after(() => rm(cwd, { recursive: true, force: true }));
  const files = localFiles(cwd);
  await mkdir(join(cwd, 'var'));
  const write = async ({ cert, key }: SelfSigned) => {
    for (const [file, text] of [
      [files.cert, cert],
      [files.key, key],
      [files.users, 'dev: { senders: ["*"], hash: "x" }\n'],
      [files.password, 'x\n'],
    ] as const)
      await writeFile(file, text);
  };
  const has = () => {
    const { listeners, tls } = localProfile({ cwd, hostname: 'box' });
    assert.equal(listeners.length === 2, tls !== undefined);
    return tls !== undefined;
  };
  assert.equal(has(), false);
  const good = selfSigned('box');
  await write(good);
  assert.equal(has(), true);
  for (const bad of [
    { ...good, cert: '' },
    { ...good, key: 'no key' },
    { ...good, key: selfSigned('box').key },
    selfSigned('box', new Date('2001-01-01T00:00:00Z')),
  ]) {
    await write(bad);
    assert.equal(has(), false);
  }
});
