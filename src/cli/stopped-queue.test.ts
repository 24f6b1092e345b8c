import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';

import { silentLog } from '../base/index.ts';
import { type Address, type Envelope, laneName, parseMailbox, reply } from '../mail/index.ts';
import { matches, queueItem } from '../operation/index.ts';
import { openSpool, type Spool } from '../spool/index.ts';
import { dispatch } from './dispatch.ts';
import { fakeIo } from './testing.ts';

function address(text: string): Address {
  const parsed = parseMailbox(text, { smtputf8: false });
  assert.ok(parsed);
  return parsed;
}

const octets = Buffer.from('Subject: x\r\n\r\nbody\r\n');

function envelopeOf(from: string, to: readonly string[]): Envelope {
  return {
    reversePath: from === '' ? null : address(from),
    recipients: to.map((text) => ({ address: address(text) })),
    body: '7bit',
    smtputf8: false,
    content: {
      size: octets.length,
      hasEightBit: false,
      hasLeadingDot: false,
      endsWithCrlf: true,
      isBinary: false,
    },
    origin: { client: '192.0.2.1', helo: 'x', listener: 'mx', ground: 'network', session: 's1' },
    receivedAt: Date.now(),
  };
}

async function withSpool(t: TestContext, fill: (spool: Spool) => Promise<void>): Promise<string> {
  const data = await mkdtemp(join(tmpdir(), 'posthouse-stopped-'));
  t.after(() => rm(data, { recursive: true, force: true }));
  await using spool = await openSpool({ path: join(data, 'spool'), log: silentLog });
  await fill(spool);
  return data;
}

async function add(spool: Spool, envelope: Envelope, held?: string) {
  const draft = spool.begin();
  await draft.write(octets);
  const entry = { lane: laneName('d.example'), recipients: 'all', attempts: 1, dueAt: Date.now() } as const;
  return draft.commit(envelope, [held === undefined ? entry : { ...entry, held }]);
}

test('a queue that another process has says so, and exits 75', async (t) => {
  const data = await withSpool(t, async () => {});
  await using _other = await openSpool({ path: join(data, 'spool'), log: silentLog });
  const io = fakeIo();
  assert.equal(await dispatch(['queue', 'list', '--data', data], io), 75);
  assert.match(io.text.err, /^posthouse: the queue is in use, by a relay .* process \d+ has /);
});

test('the queue of a stopped relay is listed and shown from its folder', async (t) => {
  const ids: string[] = [];
  const data = await withSpool(t, async (spool) => {
    ids.push(await add(spool, envelopeOf('', ['a@d.example'])));
    ids.push(await add(spool, envelopeOf('s@b.example', ['b@d.example']), 'looks bulk'));
  });
  const list = async (...argv: string[]) => {
    const io = fakeIo({ folder: data });
    assert.equal(await dispatch(['queue', 'list', '--json', '--data', data, ...argv], io), 0, io.text.err);
    return io.text.out
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line));
  };
  assert.deepEqual(
    (await list()).map(({ id }) => id),
    ids,
  );
  assert.deepEqual(
    (await list('--held')).map(({ recipients }) => recipients[0].held),
    ['looks bulk'],
  );
  assert.deepEqual(
    (await list('--from', '<>')).map(({ id }) => id),
    [ids[0]],
  );
  assert.deepEqual(await list('--to', 'other.example'), []);
  assert.deepEqual(
    (await list(ids[1] ?? '', '0000000000000000', 'junk')).map(({ id }) => id),
    [ids[1]],
  );
  const io = fakeIo({ folder: data });
  assert.equal(await dispatch(['queue', 'show', ids[0] ?? '', '--message', '--data', data], io), 0);
  assert.equal(io.text.out, octets.toString());
});

test('each recipient is shown with what is known of it', async (t) => {
  await withSpool(t, async (spool) => {
    const to = ['new@d.example', 'late@d.example', 'done@d.example', 'no@d.example', 'old@d.example'];
    const id = await add(spool, envelopeOf('s@b.example', to));
    const at = 1;
    const failed = { status: 'failed', at, reply: reply(550, '1.1', 'no such user') } as const;
    await spool.update([
      {
        kind: 'status',
        id,
        recipient: 1,
        status: { status: 'pending', at, reply: reply(451, '3.0', 'later') },
      },
      {
        kind: 'status',
        id,
        recipient: 2,
        status: { status: 'delivered', at, relay: 'mx', reply: reply(250, '0.0', 'ok') },
      },
      { kind: 'status', id, recipient: 3, status: failed },
      { kind: 'status', id, recipient: 4, status: { ...failed, expired: true } },
    ]);
    const item = queueItem(spool, id);
    assert.deepEqual(
      item?.recipients.map(({ status, lane, reply: text }) => [status, lane, text]),
      [
        ['pending', 'd.example', undefined],
        ['deferred', 'd.example', '451 4.3.0 later'],
        ['delivered', undefined, '250 2.0.0 ok'],
        ['bounced', undefined, '550 5.1.1 no such user'],
        ['expired', undefined, '550 5.1.1 no such user'],
      ],
    );
    // A recipient that has come to its end is no reason to touch the message.
    assert.equal(matches(spool, id, { to: 'done@d.example' }), false);
    assert.equal(matches(spool, id, { to: '@D.example', from: 'S@b.example' }), true);
    assert.equal(matches(spool, id, { from: 'example' }), false);
  });
});

