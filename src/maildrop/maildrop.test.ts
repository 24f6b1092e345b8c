import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmod,
  link,
  mkdir,
  mkdtemp,
  readdir,
  rename,
  rm,
  stat,
  symlink,
  truncate,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';

import { manualClock, memoryLog } from '../base/index.ts';
import { hasRoot } from '../base/testing.ts';
import {
  type DropEnvelope,
  dropMail,
  maxEnvelopeOctets,
  parseEnvelopeLine,
  recipientsPerTurn,
} from './file.ts';
import { type DropIntake, type MaildropOptions, watchMaildrop } from './maildrop.ts';

const envelope: DropEnvelope = {
  version: 1,
  from: 'a@b.example',
  to: [{ address: 'c@d.example' }],
  body: '8bitmime',
};
const line = JSON.stringify(envelope);

async function start(t: TestContext, over: Partial<MaildropOptions> = {}) {
  const base = await mkdtemp(join(tmpdir(), 'posthouse-maildrop-'));
  t.after(() => rm(base, { recursive: true, force: true }));
  await chmod(base, 0o711);
  const folder = join(base, 'maildrop');
  const taken: { uid: number; from: string; text: string }[] = [];
  const intake: DropIntake = async (dropped) => {
    const parts = [];
    for await (const piece of dropped.octets()) parts.push(piece);
    taken.push({ uid: dropped.uid, from: dropped.envelope.from, text: Buffer.concat(parts).toString() });
    return { kind: 'taken', queueId: 'Q' };
  };
  const log = memoryLog();
  const clock = manualClock(Date.now());
  const drop = await watchMaildrop({ folder, intake, log, clock, maxMessageBytes: 100_000, ...over });
  t.after(() => drop[Symbol.asyncDispose]());
  const waiting = async () => (await readdir(folder)).filter((name) => name !== 'bad');
  const bad = () => readdir(join(folder, 'bad'));
  return { base, folder, drop, log, clock, taken, waiting, bad };
}

/** Waits until the relay has noticed by itself. */
async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 10));
}

test('a dropped message is noticed, taken in with its owner, and removed', async (t) => {
  const { folder, taken, waiting, log } = await start(t);
  await dropMail(folder, envelope, [Buffer.from('Subject: x\r\n\r\n'), Buffer.from('hello\r\n')]);
  await until(() => taken.length === 1);
  await until(async () => (await waiting()).length === 0);
  assert.deepEqual(taken[0], {
    uid: process.getuid?.(),
    from: 'a@b.example',
    text: 'Subject: x\r\n\r\nhello\r\n',
  });
  await until(() => log.lines.some(({ event }) => event === 'maildrop-taken'));
});

test('a message for very many is divided into files of a thousand recipients', async (t) => {
  const to = Array.from({ length: 2500 }, (_, i) => ({ address: `x${i}@d.example` }));
  const seen: DropEnvelope['to'][number][][] = [];
  const { folder, drop } = await start(t, {
    intake: async (dropped) => {
      seen.push([...dropped.envelope.to]);
      for await (const piece of dropped.octets()) assert.equal(String(piece), 'x');
      return { kind: 'taken', queueId: 'Q' };
    },
  });
  assert.equal((await dropMail(folder, { ...envelope, to }, [Buffer.from('x')])).length, 3);
  await drop.scan();
  assert.deepEqual(seen.map(({ length }) => length).sort(), [1000, 1000, 500]);
  const order = new Map(to.map(({ address }, i) => [address, i]));
  const all = seen.flat().sort((a, b) => (order.get(a.address) ?? 0) - (order.get(b.address) ?? 0));
  assert.deepEqual(all, to);
});

test('a message of which one file cannot be written leaves none', async (t) => {
  const { folder, waiting } = await start(t);
  const to = Array.from({ length: 2500 }, (_, i) => ({ address: `x${i}@d.example` }));
  const failing = (async function* () {
    yield Buffer.from('x');
    throw new Error('input broke');
  })();
  await assert.rejects(dropMail(folder, { ...envelope, to }, failing), /input broke/);
  assert.deepEqual(await waiting(), []);
});

test('a bad recipient among a hundred thousand is told of, and the others are not looked at after it', async () => {
  const good = { address: 'a@b.example' };
  const to = [...Array.from({ length: 99_999 }, () => good), { address: 7 }];
  await assert.rejects(parseEnvelopeLine(JSON.stringify({ ...envelope, to })), { code: 'bad-request' });
  const allBad = to.map(() => ({}));
  await assert.rejects(parseEnvelopeLine(JSON.stringify({ ...envelope, to: allBad })), /address/);
});

