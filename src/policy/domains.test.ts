import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isMailbox, type LocalDomain, type RecipientOptions, recipientFaults, resolve } from './index.ts';
import { address, localDomain, tableOf } from './testing.ts';

/** The result for a recipient in a few words. */
function lookUp(text: string, ...domains: readonly LocalDomain[]): string {
  const recipient = address(text);
  const options = optionsOf(...domains);
  assert.ok(options.domains.has(recipient.domain), `${recipient.domain} is not ours`);
  const found = resolve(recipient, options);
  if (found.kind !== 'known') return found.kind;
  return [...found.to.map((each) => each.text), ...found.toAsk.map((each) => `${each.text}?`)].join(' ');
}

function optionsOf(...domains: readonly LocalDomain[]): RecipientOptions {
  return {
    postmaster: address('admin@boss.example'),
    domains: tableOf(...domains),
    backupDomains: new Set(),
  };
}

function faults(options: RecipientOptions): readonly string[] {
  return recipientFaults(options).map(({ domain, key, because }) =>
    `${domain ?? ''} ${key}: ${because}`.trim(),
  );
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
  const own = localDomain('d.example', {
    recipients: listed('postmaster', 'desk'),
    aliases: { abuse: ['desk'] },
  });
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
  const ours = localDomain('d.example', { recipients: listed('a', 'b', 'c'), aliases });
  assert.equal(lookUp('team@d.example', ours), 'A@d.example b@d.example out@elsewhere.example');
  assert.equal(lookUp('TEAM+tag@d.example', ours), lookUp('team@d.example', ours));
  assert.equal(lookUp('both@d.example', ours).split(' ').length, 4);
});

test('an alias that names itself keeps the mailbox of that name', () => {
  const aliases = { user: ['user', 'copy@elsewhere.example'] };
  const ours = localDomain('d.example', { recipients: listed('user'), aliases });
  assert.equal(lookUp('user@d.example', ours), 'user@d.example copy@elsewhere.example');
});

test('names that stand for each other in a circle are a loop, which the check names once', () => {
  const aliases = { a: ['b', 'm'], b: ['c@d.example'], c: ['a'], into: ['a'], fine: ['m'] };
  const ours = localDomain('d.example', { recipients: listed('m'), aliases });
  for (const name of ['a', 'b', 'c', 'into']) assert.equal(lookUp(`${name}@d.example`, ours), 'loop', name);
  assert.equal(lookUp('fine@d.example', ours), 'm@d.example');
  assert.deepEqual(faults(optionsOf(ours)), [
    'd.example aliases: alias "a": a loop: b@d.example → c@d.example → a@d.example → b@d.example',
  ]);
});

test('circles through other domains, catch-alls and the postmaster are found', () => {
  const one = localDomain('one.example', {
    recipients: listed(),
    aliases: { hop: ['hop@two.example'], admin: ['postmaster'] },
    catchAll: address('x@two.example'),
  });
  const two = localDomain('two.example', {
    recipients: listed(),
    aliases: { hop: ['hop@one.example'] },
    catchAll: address('y@one.example'),
  });
  const options = { ...optionsOf(one, two), postmaster: address('admin@one.example') };
  assert.deepEqual(faults(options), [
    'one.example aliases: alias "hop": a loop: hop@two.example → hop@one.example → hop@two.example',
    'one.example aliases: alias "admin": a loop: postmaster@one.example → admin@one.example → postmaster@one.example',
    'one.example catchAll: a loop: *@two.example → *@one.example → *@two.example',
  ]);
});

test('an alias, catch-all or postmaster that is nobody here is a fault; strangers and what only others know are not', () => {
  const ours = localDomain('d.example', {
    recipients: listed('ann'),
    aliases: { sales: ['anna', 'ann+lists', 'x@away.example', 'u@ask.example'], route: ['a%b@d.example'] },
  });
  const other = localDomain('o.example', { recipients: listed(), catchAll: address('gone@d.example') });
  const asks = localDomain('ask.example', { recipients: { kind: 'verify' } });
  const options = { ...optionsOf(ours, other, asks), postmaster: address('boss@d.example') };
  assert.deepEqual(faults(options), [
    'd.example aliases: alias "sales": "anna@d.example" does not exist here: not in the list',
    'd.example aliases: alias "route": "a%b@d.example" does not exist here: the local part hides a route',
    'o.example catchAll: "gone@d.example" does not exist here: not in the list',
    'postmaster: "boss@d.example" does not exist here: not in the list',
  ]);
  assert.equal(lookUp('sales@d.example', ours, asks), 'ann+lists@d.example x@away.example u@ask.example');
  assert.equal(lookUp('route@d.example', ours), 'unknown');
});

test('targets of aliases, catch-alls and the postmaster lose their tag where the destination wants none', () => {
  const aliases = { team: ['bob+lists'], list: ['team'] };
  const ours = localDomain('d.example', { aliases, keepsTag: false });
  const listing = localDomain('o.example', {
    recipients: listed('x'),
    catchAll: address('bob+all@d.example'),
  });
  const options = { ...optionsOf(ours, listing), postmaster: address('bob+post@d.example') };
  const to = (text: string) => {
    const found = resolve(address(text), options);
    return found.kind === 'known' ? found.to.map((each) => each.text).join(' ') : found.kind;
  };
  for (const text of ['team@d.example', 'list+x@d.example', 'any@o.example', 'postmaster@o.example'])
    assert.equal(to(text), 'bob@d.example', text);
});

