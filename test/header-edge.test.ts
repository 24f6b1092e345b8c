/** Tests that neither content nor a stranger can write into what our own fields say. */
import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { headerFields } from '../src/mail/index.ts';
import { Room } from '../src/message/index.ts';
import { MemoryPeer } from './support/peer.ts';
import { openRelay } from './support/relay.ts';
import { type ServerOptions, testPolicy } from './support/server.ts';

/** Sends the content by DATA, or by BDAT in pieces of this length, and gives what was kept with our field. */
async function kept(content: string, options: ServerOptions = {}, piece?: number) {
  await using peer = await MemoryPeer.identified(options);
  await peer.expect(['MAIL FROM:<>', 250], ['RCPT TO:<u@example.org>', 250]);
  if (piece === undefined) await peer.expect(['DATA', 354], [`${content.replace(/^\./gm, '..')}.`, 250]);
  else {
    for (let at = 0; at < content.length; at += piece) {
      const chunk = content.slice(at, at + piece);
      peer.send(`BDAT ${chunk.length}${at + piece >= content.length ? ' LAST' : ''}\r\n${chunk}`);
      assert.match(await peer.reply(), /^250/);
    }
  }
  const [message] = peer.intake.messages;
  assert.ok(message !== undefined);
  assert.equal(message.envelope.content.size, message.sent.length);
  return message;
}

const names = (octets: Buffer) => [...headerFields(octets)].map(({ name }) => name);

test('the first line of the content does not extend our trace field', async () => {
  for (const first of [' id forged; Mon, 1 Jan 2024 00:00:00 +0000', '\tfor <boss@example.org>', ' ', '\t']) {
    const content = `${first}\r\nSubject: hello\r\n\r\nbody\r\n`;
    for (const piece of [undefined, content.length, 1, 7]) {
      const { octets, sent } = await kept(content, {}, piece);
      assert.equal(String(sent), `\r\n${content}`, 'all of it is the body, and not an octet is lost');
      const [trace, ...others] = headerFields(octets);
      assert.equal(trace?.name, 'Received');
      assert.ok(!trace?.value.includes(first.trim() || 'forged'));
      assert.deepEqual(others, []);
    }
  }
});

test('the first line does not extend our field where it is made of a stuffed dot and a blank', async () => {
  await using peer = await MemoryPeer.identified();
  await peer.expect(['MAIL FROM:<>', 250], ['RCPT TO:<u@example.org>', 250], ['DATA', 354]);
  await peer.expect(['. forged\r\nSubject: a\r\n\r\n.', 250]);
  assert.deepEqual(names(peer.intake.messages[0]?.octets ?? Buffer.alloc(0)), ['Received']);
});

test('our own fields cannot be forged by a stranger, and stay when a network of ours brings them', async () => {
  const content =
    'X-Posthouse-Bulk: relay.example.org; no\r\n\tfolded\r\nSubject: a\r\n\r\nX-Posthouse-Bulk: body\r\n';
  const clean = 'Subject: a\r\n\r\nX-Posthouse-Bulk: body\r\n';
  for (const piece of [undefined, content.length, 1, 5]) {
    assert.equal(String((await kept(content, {}, piece)).sent), clean);
    const settings = { policy: testPolicy(['127.0.0.0/8']) };
    assert.equal(String((await kept(content, { settings }, piece)).sent), content);
  }
});

test('a field of ours behind more header than is kept back is refused from a stranger, and nothing else is', async () => {
  const long = `Subject: a\r\nTo: ${'x'.repeat(900)}\r\n`.repeat(400);
  const forged = `${long}X-Posthouse-Bulk: relay.example.org; no\r\n\r\nbody\r\n`;
  await using peer = await MemoryPeer.identified();
  await peer.expect(['MAIL FROM:<>', 250], ['RCPT TO:<u@example.org>', 250], ['DATA', 354]);
  assert.equal(await peer.command(`${forged}.`), '552 5.3.4 header too big');
  assert.equal(peer.intake.open, 0);
  const settings = { policy: testPolicy(['127.0.0.0/8']) };
  assert.equal(String((await kept(forged, { settings }, 100_000)).sent), forged);
  const honest = forged.replace('X-Posthouse', 'X-Other');
  assert.equal(String((await kept(honest, {}, 100_000)).sent), honest);
});

test('where there is no room for a header now, a forged field is put off and honest mail goes on', async () => {
  const answer = async (header: string) => {
    await using peer = await MemoryPeer.identified();
    peer.intake.room = new Room(30);
    await peer.expect(['MAIL FROM:<>', 250], ['RCPT TO:<u@example.org>', 250], ['DATA', 354]);
    for (const line of header.split(/(?<=\n)/)) peer.send(line);
    const text = await peer.command('\r\nbody\r\n.');
    return [text, String(peer.intake.messages[0]?.sent ?? '')];
  };
  const header = 'Subject: hello\r\nTo: somebody\r\nCc: others\r\n';
  const [refusal] = await answer(`${header}X-Posthouse-Bulk: no\r\n`);
  assert.match(refusal ?? '', /^452 4\.3\.1 too many messages/);
  const [accepted, sent] = await answer(header);
  assert.match(accepted ?? '', /^250 /);
  assert.equal(sent, `${header}\r\nbody\r\n`);
});

test('a message of this machine that begins with a blank extends no field of ours', async (t) => {
  const relay = await openRelay(t, { routes: { to: '*', via: 'capture' } });
  const control = relay.control;
  const submission = { from: 'keeper@relay.test', to: ['u@away.test'], follow: true };
  const octets = (async function* () {
    yield Buffer.from(' forged by hand\r\nSubject: a\r\n\r\nbody\r\n');
  })();
  for await (const _ of control.submit(submission, octets, AbortSignal.timeout(10_000))) {
  }
  const files = (await readdir(relay.folder, { recursive: true })).filter((file) =>
    /\bnew\/.|\.eml$/.test(file),
  );
  assert.equal(files.length, 1, files.join());
  const text = await readFile(join(relay.folder, files[0] ?? ''), 'utf8');
  assert.match(text, /\r?\n\r?\n forged by hand\r?\nSubject: a\r?\n\r?\nbody/);
});
