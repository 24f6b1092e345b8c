import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type ManualClock, manualClock } from '../src/base/index.ts';
import { run } from '../src/cli/testing.ts';
import { startSink } from '../src/delivery/testing.ts';
import { type DropEnvelope, dropMail } from '../src/maildrop/index.ts';
import { endings, type Keys, openRelay, type TestRelay, testFolder } from './support/relay.ts';
import { until } from './support/server.ts';

const octets = [Buffer.from('Subject: letter\r\n\r\nhello\r\n')];

function drop(relay: TestRelay, to: readonly string[], from: string): Promise<readonly string[]> {
  const envelope: DropEnvelope = { version: 1, from, body: '7bit', to: to.map((address) => ({ address })) };
  return dropMail(join(relay.folder, 'maildrop'), envelope, octets);
}

/** Mail to this address fails, and its sender is told. */
const bounced = 'bad@x.test';

/** A relay with a Maildir domain and aliases; mail to anybody else goes to a sink, which refuses `bad@…`. */
async function withMailboxes(t: TestContext, keys: Keys = {}, domain: Keys = {}) {
  const sink = await startSink({
    answer: (command) => (command.startsWith('RCPT TO:<bad') ? '550 5.1.1 no such user' : undefined),
  });
  endings(t).use(sink);
  const folder = await testFolder(t);
  const boxes = join(folder, 'boxes');
  const aliases = join(folder, 'aliases');
  await mkdir(boxes);
  await writeFile(aliases, 'sales: anna\nteam: bob+lists\noffice+x: team\noffice: sales\n');
  const relay = await openRelay(
    t,
    {
      postmaster: 'office@home.test',
      domains: { name: 'home.test', deliver: `maildir:${boxes}/{local}`, aliases, ...domain },
      routes: { via: `smtp://127.0.0.1:${sink.port}`, tls: 'none' },
      ...keys,
    },
    { folder },
  );
  /** The messages of each mailbox that was made. */
  const mailboxes = async (): Promise<Record<string, number>> => {
    const names = await readdir(boxes);
    const counts = await Promise.all(
      names.sort().map(async (name) => (await readdir(join(boxes, name, 'new'))).length),
    );
    return Object.fromEntries(names.map((name, index) => [name, counts[index] ?? 0]));
  };
  const only = async (name: string) => {
    const [file = ''] = await readdir(join(boxes, name, 'new'));
    return readFile(join(boxes, name, 'new', file), 'utf8');
  };
  return { relay, sink, mailboxes, only };
}

test('mail to an alias of a name with a tag makes no mailbox of that name', async (t) => {
  const { relay, mailboxes } = await withMailboxes(t);
  for (const to of ['team@home.test', 'office+x@home.test', 'bob+other@home.test']) {
    assert.match(await relay.send({ to }), /^250 /);
  }
  await relay.log.logged('removed', {}, 3);
  assert.deepEqual(await mailboxes(), { bob: 3 });
});

test('a notice to a sender who is an alias goes to its members, and makes no mailbox', async (t) => {
  const { relay, mailboxes, only } = await withMailboxes(t);
  await relay.send({ from: 'sales@home.test', to: bounced });
  await relay.log.logged('delivered', { to: 'anna@home.test' });
  assert.deepEqual(await mailboxes(), { anna: 1 });
  assert.match(
    await only('anna'),
    /^To: <sales@home\.test>$/m,
    'the notice is addressed to whom the sender said',
  );
  await relay.send({ from: 'bob+news@home.test', to: bounced });
  await relay.log.logged('delivered', { to: 'bob@home.test' });
  assert.deepEqual(await mailboxes(), { anna: 1, bob: 1 });
});

test('a double bounce and mail to postmaster go where the alias of the postmaster leads', async (t) => {
  const { relay, mailboxes } = await withMailboxes(t);
  await relay.send({ from: '', to: bounced });
  await relay.send({ to: 'postmaster@home.test' });
  await relay.send({ to: 'abuse+1@home.test' });
  await relay.log.logged('delivered', { to: 'anna@home.test' }, 3);
  assert.deepEqual(await mailboxes(), { anna: 3 });
});