test('everything else has its turn while a message for a hundred thousand is read', async () => {
  const to = Array.from({ length: 100_000 }, (_, i) => ({ address: `x${i}@d.example` }));
  let turns = 0;
  let isOver = false;
  const turn = () => {
    turns++;
    if (!isOver) setImmediate(turn);
  };
  setImmediate(turn);
  const parsed = await parseEnvelopeLine(JSON.stringify({ ...envelope, to }));
  isOver = true;
  assert.equal(parsed.to.length, to.length);
  assert.ok(turns >= to.length / recipientsPerTurn, `${turns}`);
});

test('a message of an older writer with as many recipients as there may be is taken; one that could not be read is not written', async (t) => {
  const { folder, base, drop, taken, waiting, bad } = await start(t);
  const many = (length: number, size: number) => ({
    ...envelope,
    to: Array.from({ length }, (_, i) => ({ address: `${'x'.repeat(size)}${i}@d.example` })),
  });
  await place(folder, base, `${JSON.stringify(many(100_000, 1))}\nx`);
  await drop.scan();
  assert.deepEqual([taken.length, await bad()], [1, []]);
  await assert.rejects(dropMail(folder, many(1000, 2100), [Buffer.from('x')]), { code: 'too-large' });
  assert.deepEqual(await waiting(), []);
});

test('what was dropped while the relay was down is taken in at its start', async (t) => {
  const { folder, drop, taken } = await start(t);
  await drop[Symbol.asyncDispose]();
  await dropMail(folder, envelope, [Buffer.from('x')]);
  assert.equal(taken.length, 0);
  const again = await watchMaildrop({
    folder,
    intake: async ({ envelope: { from } }) => {
      taken.push({ uid: 0, from, text: '' });
      return { kind: 'taken', queueId: 'Q' };
    },
    log: memoryLog(),
    clock: manualClock(),
    maxMessageBytes: 100,
  });
  await again.scan();
  await again[Symbol.asyncDispose]();
  assert.equal(taken.length, 1);
});

test('the folder may be written by anybody and listed by nobody', async (t) => {
  const { folder } = await start(t);
  assert.equal((await stat(folder)).mode & 0o7777, 0o3733);
  assert.equal((await stat(join(folder, 'bad'))).mode & 0o7777, 0o700);
});

test('a message that cannot be taken in now stays and is tried at the next scan', async (t) => {
  let attempts = 0;
  const { folder, drop, clock, waiting } = await start(t, {
    intake: async () => {
      if (++attempts === 1) return { kind: 'later', because: 'spool full' };
      if (attempts === 2) throw new Error('broken');
      return { kind: 'taken', queueId: 'Q' };
    },
  });
  await dropMail(folder, envelope, [Buffer.from('x')]);
  await drop.scan();
  while (attempts < 3) {
    clock.advance(10_000);
    await drop.scan();
  }
  assert.deepEqual(await waiting(), []);
});

test('a message that is refused for good is moved aside', async (t) => {
  const { folder, drop, waiting, bad } = await start(t, {
    intake: async () => ({ kind: 'refused', because: 'sender unknown' }),
  });
  await dropMail(folder, envelope, [Buffer.from('x')]);
  await drop.scan();
  assert.deepEqual([await waiting(), (await bad()).length], [[], 1]);
});

/** A file that appears whole, so that no scan sees half of it. */
async function place(folder: string, base: string, content: string): Promise<void> {
  await writeFile(join(base, 'x'), content);
  await rename(join(base, 'x'), join(folder, 'x.mail'));
}

