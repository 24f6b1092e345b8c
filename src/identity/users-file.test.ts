import assert from 'node:assert/strict';
import {
  chmodSync,
  chownSync,
  lstatSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { editUsers, parseUsers, UsersFileError } from './index.ts';
import { ownFolder as folder } from './testing.ts';

test('every problem of a file of users is told with its line', () => {
  const text =
    'users:\n  anna:\n    senders: ["a b@c d"]\n    hash: plain\n  bob:\n    scram: { iterations: 1 }\n  Anna: {}\n';
  assert.throws(
    () => parseUsers(text, 'u.yaml'),
    (error: unknown) => {
      assert.ok(error instanceof UsersFileError);
      for (const part of [
        'u.yaml:4: users.anna.hash',
        'u.yaml:6: users.bob.scram.iterations',
        'u.yaml:6: users.bob.scram.salt',
      ])
        assert.ok(error.message.includes(part), `${part} in ${error.message}`);
      return true;
    },
  );
  assert.throws(() => parseUsers('users: { a: {}, A: {} }', 'u'), /is there twice/);
  assert.throws(() => parseUsers('users: { a: { senders: ["@"] } }', 'u'), /not an address or a pattern/);
  assert.equal(parseUsers('', 'u').users.size, 0);
});

test('a change keeps comments, what is not known and the mode, and is nobody’s but the owner’s and the group’s', async (t) => {
  const file = join(await folder(t), 'users.yaml');
  writeFileSync(file, '# ours\nusers:\n  anna: { senders: ["a@b.example"], note: hi } # since May\n');
  chmodSync(file, 0o644);
  await editUsers(file, (users) => users.set('anna', 'disabled', true));
  const text = readFileSync(file, 'utf8');
  assert.match(text, /^# ours\n/);
  assert.match(text, /note: hi, disabled: true } # since May/);
  assert.equal(statSync(file).mode & 0o777, 0o640);
  await assert.rejects(
    editUsers(file, (users) => users.set('anna', 'hash', 'x')),
    UsersFileError,
  );
  assert.equal(readFileSync(file, 'utf8'), text, 'a change that makes no sense changes nothing');
});

test('a file of users is for its owner alone whatever the umask is, and stays its owner’s when root changes it', async (t) => {
  const place = await folder(t);
  const file = join(place, 'users.yaml');
  const mask = process.umask(0);
  t.after(() => void process.umask(mask));
  await editUsers(file, (users) => users.set('anna', 'senders', ['a@b.example']));
  assert.equal(statSync(file).mode & 0o777, 0o600);
  chmodSync(file, 0o640);
  const isRoot = process.getuid?.() === 0;
  if (isRoot) chownSync(file, 12_345, 12_346);
  await editUsers(file, (users) => users.set('anna', 'disabled', true));
  const { mode, uid, gid } = statSync(file);
  assert.equal(mode & 0o777, 0o640);
  if (isRoot) assert.deepEqual([uid, gid], [12_345, 12_346]);
  assert.deepEqual(readdirSync(place), ['users.yaml']);
  const link = join(place, 'link.yaml');
  symlinkSync(file, link);
  await editUsers(link, (users) => users.remove('anna', 'disabled'));
  assert.ok(lstatSync(link).isSymbolicLink());
  assert.equal(parseUsers(readFileSync(file, 'utf8'), file).users.get('anna')?.isDisabled, false);
});
