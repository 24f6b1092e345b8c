import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Background, type ManualClock, manualClock, memoryLog } from '../base/index.ts';
import { type Envelope, parseMailbox, type Reply } from '../mail/index.ts';
import { type ArchiveOptions, defaultTrap, listTrapped, openTrap, openTrapped } from './index.ts';

const dayMs = 86_400_000;

async function testFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'posthouse-trap-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return join(folder, 'trap');
}

/** A trap over a folder, which may be opened again as after a restart. */
async function trapBench(folder: string, changes: Partial<ArchiveOptions> = {}, clock = manualClock()) {
  const log = memoryLog();
  const background = new Background(log);
  const state: { refusal: Reply | undefined } = { refusal: undefined };
  const parts = { clock, log, background, refusal: () => state.refusal };
  const trap = await openTrap({ folder, ...defaultTrap, ...changes }, parts);
  const send = async (text: string, to = ['anybody@anywhere.example']) => {
    const message = trap.intake.begin();
    await message.write(Buffer.from(text));
    const answer = await message.commit(envelope(clock, to, text.length));
    await background.drain();
    return { id: message.id, reply: answer };
  };
  return { trap, send, log, background, clock, state };
}

function envelope(clock: ManualClock, to: readonly string[], size: number): Envelope {
  return {
    reversePath: null,
    recipients: to.flatMap((text) => {
      const address = parseMailbox(text, { smtputf8: true });
      return address === undefined ? [] : [{ address }];
    }),
    body: '7bit',
    smtputf8: false,
    content: { size, hasEightBit: false, hasLeadingDot: false, endsWithCrlf: true, isBinary: false },
    origin: { client: '198.51.100.7', helo: 'bot.example', listener: 'trap', ground: 'trap', session: 's1' },
    receivedAt: clock.now(),
  };
}

async function kept(folder: string): Promise<string[]> {
  const ids: string[] = [];
  for await (const { id } of listTrapped(folder)) ids.push(id);
  return ids;
}

async function textOf(folder: string, id: string): Promise<string> {
  const found = await openTrapped(folder, id);
  const pieces: Buffer[] = [];
  for await (const piece of found?.octets() ?? []) pieces.push(piece);
  return Buffer.concat(pieces).toString('latin1');
}

test('a message is one file under its day: the envelope, then the octets as they came', async (t) => {
  const folder = await testFolder(t);
  const { trap, send, background } = await trapBench(folder);
  const text = 'Received: x\r\nSubject: y\r\n\r\n{"not":"the envelope"}\n\xff\r\n';
  const { id, reply } = await send(text, ['a@x.example', 'b%y@z.example']);
  assert.equal(reply.code, 250);
  assert.equal(reply.lines[0], `queued as ${id}`, 'from outside it is a relay like any other');
  const [day] = (await readdir(folder)).filter((name) => name !== 'incoming');
  assert.equal(day, '2026-01-01');
  const [line] = (await readFile(join(folder, '2026-01-01', `${id}.eml`), 'utf8')).split('\n');
  assert.equal(JSON.parse(line ?? '').envelope.origin.client, '198.51.100.7');
  assert.equal(await textOf(folder, id), Buffer.from(text).toString('latin1'));
  const found = await openTrapped(folder, id);
  assert.deepEqual(
    found?.envelope.recipients.map(({ address }) => address.text),
    ['a@x.example', 'b%y@z.example'],
  );
  assert.deepEqual(await readdir(join(folder, 'incoming')), []);
  assert.equal(trap.size.messages, 1);
  await background.drain();
});

test('what is discarded, or was arriving when the process died, leaves nothing', async (t) => {
  const folder = await testFolder(t);
  const { trap, background } = await trapBench(folder);
  const message = trap.intake.begin();
  await message.write(Buffer.from('half a message'));
  assert.equal((await readdir(join(folder, 'incoming'))).length, 1);
  message.discard();
  await background.drain();
  assert.deepEqual(await readdir(join(folder, 'incoming')), []);
  await writeFile(join(folder, 'incoming', 'LEFT'), 'over');
  await trapBench(folder);
  assert.deepEqual(await readdir(join(folder, 'incoming')), []);
});

test('too many messages: the oldest go', async (t) => {
  const folder = await testFolder(t);
  const { send, clock, trap } = await trapBench(folder, { maxMessages: 3 });
  const ids: string[] = [];
  for (let n = 0; n < 6; n++) {
    ids.push((await send(`message ${n}`)).id);
    clock.advance(dayMs / 2);
  }
  assert.deepEqual(await kept(folder), ids.slice(3).reverse());
  assert.equal(trap.size.messages, 3);
});