const attacks: [string, (folder: string, base: string) => Promise<void>, RegExp][] = [
  [
    'a symbolic link to another file',
    async (folder, base) => {
      await writeFile(join(base, 'secret'), `${line}\nsecret`);
      await symlink(join(base, 'secret'), join(folder, 'x.mail'));
    },
    /symbolic link/,
  ],
  [
    'a hard link to another file',
    async (folder, base) => {
      await writeFile(join(base, 'secret'), `${line}\nsecret`);
      await link(join(base, 'secret'), join(folder, 'x.mail'));
    },
    /several names/,
  ],
  [
    'a FIFO',
    async (folder) => {
      execFileSync('mkfifo', [join(folder, 'x.mail')]);
    },
    /regular file/,
  ],
  ['a folder', (folder) => mkdir(join(folder, 'x.mail')), /regular file/],
  [
    'an oversized message',
    (folder, base) => place(folder, base, `${line}\n${'x'.repeat(100_001)}`),
    /too large/,
  ],
  [
    'a sparse file of a terabyte',
    async (folder, base) => {
      await writeFile(join(base, 'x'), line);
      await truncate(join(base, 'x'), 2 ** 40);
      await rename(join(base, 'x'), join(folder, 'x.mail'));
    },
    /too large/,
  ],
  [
    'an endless envelope',
    (folder, base) => place(folder, base, 'x'.repeat(maxEnvelopeOctets + 10)),
    /no envelope line/,
  ],
  ['an empty file', (folder, base) => place(folder, base, ''), /no envelope line/],
  ['no JSON', (folder, base) => place(folder, base, 'hello\nworld'), /malformed/],
  [
    'an envelope without recipients',
    (folder, base) => place(folder, base, '{"version":1,"from":"","to":[],"body":"7bit"}\nx'),
    /malformed/,
  ],
  [
    'an envelope that claims another user',
    (folder, base) => place(folder, base, `${line.replace('{', '{"uid":0,')}\nx`),
    /malformed/,
  ],
];
for (const [what, make, because] of attacks) {
  test(`${what} is not taken in but moved aside and logged`, async (t) => {
    const { folder, base, drop, log, taken, waiting, bad } = await start(t);
    await make(folder, base);
    await drop.scan();
    assert.equal(taken.length, 0);
    assert.deepEqual([await waiting(), (await bad()).length], [[], 1]);
    const logged = log.lines.find(({ event }) => event === 'maildrop-refused');
    assert.match(String(logged?.fields.because), because);
  });
}

test('a file that shrinks while it is read is not taken in half', async (t) => {
  const outcome = Promise.withResolvers<unknown>();
  const { folder, drop, waiting } = await start(t, {
    intake: async (dropped) => {
      await truncate(join(folder, (await waiting())[0] ?? ''), line.length + 10);
      try {
        for await (const _ of dropped.octets());
        outcome.resolve('read');
      } catch (error) {
        outcome.resolve(error);
        throw error;
      }
      return { kind: 'taken', queueId: 'Q' };
    },
  });
  await dropMail(folder, envelope, [Buffer.alloc(90_000)]);
  await drop.scan();
  assert.match(String(await outcome.promise), /cut short/);
});

test('a file that is still being written is left alone, and cleared when its writer is long gone', async (t) => {
  const { folder, drop, clock, waiting, log } = await start(t);
  await writeFile(join(folder, 'part-1'), 'half');
  const future = new Date(Date.now() + 9e8);
  await utimes(join(folder, 'part-1'), future, future);
  await drop.scan();
  assert.deepEqual(await waiting(), ['part-1']);
  clock.advance(25 * 3600 * 1000);
  await drop.scan();
  assert.deepEqual([await waiting(), log.lines], [[], []]);
});

test('a writer that fails leaves nothing behind', async (t) => {
  const { folder, waiting } = await start(t);
  const failing = (async function* () {
    yield Buffer.from('x');
    throw new Error('input broke');
  })();
  await assert.rejects(dropMail(folder, envelope, failing), /input broke/);
  assert.deepEqual(await waiting(), []);
});

test('a maildrop that other users cannot reach is told of', async (t) => {
  const { base, folder, drop } = await start(t);
  await drop[Symbol.asyncDispose]();
  await chmod(base, 0o700);
  const log = memoryLog();
  const intake: DropIntake = async () => assert.fail();
  await using _ = await watchMaildrop({ folder, intake, log, clock: manualClock(), maxMessageBytes: 1 });
  assert.deepEqual(
    log.lines.map(({ event }) => event),
    ['maildrop-hidden'],
  );
});

test('a folder of somebody else, or a link in its place, is refused', async (t) => {
  const { base } = await start(t);
  const options = {
    intake: async () => assert.fail(),
    log: memoryLog(),
    clock: manualClock(),
    maxMessageBytes: 1,
  };
  await symlink(tmpdir(), join(base, 'link'));
  await assert.rejects(watchMaildrop({ ...options, folder: join(base, 'link') }), { code: 'denied' });
});

test('another user can drop a message and read none', async (t) => {
  if (!hasRoot(t)) return;
  const { base, folder, taken } = await start(t);
  await chmod(base, 0o711);
  const script = `
      import { dropMail } from '${new URL('./file.ts', import.meta.url).href}';
      import { readdirSync } from 'node:fs';
      process.setgroups([]); process.setgid(65534); process.setuid(65534);
      await dropMail('${folder}', ${line}, [Buffer.from('x')]);
      try { readdirSync('${folder}'); } catch (error) { console.log(error.code); }
    `;
  const user = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let said = '';
  user.stdout.on('data', (part) => {
    said += part;
  });
  await once(user, 'close');
  await until(() => taken.length === 1);
  assert.deepEqual([taken[0]?.uid, said], [65534, 'EACCES\n']);
});