test('a notice to a sender who does not exist here goes to the postmaster, and makes no mailbox', async (t) => {
  const { relay, mailboxes, only } = await withMailboxes(t, {}, { recipients: ['anna', 'bob'] });
  await relay.send({ from: 'nobody@home.test', to: bounced });
  await relay.log.logged('delivered', { to: 'anna@home.test' });
  assert.deepEqual(await mailboxes(), { anna: 1 });
  assert.match(await only('anna'), /^To: <office@home\.test>$/m);
});

test('a success that a sender wants to hear of who does not exist here is dropped with a line in the log', async (t) => {
  const { relay, mailboxes } = await withMailboxes(t, {}, { recipients: ['anna', 'bob'] });
  await relay.send({ from: 'nobody@home.test', to: 'bob@home.test', rcptParameters: ' NOTIFY=SUCCESS' });
  const [dropped] = await relay.log.logged('bounce-dropped');
  assert.match(String(dropped?.because), /notice to nobody@home\.test is refused here: 550 5\.1\.1/);
  await relay.log.logged('removed');
  assert.deepEqual(await mailboxes(), { bob: 1 });
});

test('where the postmaster does not exist either, a notice ends in the log and not in a circle', async (t) => {
  const { relay, mailboxes } = await withMailboxes(
    t,
    { postmaster: 'gone@home.test' },
    { recipients: ['anna', 'bob'] },
  );
  await relay.send({ from: 'nobody@home.test', to: bounced });
  const [dropped] = await relay.log.logged('bounce-dropped');
  assert.match(String(dropped?.because), /notice to gone@home\.test is refused here/);
  await relay.log.logged('removed');
  assert.equal(relay.log.lines.filter(({ event }) => event === 'bounce-sent').length, 0);
  assert.deepEqual(await mailboxes(), {});
});

test('a local user makes no mailbox that a client could not', async (t) => {
  const { relay, mailboxes } = await withMailboxes(t);
  await drop(relay, ['a%b@home.test'], 'root@away.test');
  await relay.log.logged('maildrop-refused');
  await drop(relay, ['sales@home.test', 'bob+x@home.test'], 'root@away.test');
  await relay.log.logged('delivered', { to: 'bob@home.test' });
  assert.deepEqual(await mailboxes(), { anna: 1, bob: 1 });
});

/** A message that waits for a destination that is down, and a redirect of it. */
async function withWaiting(t: TestContext, domain: Keys = {}) {
  const routes = { via: 'smtp://127.0.0.1:1', tls: 'none' };
  const { relay, mailboxes } = await withMailboxes(t, { routes }, domain);
  await relay.send({ to: 'ann@down.test' });
  await relay.log.logged('deferred');
  const redirect = (to: string) =>
    run(['queue', 'redirect', '--all', '--recipient', to, '--data', relay.folder]);
  return { relay, mailboxes, redirect };
}

test('queue redirect to somebody whom the policy refuses says so, and changes nothing', async (t) => {
  const { relay, redirect } = await withWaiting(t, { recipients: ['anna', 'bob'] });
  const refused = await redirect('nobody@home.test');
  const why = 'posthouse: nobody@home.test is refused: 550 5.1.1 no such recipient here\n';
  assert.deepEqual([refused.code, refused.err], [67, why]);
  assert.equal((await redirect('a%b@home.test')).code, 67);
  const planned = await run([
    'queue',
    'redirect',
    '--all',
    '--recipient',
    'nobody@home.test',
    '--dry-run',
    '--data',
    relay.folder,
  ]);
  assert.equal(planned.code, 67);
  const { out } = await run(['queue', 'list', '--data', relay.folder]);
  assert.match(out, /ann@down\.test/);
});

test('queue redirect to an alias reaches its members', async (t) => {
  const { relay, mailboxes, redirect } = await withWaiting(t);
  // The result of the attempt is in the queue a moment after it is logged.
  await until(async () => (await redirect('team@home.test')).out !== '');
  await relay.log.logged('delivered', { to: 'bob@home.test' });
  assert.deepEqual(await mailboxes(), { bob: 1 });
});

