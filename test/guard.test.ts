import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { fakeIo, run } from '../src/cli/testing.ts';
import { type Keys, openRelay, type TestRelay, testFolder } from './support/relay.ts';

const open: Keys = {
  relay: { networks: [], open: true },
  routes: [{ to: '*', via: 'capture' }],
  listeners: [{ role: 'mx', address: '127.0.0.1:0' }],
};

/** Sends one message after the other over one connection; the replies to their ends. */
async function flood(relay: TestRelay, count: number): Promise<string[]> {
  await using peer = await relay.session();
  await peer.command('EHLO bot.test');
  const replies: string[] = [];
  for (let n = 0; n < count; n++) {
    for (const command of [`MAIL FROM:<a${n}@spam.test>`, `RCPT TO:<v${n}@victims.test>`, 'DATA']) {
      const reply = await peer.command(command);
      if (Number(reply.slice(0, 3)) >= 400) return [...replies, reply];
    }
    replies.push(await peer.command('Subject: buy\r\n\r\nbuy\r\n.'));
  }
  return replies;
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

async function holds(relay: TestRelay) {
  return await all(relay.control.guardList());
}

async function held(relay: TestRelay): Promise<string[]> {
  const items = await all(relay.control.list({ selector: { match: { held: true } } }));
  return items.map(({ id }) => id);
}

test('an open relay that is abused holds what exceeds its budget, and one command lets it go', async (t) => {
  const relay = await openRelay(t, open);
  const replies = await flood(relay, 60);
  assert.ok(
    replies.every((reply) => reply.startsWith('250')),
    'from outside nothing is to be seen',
  );
  const [hold] = await holds(relay);
  assert.equal(hold?.subject, 'address:127.0.0.1');
  assert.ok(hold?.kind === 'hold');
  // The messages that still waited of the first forty are held with them.
  assert.ok((await held(relay)).length >= 20);
  await relay.log.logged('delivered', {}, 1);
  // The notice is neither counted nor held.
  const [notice] = await relay.log.logged('delivered', { to: 'keeper@relay.test' });
  assert.ok(notice !== undefined);
  const { messages } = await relay.control.guardChange({ verb: 'release', id: hold.id.toLowerCase() });
  assert.ok((messages ?? 0) >= 20);
  assert.deepEqual(await held(relay), []);
  assert.deepEqual(await holds(relay), []);
  await relay.log.logged('delivered', {}, 61);
  assert.deepEqual(
    (await flood(relay, 1)).map((reply) => reply.slice(0, 3)),
    ['250'],
  );
  assert.deepEqual(await holds(relay), []);
});

test('one command removes what is held, and nobody hears of it', async (t) => {
  const relay = await openRelay(t, open);
  await flood(relay, 60);
  const [hold] = await holds(relay);
  assert.ok(hold?.kind === 'hold');
  const { messages } = await relay.control.guardChange({ verb: 'remove', id: hold.id });
  assert.ok((messages ?? 0) >= 20);
  assert.deepEqual(await held(relay), []);
  const [left] = await holds(relay);
  assert.ok(left?.kind === 'hold' && left.messages === 0 && left.state === 'holding');
  await flood(relay, 1);
  assert.equal((await held(relay)).length, 1);
});

test('a hold and its mail survive a restart', async (t) => {
  const folder = await testFolder(t);
  const first = await openRelay(t, open, { folder });
  await flood(first, 45);
  const before = await held(first);
  await first.stop();
  const relay = await openRelay(t, open, { folder });
  assert.deepEqual(await held(relay), before);
  await flood(relay, 1);
  assert.equal((await held(relay)).length, before.length + 1);
  const [hold] = await holds(relay);
  assert.ok(hold?.kind === 'hold');
  const { messages } = await relay.control.guardChange({ verb: 'release', id: hold.id });
  assert.equal(messages, before.length + 1);
});

test('beyond what is kept the client is told so before it sends anything, and our own mail still comes', async (t) => {
  const relay = await openRelay(t, {
    ...open,
    guard: { held: { messages: 5 } },
    domains: [{ name: 'ours.test', deliver: 'capture' }],
  });
  const replies = await flood(relay, 60);
  assert.match(replies.at(-1) ?? '', /^452 4\.7\.1 /);
  assert.match(await relay.send({ to: 'somebody@ours.test' }), /^250/);
  assert.match(await relay.send({ to: 'somebody@there.test' }), /^452/);
});

test('whoever is in a trusted network on this machine is not counted', async (t) => {
  const relay = await openRelay(t, { routes: open.routes });
  await flood(relay, 60);
  assert.deepEqual(await holds(relay), []);
});

test('a command about a hold that is not there says so', async (t) => {
  const relay = await openRelay(t, open);
  for (const id of ['H0000000', 'nonsense']) {
    await assert.rejects(relay.control.guardChange({ verb: 'release', id }), /no hold/);
  }
  await assert.rejects(relay.control.guardChange({ verb: 'disallow', subject: 'alice' }), /not allowed/);
  const allowed = await relay.control.guardChange({ verb: 'allow', subject: '192.0.2.1', forMs: 1000 });
  assert.equal(allowed.subject, 'address:192.0.2.1');
});

test('the commands show and decide', async (t) => {
  const relay = await openRelay(t, open);
  await flood(relay, 60);
  const posthouse = (...argv: string[]) => run([...argv, '--data', relay.folder], fakeIo());
  const list = await posthouse('guard', 'list');
  const id = /^(H\w{7}) /m.exec(list.out)?.[1] ?? '';
  assert.match(list.out, /holding .* address:127\.0\.0\.1 .* more than 40 messages within 1m/);
  const shown = await posthouse('guard', 'show', id.toLowerCase());
  assert.match(shown.out, /^because +more than 40 messages within 1m$/m);
  assert.match(shown.out, /from 127\.0\.0\.1 {2}to v59@victims\.test/);
  assert.equal((await posthouse('guard', 'show', 'H0000000')).code, 66);
  const { messages } = JSON.parse((await posthouse('guard', 'remove', id, '--json')).out);
  assert.ok(messages >= 20);
  assert.match((await posthouse('guard', 'release', id)).out, /^0 messages released$/m);
  assert.equal((await posthouse('guard', 'release', id)).code, 66);
  assert.match(
    (await posthouse('guard', 'allow', 'alice', '--for', '12h')).out,
    /^identity:alice is allowed$/m,
  );
  assert.equal((await posthouse('guard', 'allow', 'alice', '--for', 'ever')).code, 64);
  assert.match((await posthouse('guard', 'list')).out, /allowed .* identity:alice/);
  assert.equal((await posthouse('guard', 'disallow', 'alice')).code, 0);
  assert.equal((await posthouse('guard', 'disallow', 'alice')).code, 66);
  assert.equal((await posthouse('guard', 'list', '--json')).out, '');
});

test('the postmaster reads what happened and what to do, once', async (t) => {
  const relay = await openRelay(t, open);
  await flood(relay, 60);
  const [{ queueId } = {}] = await relay.log.logged('accepted', { ground: 'local' });
  await relay.log.logged('delivered', { to: 'keeper@relay.test' });
  const text = await readFile(join(relay.folder, 'capture', `${String(queueId)}.eml`), 'utf8');
  const [hold] = await holds(relay);
  assert.ok(hold?.kind === 'hold');
  assert.match(text, /^To: <keeper@relay\.test>\r$/m);
  assert.match(text, /^Subject: relay\.test: mail from 127\.0\.0\.1 is held\r$/m);
  assert.match(text, /^Auto-Submitted: auto-generated\r$/m);
  assert.match(text, /^sent more than 40 messages within 1m\.\r$/m);
  for (const verb of ['show', 'release', 'remove'])
    assert.ok(text.includes(`posthouse guard ${verb} ${hold.id}\r\n`));
  assert.equal(
    relay.log.lines.filter(({ event, ground }) => event === 'accepted' && ground === 'local').length,
    1,
  );
});