test('too many octets: the oldest go', async (t) => {
  const folder = await testFolder(t);
  const { send, trap } = await trapBench(folder, { maxBytes: 30_000 });
  for (let n = 0; n < 10; n++) await send('x'.repeat(9000));
  assert.ok(trap.size.bytes <= 30_000);
  assert.ok((await kept(folder)).length >= 2);
});

test('what is too old goes, without a message that makes it', async (t) => {
  const folder = await testFolder(t);
  const { send, clock, background } = await trapBench(folder, { maxAgeMs: 2 * dayMs });
  await send('old');
  clock.advance(dayMs);
  const { id } = await send('young');
  clock.advance(2 * dayMs);
  await background.drain();
  assert.deepEqual(await kept(folder), [id]);
});

test('bounds count what is there from before', async (t) => {
  const folder = await testFolder(t);
  const clock = manualClock();
  const first = await trapBench(folder, {}, clock);
  for (let n = 0; n < 5; n++) await first.send(`message ${n}`);
  const again = await trapBench(folder, { maxMessages: 4 }, clock);
  assert.equal(again.trap.size.messages, 4);
  const { id } = await again.send('another');
  assert.equal(again.trap.size.messages, 4);
  assert.equal((await kept(folder))[0], id, 'ids go on where they were');
});

test('a message that is too big is refused and takes no room', async (t) => {
  const folder = await testFolder(t);
  const { trap, send, background, clock } = await trapBench(folder, { maxMessageBytes: 1000 });
  const message = trap.intake.begin();
  for (let n = 0; n < 100; n++) await message.write(Buffer.alloc(100));
  assert.equal((await message.commit(envelope(clock, ['a@x.example'], 10_000))).code, 552);
  await background.drain();
  assert.deepEqual(await kept(folder), []);
  assert.equal((await send('small')).reply.code, 250);
});

test('what arrives at once has no more room than the archive', async (t) => {
  const folder = await testFolder(t);
  const { trap, send, background, clock } = await trapBench(folder, { maxBytes: 10_000 });
  const slow = trap.intake.begin();
  await slow.write(Buffer.alloc(8000));
  assert.equal((await send('y'.repeat(5000))).reply.code, 452);
  slow.discard();
  await background.drain();
  assert.equal((await send('y'.repeat(5000))).reply.code, 250);
  assert.equal(clock.now() > 0, true);
});

test('a folder that cannot be written is 451 or 452, and the next message may work again', async (t) => {
  const folder = await testFolder(t);
  const { send, log } = await trapBench(folder);
  await rm(join(folder, 'incoming'), { recursive: true });
  assert.equal((await send('lost')).reply.code, 451);
  assert.equal(log.lines.filter(({ event }) => event === 'trap-write-failed').length, 1);
  await mkdir(join(folder, 'incoming'));
  assert.equal((await send('kept')).reply.code, 250);
});

test('octets that trickle in, and come while others are written, stay in order', async (t) => {
  const folder = await testFolder(t);
  const { trap, background, clock } = await trapBench(folder);
  const text = Array.from({ length: 500 }, (_, n) => `${n},`).join('');
  const message = trap.intake.begin();
  for (const letter of text) void message.write(Buffer.from(letter));
  assert.equal((await message.commit(envelope(clock, ['a@x.example'], text.length))).code, 250);
  await background.drain();
  assert.equal(await textOf(folder, message.id), text);
});

test('an empty message is kept too', async (t) => {
  const folder = await testFolder(t);
  const { trap, background, clock } = await trapBench(folder);
  const message = trap.intake.begin();
  assert.equal((await message.commit(envelope(clock, ['a@x.example'], 0))).code, 250);
  await background.drain();
  assert.equal(await textOf(folder, message.id), '');
});

test('a damaged or foreign file is left out of lists, and stops nobody', async (t) => {
  const folder = await testFolder(t);
  const { send } = await trapBench(folder);
  const { id } = await send('good');
  await writeFile(join(folder, '2026-01-01', '0123456789ABCDEF.eml'), '{"version":1}\nbroken');
  await writeFile(join(folder, '2026-01-01', '0123456789ABCDEG.eml'), 'no line at all');
  await writeFile(join(folder, '2026-01-01', 'README'), 'not ours');
  assert.deepEqual(await kept(folder), [id]);
  assert.equal(await openTrapped(folder, '0123456789ABCDEF'), undefined);
  assert.equal(await openTrapped(folder, '../../etc/passwd'), undefined);
});

test('an archive that does not exist has nothing in it', async (t) => {
  assert.deepEqual(await kept(join(await testFolder(t), 'nowhere')), []);
});

test('the relay says when nothing is to be taken', async (t) => {
  const { trap, state } = await trapBench(await testFolder(t));
  assert.equal(trap.intake.refusal(), undefined);
  state.refusal = { code: 421, detail: '3.2', lines: ['shutting down'] };
  assert.equal(trap.intake.refusal()?.code, 421);
});