test('a reload in which an alias leads in a circle changes nothing', async (t) => {
  const { relay, mailboxes } = await withMailboxes(t);
  const aliases = join(relay.folder, 'aliases');
  await writeFile(aliases, 'sales: team\nteam: sales\n');
  const checked = await run(['check', '--config', await configFile(relay.folder, aliases)]);
  assert.equal(checked.code, 78);
  assert.match(
    checked.err + checked.out,
    /domains\[0\]\.aliases: .*a loop: team@home\.test → sales@home\.test → team@home\.test/,
  );
  relay.next = new Error('domains[0].aliases: a loop');
  await relay.control.reload();
  await relay.send({ to: 'team@home.test' });
  await relay.log.logged('delivered', { to: 'bob@home.test' });
  assert.deepEqual(await mailboxes(), { bob: 1 });
});

async function configFile(folder: string, aliases: string): Promise<string> {
  const file = join(folder, 'other.yaml');
  const domain = { name: 'home.test', deliver: `maildir:${folder}/boxes/{local}`, aliases };
  const listeners = [{ role: 'mx', address: '127.0.0.1:0' }];
  await writeFile(file, JSON.stringify({ hostname: 'relay.test', data: folder, listeners, domains: domain }));
  return file;
}

/** A relay that asks a server about its recipients, which answers as it is told. */
async function withVerified(t: TestContext, domain: Keys = {}) {
  let answer: string | undefined = '451 4.3.2 come back later';
  const sink = await startSink({
    answer: (command) => (command.startsWith('RCPT TO:<ann') ? answer : undefined),
  });
  endings(t).use(sink);
  const clock = manualClock(Date.UTC(2026, 0, 1));
  const keys = {
    postmaster: 'keeper@else.test',
    domains: { name: 'ask.test', deliver: `smtp://127.0.0.1:${sink.port}`, recipients: 'verify', ...domain },
    routes: { to: '*', via: 'capture' },
    queue: { retry: { min: '1m', max: '2m', maxAge: '1h' } },
  };
  const relay = await openRelay(t, keys, { clock });
  const pass = (event: string, fields: object = {}, of: TestRelay = relay) =>
    passUntil(of, clock, { event, ...fields });
  return { relay, sink, clock, keys, pass, say: (text: string | undefined) => (answer = text) };
}

