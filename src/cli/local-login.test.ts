import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { hasLocalLogin, localFiles } from '../config/index.ts';
import { prepareLocalLogin } from './local-login.ts';

test('the files of the local profile are made once, and anew where the certificate is broken', async (t) => {
  const cwd = await mkdtemp(join(tmpdir(), 'posthouse-local-'));
  t.after(() => rm(cwd, { recursive: true, force: true }));
  const files = localFiles(cwd);
  await prepareLocalLogin(files);
  assert.equal(hasLocalLogin(files), true);
  for (const secret of [files.key, files.password]) assert.equal((await stat(secret)).mode & 0o777, 0o600);
  const made = await readFile(files.cert, 'utf8');
  await prepareLocalLogin(files);
  assert.equal(await readFile(files.cert, 'utf8'), made);
  await writeFile(files.cert, made.slice(0, 100));
  await prepareLocalLogin(files);
  assert.equal(hasLocalLogin(files), true);
});
