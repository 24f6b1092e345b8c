import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import { fakeIo, ownFolder, run } from './testing.ts';

test('check prints every problem with its line and exits 78', async (t) => {
  const folder = await ownFolder(t);
  await writeFile(join(folder, 'p.yaml'), 'hostnam: x.example\nlisteners: 5\n');
  const { code, out } = await run(['check', '--config', 'p.yaml'], fakeIo({ folder }));
  assert.equal(code, 78);
  assert.match(out, /p\.yaml:1:\d+: .*hostnam/);
  assert.match(out, /p\.yaml:2:\d+: /);
  const json = await run(['check', '--json', '--config', 'p.yaml'], fakeIo({ folder }));
  assert.equal(JSON.parse(json.out).ok, false);
});

test('check finds routes that cannot be used and accounts that do not exist, each at its line', async (t) => {
  const folder = await ownFolder(t);
  const file = join(folder, 'c.yaml');
  const text = `user: nobody-of-that-name
domains:
  - name: a.example
    deliver: "maildir:/var/mail/{box}"
  - name: b.example
    deliver: maildir:/var/mail/{local}
    owner: ghost:ghosts
routes:
  - to: "*"
    via: smtp://user@smart.example
`;
  await writeFile(file, text);
  const { code, out } = await run(['check', '--config', file]);
  assert.equal(code, 78);
  assert.deepEqual(
    out
      .trimEnd()
      .split('\n')
      .map((line) => /:(\d+):\d+: (\S+): /.exec(line)?.slice(1).join(' ')),
    ['1 user', '4 domains[0].deliver', '7 domains[1].owner', '9 routes[0].password'],
    out,
  );
});

test('check refuses an owner that a relay without privileges could not write as', async (t) => {
  const folder = await ownFolder(t);
  const file = join(folder, 'c.yaml');
  const domain = 'domains: [{ name: a.example, deliver: "maildir:/var/mail/{local}", owner: "7:8" }]\n';
  await writeFile(file, `user: "7:9"\n${domain}`);
  assert.match((await run(['check', '--config', file])).out, /c\.yaml:2:\d+: domains\[0\]\.owner: once/);
  await writeFile(file, `user: "7:8"\n${domain}`);
  assert.equal((await run(['check', '--config', file])).code, 0);
});

test('check of nothing describes the local profile; a named file that is missing is 78', async (t) => {
  const folder = await ownFolder(t);
  const good = await run(['check'], fakeIo({ folder }));
  assert.equal(good.code, 0);
  assert.match(good.out, /^configuration is good/);
  assert.match(good.out, /listeners {4}mx 127\.0\.0\.1:2525/);
  assert.equal((await run(['check', '-c', 'none.yaml'], fakeIo({ folder }))).code, 78);
});

test('init writes a file once, and replaces it only when told to', async (t) => {
  const folder = await ownFolder(t);
  assert.equal((await run(['init', 'local'], fakeIo({ folder }))).code, 0);
  const text = await readFile(join(folder, 'posthouse.yaml'), 'utf8');
  const again = await run(['init', 'local'], fakeIo({ folder }));
  assert.equal(again.code, 73);
  assert.match(again.err, /--force/);
  assert.equal((await run(['init', 'local', '--force'], fakeIo({ folder }))).code, 0);
  assert.equal((await run(['init', 'local', '-o', '-'], fakeIo({ folder }))).out, text);
  assert.equal((await run(['check'], fakeIo({ folder }))).code, 0);
});

test('check warns of credentials that go by sender, and the configuration is good all the same', async (t) => {
  const folder = await ownFolder(t);
  await writeFile(join(folder, 'secret'), 'x\n');
  const route = { from: '*@shop.example', via: 'smtps://shop@smart.example', password: { file: 'secret' } };
  await writeFile(join(folder, 'c.yaml'), JSON.stringify({ routes: route }));
  const { code, out } = await run(['check', '--config', 'c.yaml'], fakeIo({ folder }));
  assert.equal(code, 0);
  assert.match(out, /^warning: routes\[0\]\.from: taken only by senders who are known/m);
  const json = await run(['check', '--json', '--config', 'c.yaml'], fakeIo({ folder }));
  assert.equal(JSON.parse(json.out).warnings.length, 1);
});