test('a catch-all and the postmaster may be aliases, which go on to their members', () => {
  const ours = localDomain('d.example', {
    recipients: listed('ann', 'bob'),
    aliases: { rest: ['ann', 'bob', 'postmaster'], admin: ['ann'] },
    catchAll: address('rest@d.example'),
  });
  const options = { ...optionsOf(ours), postmaster: address('admin@d.example') };
  assert.deepEqual(faults(options), []);
  const found = resolve(address('nobody@d.example'), options);
  assert.deepEqual(found.kind === 'known' && found.to.map((each) => each.text), [
    'ann@d.example',
    'bob@d.example',
  ]);
});

test('a catch-all whom its own domain does not know otherwise is the mailbox of that name, and no loop', () => {
  const catchAll = address('rest+all@d.example');
  for (const [keepsTag, expected] of [
    [true, 'rest+all@d.example'],
    [false, 'rest@d.example'],
  ] as const) {
    const ours = localDomain('d.example', { recipients: listed('ann'), catchAll, keepsTag });
    assert.deepEqual(faults(optionsOf(ours)), []);
    assert.equal(lookUp('anybody@d.example', ours), expected);
    assert.ok(isMailbox(address(expected), optionsOf(ours)));
  }
});

test('a postmaster of our own domain is the mailbox of that name, and no loop', () => {
  for (const recipients of [{ kind: 'any' }, listed()] as const) {
    const ours = localDomain('d.example', { recipients });
    const options = { ...optionsOf(ours), postmaster: address('postmaster@d.example') };
    assert.deepEqual(faults(options), []);
    const found = resolve(address('abuse@d.example'), options);
    assert.deepEqual(found.kind === 'known' && found.to.map((each) => each.text), ['postmaster@d.example']);
  }
});

test('members of which only a destination knows are asked about where somebody else would get their mail', () => {
  const ask = localDomain('ask.example', { recipients: { kind: 'verify' } });
  const caught = localDomain('caught.example', {
    recipients: { kind: 'verify' },
    catchAll: address('all@caught.example'),
  });
  const ours = localDomain('d.example', { aliases: { both: ['u@ask.example', 'u@caught.example'] } });
  assert.equal(lookUp('both@d.example', ours, ask, caught), 'u@ask.example u@caught.example?');
});

test('names are the same in whatever way their letters are composed', () => {
  const ours = localDomain('d.example', {
    recipients: listed('jos\u00e9'),
    aliases: { 'b\u00fcro': ['jos\u00e9'] },
  });
  assert.equal(lookUp('jose\u0301@d.example', ours), 'jose\u0301@d.example');
  assert.equal(lookUp('bu\u0308ro@d.example', ours), 'jos\u00e9@d.example');
});

test('aliases go through all our domains, however many there are in a row, up to a thousand', () => {
  const far = localDomain('far.example', { recipients: listed('end'), aliases: { hop: ['end'] } });
  const chain = (length: number) => {
    const aliases: Record<string, readonly string[]> = {};
    for (let i = 0; i < length; i++) aliases[`n${i}`] = [`n${i + 1}`];
    aliases[`n${length}`] = ['hop@far.example'];
    return localDomain('d.example', { recipients: listed(), aliases });
  };
  assert.equal(lookUp('n0@d.example', chain(100), far), 'end@far.example');
  assert.equal(lookUp('n0@d.example', chain(998), far), 'end@far.example');
  assert.equal(lookUp('n0@d.example', chain(1000), far), 'loop');
  assert.match(faults(optionsOf(chain(1000), far))[0] ?? '', /more than 1000 names stand for each other/);
});

test('many names for the same members cost one look each', () => {
  const aliases: Record<string, readonly string[]> = {};
  for (let i = 0; i < 60; i++) aliases[`n${i}`] = [`n${i + 1}`, `m${i + 1}`];
  for (let i = 1; i < 61; i++) aliases[`m${i}`] = [`n${i + 1}`, `m${i + 1}`];
  aliases.n60 = ['end'];
  aliases.n61 = ['end'];
  aliases.m61 = ['end'];
  const ours = localDomain('d.example', { recipients: listed('end'), aliases });
  assert.equal(lookUp('n0@d.example', ours), 'end@d.example', '2^60 ways lead there');
});

test('only what some recipient leads to is a mailbox', () => {
  const ours = localDomain('d.example', {
    aliases: { sales: ['ann'], self: ['self', 'ann'] },
    keepsTag: false,
  });
  const list = localDomain('l.example', { recipients: listed('ann'), catchAll: address('ann@l.example') });
  const verified = localDomain('v.example', { recipients: { kind: 'verify' }, keepsTag: false });
  const options = optionsOf(ours, list, verified);
  const table = [
    ['ann@d.example', true],
    ['self@d.example', true],
    ['sales@d.example', false],
    ['ann+tag@d.example', false],
    ['postmaster@d.example', false],
    ['a%b@d.example', false],
    ['ann@l.example', true],
    ['other@l.example', false],
    ['any+body@away.example', true],
    ['ann@v.example', true],
    ['ann+tag@v.example', false],
  ] as const;
  for (const [text, expected] of table) assert.equal(isMailbox(address(text), options), expected, text);
});
