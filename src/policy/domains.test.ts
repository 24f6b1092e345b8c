import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type LocalDomain, lookUpRecipient } from './index.ts';
import { address, localDomain, tableOf } from './testing.ts';

/** What a recipient comes to, in a few words. */
function lookUp(text: string, ...domains: readonly LocalDomain[]): string {
  const recipient = address(text);
  const table = tableOf(...domains);
  const own = table.get(recipient.domain);
  assert.ok(own !== undefined, `${recipient.domain} is not ours`);
  const found = lookUpRecipient(recipient, own, {
    postmaster: address('admin@boss.example'),
    domains: table,
  });
  return found.kind === 'known' ? found.to.map((each) => each.text).join(' ') : found.kind;
}

const listed = (...names: readonly string[]): LocalDomain['recipients'] => ({
  kind: 'list',
  names: new Set(names),
});

test('a name of the list is known in any case of letters, and an unlisted one is not', () => {
  const ours = localDomain('d.example', { recipients: listed('user', 'whole@d.example') });
  assert.equal(lookUp('user@d.example', ours), 'user@d.example');
  assert.equal(lookUp('User@D.example', ours), 'User@D.example', 'the case is kept for the destination');
  assert.equal(lookUp('"user"@d.example', ours), '"user"@d.example');
  assert.equal(lookUp('whole@d.example', ours), 'whole@d.example');
  assert.equal(lookUp('stranger@d.example', ours), 'unknown');
});

test('a tag is looked past, and goes on only to a destination that wants it', () => {
  const recipients = listed('user', 'user+exact', '+odd');
  const keeps = localDomain('d.example', { recipients, tagSeparators: '+-', keepsTag: true });
  const drops = localDomain('d.example', { recipients, tagSeparators: '+-', keepsTag: false });
  const table = [
    ['user+tag', 'user+tag', 'user'],
    ['user-tag', 'user-tag', 'user'],
    ['user+exact', 'user+exact', 'user+exact'],
    ['+odd', '+odd', '+odd'],
    ['other+tag', 'unknown', 'unknown'],
    ['user+', 'user+', 'user'],
  ] as const;
  for (const [local, kept, dropped] of table) {
    const full = (name: string) => (name === 'unknown' ? name : `${name}@d.example`);
    assert.equal(lookUp(`${local}@d.example`, keeps), full(kept), local);
    assert.equal(lookUp(`${local}@d.example`, drops), full(dropped), local);
  }
  const untagged = localDomain('d.example', { recipients, tagSeparators: '' });
  assert.equal(lookUp('user+tag@d.example', untagged), 'unknown', 'tags can be turned off');
});

test('postmaster and abuse always reach somebody, unless an alias or the list says whom', () => {
  const bare = localDomain('d.example', { recipients: listed() });
  for (const name of ['postmaster', 'PostMaster', 'abuse', 'abuse+ticket']) {
    assert.equal(lookUp(`${name}@d.example`, bare), 'admin@boss.example', name);
  }
  const own = localDomain('d.example', { recipients: listed('postmaster'), aliases: { abuse: ['desk'] } });
  assert.equal(lookUp('postmaster@d.example', own), 'postmaster@d.example');
  assert.equal(lookUp('abuse@d.example', own), 'desk@d.example');
  const asking = localDomain('d.example', { recipients: { kind: 'verify' } });
  assert.equal(lookUp('postmaster@d.example', asking), 'admin@boss.example', 'nobody is asked');
});

test('the catch-all takes what nothing else takes, but no route', () => {
  const catchAll = address('all@elsewhere.example');
  const ours = localDomain('d.example', { recipients: listed('user'), catchAll });
  assert.equal(lookUp('user@d.example', ours), 'user@d.example');
  assert.equal(lookUp('anybody@d.example', ours), 'all@elsewhere.example');
  assert.equal(lookUp('abuse@d.example', ours), 'admin@boss.example');
  assert.equal(lookUp('u%there.example@d.example', ours), 'unknown');
});

test('a local part that hides a route is unknown however the domain knows its recipients', () => {
  const routes = ['u%there.example', 'there.example!u', '"u@there.example"', 'user+x%there.example'];
  for (const recipients of [{ kind: 'any' }, { kind: 'verify' }, listed('user', 'u')] as const) {
    const ours = localDomain('d.example', { recipients, keepsTag: true });
    for (const local of routes) assert.equal(lookUp(`${local}@d.example`, ours), 'unknown', local);
  }
  const named = localDomain('d.example', { recipients: listed('50%off') });
  assert.equal(
    lookUp('50%off@d.example', named),
    '50%off@d.example',
    'a name that the operator wrote is no route',
  );
});

test('an alias goes to all its members, here and elsewhere, each of them once', () => {
  const aliases = { team: ['a', 'b@d.example', 'A', 'out@elsewhere.example'], both: ['team', 'c'] };
  const ours = localDomain('d.example', { recipients: listed(), aliases });
  assert.equal(lookUp('team@d.example', ours), 'A@d.example b@d.example out@elsewhere.example');
  assert.equal(lookUp('TEAM+tag@d.example', ours), lookUp('team@d.example', ours));
  assert.equal(lookUp('both@d.example', ours).split(' ').length, 4);
});

test('an alias that names itself keeps the mailbox of that name', () => {
  const aliases = { user: ['user', 'copy@elsewhere.example'] };
  const ours = localDomain('d.example', { recipients: listed('user'), aliases });
  assert.equal(lookUp('user@d.example', ours), 'user@d.example copy@elsewhere.example');
});

test('a loop of aliases ends at its members', () => {
  const ours = localDomain('d.example', {
    recipients: listed(),
    aliases: { a: ['b', 'm1'], b: ['c'], c: ['a', 'm2'], only: ['lonely'], lonely: ['only'] },
  });
  assert.equal(lookUp('a@d.example', ours), 'm1@d.example m2@d.example');
  assert.equal(lookUp('b@d.example', ours), 'm2@d.example m1@d.example');
  assert.equal(lookUp('only@d.example', ours), 'only@d.example', 'a loop of nobody is the name itself');
});

test('aliases go through all our domains, however many there are in a row', () => {
  const far = localDomain('far.example', { recipients: listed('end'), aliases: { hop: ['end'] } });
  const aliases: Record<string, readonly string[]> = {};
  for (let i = 0; i < 100; i++) aliases[`n${i}`] = [`n${i + 1}`];
  aliases.n100 = ['hop@far.example'];
  const ours = localDomain('d.example', { recipients: listed(), aliases });
  assert.equal(lookUp('n0@d.example', ours, far), 'end@far.example');
});
