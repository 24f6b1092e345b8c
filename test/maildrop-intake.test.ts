import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { AnyEvent, Log, LogFields } from '../src/base/index.ts';
import { loadConfig } from '../src/config/index.ts';
import { type DropEnvelope, dropMail } from '../src/maildrop/index.ts';
import { startRelay } from '../src/relay/index.ts';

const text = `
hostname: relay.test
postmaster: keeper@relay.test
listeners: { role: mx, address: "127.0.0.1:0" }
domains: { name: ours.test, deliver: capture, recipients: [ann] }
routes: { to: "*", via: capture }
limits: { messageSize: 64KB }
spool: { floor: 1KB }
`;

/** A relay that captures everything, and what it logs. */
async function capturing(t: TestContext) {
  const folder = await mkdtemp(join(tmpdir(), 'posthouse-letter-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const loaded = loadConfig(`${text}data: ${folder}\n`, { file: join(folder, 'c.yaml') });
  assert.ok(loaded.ok, JSON.stringify(loaded));
  const lines: LogFields[] = [];
  const events = new EventEmitter();
  const write = (event: string, fields: LogFields = {}) => {
    lines.push({ event, ...fields });
    events.emit('line');
  };
  const log: Log<AnyEvent> = { isVerbose: false, info: write, warn: write, error: write };
  const { config } = loaded;
  const relay = await startRelay({ config, log, reload: async () => config });
  t.after(() => relay[Symbol.asyncDispose]());
  /** The lines of an event, once there are that many. */
  const logged = async (event: string, count: number): Promise<LogFields[]> => {
    for (;;) {
      const found = lines.filter((line) => line.event === event);
      if (found.length >= count) return found;
      await once(events, 'line');
    }
  };
  /** The messages that were delivered, by recipient. */
  const deliveries = async (count: number): Promise<ReadonlyMap<string, string>> => {
    const found = await logged('delivered', count);
    const read = ({ queueId }: LogFields) =>
      readFile(join(config.capture.folder, `${queueId}.eml`), 'latin1');
    return new Map(
      await Promise.all(found.map(async (line) => [String(line.to), await read(line)] as const)),
    );
  };
  /** The envelope of a message that was delivered, as the capture inbox has it. */
  const captured = async (to: string) => {
    const line = (await logged('delivered', 1)).find((fields) => fields.to === to);
    return JSON.parse(await readFile(join(config.capture.folder, `${line?.queueId}.json`), 'utf8'));
  };
  const maildrop = config.sendmail.maildrop;
  return { logged, deliveries, captured, maildrop, bad: () => readdir(join(maildrop, 'bad')) };
}

interface Dropped extends Partial<Omit<DropEnvelope, 'to'>> {
  readonly to: readonly string[];
  readonly text?: string;
  readonly notify?: 'never';
}

function drop(
  maildrop: string,
  { to, text = 'hello\r\n', notify, ...over }: Dropped,
): Promise<readonly string[]> {
  const recipients = to.map((address) => ({ address, ...(notify === undefined ? {} : { notify }) }));
  const envelope: DropEnvelope = { version: 1, from: '', body: '7bit', ...over, to: recipients };
  return dropMail(maildrop, envelope, [Buffer.from(`Subject: letter\r\n\r\n${text}`)]);
}

test('a message reaches those who exist, and its sender hears of those who do not', async (t) => {
  const { deliveries, maildrop, bad } = await capturing(t);
  await drop(maildrop, { from: 'me@away.test', to: ['ann@ours.test', 'nobody@ours.test', 'x@else.test'] });
  const got = await deliveries(3);
  assert.deepEqual(new Set(got.keys()), new Set(['ann@ours.test', 'me@away.test', 'x@else.test']));
  const dsn = got.get('me@away.test') ?? '';
  assert.match(dsn, /^Content-Type: multipart\/report/m);
  assert.match(dsn, /^Final-Recipient: rfc822; nobody@ours\.test\r\nAction: failed\r\nStatus: 5\.1\.1/m);
  assert.doesNotMatch(dsn, /Final-Recipient: rfc822; ann/);
  assert.match(dsn, /Subject: letter\r\n\r\nhello/);
  assert.deepEqual(await bad(), []);
});

test('a message that can never be taken comes back to its sender, and is kept aside', async (t) => {
  const { logged, deliveries, maildrop, bad } = await capturing(t);
  await drop(maildrop, { from: 'me@away.test', to: ['nobody@ours.test'] });
  const dsn = (await deliveries(1)).get('me@away.test') ?? '';
  assert.match(dsn, /Final-Recipient: rfc822; nobody@ours\.test/);
  assert.equal((await logged('maildrop-refused', 1)).length, 1);
  await drop(maildrop, { from: 'you@away.test', to: ['x@else.test'], text: 'bare\nline\r\n' });
  assert.match((await deliveries(2)).get('you@away.test') ?? '', /\r\nStatus: 5\.5\.2\r\n/);
  await logged('maildrop-refused', 2);
  assert.equal((await bad()).length, 2);
});

test('the postmaster hears of a message from nobody that can never be taken', async (t) => {
  const { deliveries, maildrop } = await capturing(t);
  await drop(maildrop, { from: '', to: ['nobody@ours.test'] });
  assert.match((await deliveries(1)).get('keeper@relay.test') ?? '', /nobody@ours\.test/);
});

test('a sender who wants no notices gets none', async (t) => {
  const { logged, deliveries, maildrop } = await capturing(t);
  const to = ['nobody@ours.test', 'ann@ours.test'];
  await drop(maildrop, { from: 'me@away.test', to, notify: 'never' });
  await drop(maildrop, { from: 'me@away.test', to: ['last@else.test'] });
  assert.deepEqual(new Set((await deliveries(2)).keys()), new Set(['ann@ours.test', 'last@else.test']));
  await logged('bounce-dropped', 1);
});

test('what was said of each recipient and of the message stays with the message', async (t) => {
  const { deliveries, captured, maildrop } = await capturing(t);
  const octets = [Buffer.from('Subject: binary\r\n\r\nbare\nline\r\n')];
  const originalRecipient = { type: 'rfc822', address: 'old@away.test' };
  const to = [{ address: 'a@else.test', notify: ['success' as const], originalRecipient }];
  const said = {
    from: 'me@away.test',
    body: 'binarymime',
    smtputf8: true,
    ret: 'hdrs',
    envid: 'e1',
  } as const;
  await dropMail(maildrop, { version: 1, ...said, to: [...to, { address: 'b@else.test' }] }, octets);
  const got = await deliveries(3);
  assert.match(got.get('b@else.test') ?? '', /\r\n\r\nbare\nline\r\n$/);
  const dsn = got.get('me@away.test') ?? '';
  assert.match(dsn, /^Original-Envelope-Id: e1\r\n/m);
  assert.match(dsn, /^Original-Recipient: rfc822; old@away\.test\r\nFinal-Recipient: \S+ a@else/m);
  assert.doesNotMatch(dsn, /b@else\.test|bare/);
  const { body, smtputf8 } = await captured('b@else.test');
  assert.deepEqual([body, smtputf8], ['binarymime', true]);
});

test('a message cannot say commands to the next hop: one with a bad value in it is put aside', async (t) => {
  const { logged, deliveries, maildrop, bad } = await capturing(t);
  const evil = 'x>\r\nRCPT TO:<evil@else.test';
  const good = { address: 'ann@ours.test', notify: ['failure'] };
  const letters: readonly object[] = [
    { to: [{ ...good, originalRecipient: { type: evil, address: 'a@b' } }] },
    { to: [{ ...good, originalRecipient: { type: 'two words', address: 'a@b' } }] },
    { to: [{ ...good, originalRecipient: { type: 'rfc822', address: evil } }] },
    { to: [{ ...good, originalRecipient: { type: 'utf-8', address: '\u0085' } }] },
    { to: [{ ...good, originalRecipient: { type: 'rfc822', address: '' } }] },
    { to: [{ ...good, notify: [] }] },
    { to: [{ ...good, notify: [evil] }] },
    { to: [{ ...good, address: evil }] },
    { to: [good], from: evil },
    { to: [good], envid: evil },
    { to: [good], envid: 'ü' },
    { to: [good], ret: evil },
    { to: [good], body: evil },
  ];
  for (const letter of letters) {
    const envelope = { version: 1, from: 'me@away.test', body: '7bit', ...letter } as DropEnvelope;
    await dropMail(maildrop, envelope, [Buffer.from('Subject: x\r\n\r\n')]);
  }
  const refused = await logged('maildrop-refused', letters.length);
  for (const { because } of refused) assert.match(String(because), /malformed|no .*: |not printable/);
  assert.equal((await bad()).length, letters.length);
  const original = { type: 'rfc822', address: 'ž@else.test' };
  const to = [{ address: 'ann@ours.test', originalRecipient: original }];
  await dropMail(maildrop, { version: 1, from: '', body: '7bit', to }, [Buffer.from('Subject: x\r\n\r\n')]);
  assert.deepEqual([...(await deliveries(1)).keys()], ['ann@ours.test']);
});