/** Lets time pass little by little until a line is in the log. */
async function passUntil(
  relay: TestRelay,
  clock: ManualClock,
  wanted: Readonly<Record<string, unknown>>,
): Promise<void> {
  const isThere = () =>
    relay.log.lines.some((line) => Object.entries(wanted).every(([key, value]) => line[key] === value));
  for (let i = 0; i < 100_000 && !isThere(); i++) {
    clock.advance(100);
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
  assert.ok(
    isThere(),
    `${JSON.stringify(wanted)}\n${relay.log.lines.map((line) => JSON.stringify(line)).join('\n')}`,
  );
}

function events(relay: TestRelay, event: string): readonly unknown[] {
  return relay.log.lines.filter((line) => line.event === event).map(({ to }) => to);
}

const ways: Readonly<Record<string, (relay: TestRelay) => Promise<unknown>>> = {
  'a message in the maildrop': (relay) => drop(relay, ['ann@ask.test', 'x@else.test'], 'me@away.test'),
  'posthouse send': async (relay) => {
    const to = ['ann@ask.test', 'x@else.test'];
    const submission = { from: 'me@away.test', to, follow: false };
    const body = (async function* () {
      yield* octets;
    })();
    for await (const event of relay.control.submit(submission, body, AbortSignal.timeout(10_000)))
      assert.equal(event.event, 'accepted');
  },
};
for (const [way, send] of Object.entries(ways)) {
  test(`${way}: a recipient who cannot be verified now waits, is asked again and gets it; the other at once`, async (t) => {
    const { relay, sink, pass, say } = await withVerified(t);
    await send(relay);
    await pass('delivered', { to: 'x@else.test' });
    await pass('deferred', { to: 'ann@ask.test' });
    // A logged result is in the queue a moment later.
    await until(async () => {
      const { out } = await run(['queue', 'list', '--data', relay.folder]);
      return / deferred .*ann@ask\.test.* \(450 4\.\d\.\d+ /.test(out);
    });
    say(undefined);
    await pass('delivered', { to: 'ann@ask.test' });
    await pass('removed');
    assert.equal(sink.messages.length, 1);
    assert.deepEqual(events(relay, 'bounce-sent'), []);
  });
}

test('a recipient who turns out not to exist comes back to the sender, and only that one', async (t) => {
  const { relay, pass, say } = await withVerified(t);
  await drop(relay, ['ann@ask.test', 'x@else.test'], 'me@away.test');
  await pass('deferred', { to: 'ann@ask.test' });
  say('550 5.1.1 no such user');
  await pass('bounced', { to: 'ann@ask.test' });
  await pass('delivered', { to: 'me@away.test' });
  await pass('removed');
  assert.deepEqual(events(relay, 'bounce-sent'), ['me@away.test']);
});

test('a recipient who cannot be verified for the whole age of a message comes back as expired', async (t) => {
  const { relay, pass } = await withVerified(t);
  await drop(relay, ['ann@ask.test'], 'me@away.test');
  await pass('deferred', { to: 'ann@ask.test' });
  assert.deepEqual(events(relay, 'expired'), []);
  await pass('expired', { to: 'ann@ask.test' });
  await pass('delivered', { to: 'me@away.test' });
  assert.ok(events(relay, 'deferred').length > 10, 'asked again and again');
});

test('a recipient who waits to be verified is asked about by the next process', async (t) => {
  const { relay, clock, keys, sink, pass, say } = await withVerified(t);
  await drop(relay, ['ann@ask.test'], 'me@away.test');
  await pass('deferred', { to: 'ann@ask.test' });
  await relay.stop();
  say(undefined);
  const next = await openRelay(t, keys, { clock, folder: relay.folder });
  await pass('delivered', { to: 'ann@ask.test' }, next);
  assert.equal(sink.messages.length, 1);
});

test('the catch-all gets the mail of whom the destination turns out not to know', async (t) => {
  const { relay, pass, say } = await withVerified(t, { catchAll: 'rest@else.test' });
  await drop(relay, ['ann@ask.test'], 'me@away.test');
  await pass('deferred', { to: 'ann@ask.test' });
  say('550 5.1.1 no such user');
  await pass('delivered', { to: 'rest@else.test' });
  await pass('removed');
  assert.deepEqual(events(relay, 'bounce-sent'), []);
});

test('a notice to a sender who cannot be verified now waits, and is delivered', async (t) => {
  const { relay, sink, pass, say } = await withVerified(t);
  await drop(relay, ['bad%x@ask.test'], 'ann@ask.test');
  await pass('bounce-sent', { to: 'ann@ask.test' });
  await pass('deferred', { to: 'ann@ask.test' });
  say(undefined);
  await pass('delivered', { to: 'ann@ask.test' });
  assert.equal(sink.messages[0]?.mail, '<>');
});

test('a redirect to somebody who cannot be verified now waits, and is delivered', async (t) => {
  const { relay, sink, pass, say } = await withVerified(t);
  await drop(relay, ['ann+1@ask.test'], 'me@away.test');
  await pass('deferred', { to: 'ann+1@ask.test' });
  await until(async () => {
    const argv = ['queue', 'redirect', '--all', '--recipient', 'ann@ask.test', '--data', relay.folder];
    return (await run(argv)).out !== '';
  });
  await pass('deferred', { to: 'ann@ask.test' });
  say(undefined);
  await pass('delivered', { to: 'ann@ask.test' });
  assert.deepEqual(
    sink.messages.map(({ rcpts }) => rcpts),
    [['ann@ask.test']],
  );
});