test('recipients of a stopped relay are held, released and removed; the rest needs a running one', async (t) => {
  const to = ['grey@x.example', 'z@y.example'];
  const data = await withSpool(t, async (spool) => void (await add(spool, envelopeOf('s@b.example', to))));
  const queue = async (...argv: string[]) => {
    const [verb = '', ...rest] = argv;
    const io = fakeIo({ folder: data });
    const code = await dispatch(['queue', verb, '--data', data, ...rest], io);
    return { code, ...io.text };
  };
  const states = async () => {
    const { out } = await queue('list', '--json');
    return out === '' ? [] : JSON.parse(out).recipients.map(({ status }: { status: string }) => status);
  };
  const planned = await queue('hold', '--to', 'z@y.example', '--dry-run');
  assert.match(planned.out, /would be held: z@y\.example; not touched: grey@x\.example\n$/);
  for (const [verb, expected] of [
    ['hold', ['pending', 'held']],
    ['release', ['pending', 'pending']],
    ['remove', ['pending', 'removed']],
  ] as const) {
    const { code, err } = await queue(verb, '--to', 'z@y.example');
    assert.deepEqual([code, await states()], [0, expected], err);
  }
  for (const argv of [['flush'], ['bounce'], ['redirect', '--recipient', 'a@b.example']]) {
    const { code, err } = await queue(...argv, '--all');
    assert.deepEqual([code, /no relay runs/.test(err)], [69, true]);
  }
  assert.equal((await queue('remove', '--all')).code, 0);
  assert.deepEqual(await states(), []);
});

async function call(...argv: string[]) {
  const io = fakeIo();
  const code = await dispatch(argv, io);
  return { code, ...io.text };
}

test('a sound queue is verified, and salvaged into one with the same messages', async (t) => {
  const ids: string[] = [];
  const data = await withSpool(t, async (spool) => {
    ids.push(await add(spool, envelopeOf('s@b.example', ['a@d.example'])));
    ids.push(await add(spool, envelopeOf('', ['b@d.example'])));
  });
  const verified = await call('queue', 'verify', '--data', data);
  assert.deepEqual([verified.code, verified.out], [0, `2 messages in ${data}/spool: sound\n`], verified.err);
  const salvaged = await call('queue', 'salvage', join(data, 'new', 'spool'), '--data', data, '--json');
  assert.equal(salvaged.code, 0, salvaged.err);
  assert.equal(JSON.parse(salvaged.out).salvaged, 2);
  const listed = await call('queue', 'list', '--json', '--data', join(data, 'new'));
  assert.deepEqual(
    listed.out.match(/"id":"([^"]+)"/g)?.map((found) => found.slice(6, -1)),
    ids,
  );
  const again = await call('queue', 'salvage', join(data, 'new', 'spool'), '--data', data);
  assert.deepEqual([again.code, again.err.includes('has a spool already')], [73, true]);
});

test('a damaged queue is 65 and says where', async (t) => {
  const data = await withSpool(t, async (spool) => {
    for (let i = 0; i < 50; i++) await add(spool, envelopeOf('s@b.example', [`a${i}@d.example`]));
  });
  const [name = ''] = (await readdir(join(data, 'spool'))).filter((file) => file.endsWith('.mdb'));
  const file = join(data, 'spool', name);
  // Every copy: older pages have some that nothing reads any more.
  const octets = await readFile(file, 'latin1');
  await writeFile(file, octets.replaceAll('body\r\n', 'XXXX\r\n'), 'latin1');
  const { code, out } = await call('queue', 'verify', '--data', data);
  assert.equal(code, 65);
  assert.match(out, /message: .*\n[\s\S]*damaged/);
});

test('a queue in use and one that is not there are told apart', async (t) => {
  const data = await withSpool(t, async () => {});
  assert.equal((await call('queue', 'verify', '--data', join(data, 'nothing'))).code, 66);
  await using _ = await openSpool({ path: join(data, 'spool'), log: silentLog });
  const { code, err } = await call('queue', 'verify', '--data', data);
  assert.deepEqual([code, err], [69, 'posthouse: the relay is running: stop it first\n']);
});
