import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import type { CorpusMessage } from './corpus.ts';
import { type Detector, openExactDetector } from './detector.ts';
import { type Copy, generateClass } from './generate.ts';
import { leaves, messageText } from './mime.ts';
import { hamShares, pairShares } from './pairs.ts';
import { peers, readable } from './peers/index.ts';
import { pyzorDigest } from './peers/pyzor.ts';
import { razorKeys } from './peers/razor.ts';
import { recognise } from './recognition.ts';
import { bulk } from './run.ts';
import { largeMessages, measureMemory, measureSpeed, repeated } from './speed.ts';

const message = (text: string): Buffer => Buffer.from(`Subject: about ${text}\r\n\r\n${text}\r\n`);
const copies: readonly Copy[] = ['alpha', 'beta'].flatMap((campaign) =>
  Array.from({ length: 6 }, (_, number) => ({
    campaign,
    number,
    octets: message(`${campaign} ${number}`),
    recipient: `to${number}@home.example`,
  })),
);
const ham: readonly CorpusMessage[] = Array.from({ length: 5 }, (_, i) => ({
  from: 'easy-ham-1',
  name: `ham ${i}`,
  octets: message(`ham ${i}`),
}));
const textOf = (octets: Uint8Array): string => messageText(octets).trim();
const detector = (cluster: (text: string) => string | undefined): Detector => ({
  name: 'told',
  feed: (octets) => ({ cluster: cluster(textOf(octets)), isBulk: !textOf(octets).startsWith('ham') }),
});
const run = (cluster: (text: string) => string | undefined) =>
  recognise(detector(cluster), copies, { ham, seed: 1 });

suite('recognition', () => {
  test('is whole with one cluster for each campaign, and counts from the fourth copy on', async () => {
    const result = await run((text) => (text.startsWith('ham') ? text : text.split(' ')[0]));
    assert.deepEqual([result.scored, result.recognised, result.bulk, result.misplaced], [6, 6, 6, 0]);
    assert.deepEqual([result.ham, result.hamJoined.length, result.hamBulk], [5, 0, 0]);
  });

  test('is none with a cluster for each copy, or with no cluster', async () => {
    for (const cluster of [(text: string) => text, () => undefined]) {
      const result = await run(cluster);
      assert.deepEqual([result.scored, result.recognised, result.misplaced], [6, 0, 0]);
    }
  });

  test('one cluster for all is no success: campaigns are misplaced and ham is joined', async () => {
    const result = await run(() => 'all');
    assert.ok(result.recognised < 6);
    assert.ok(result.misplaced > 0);
    assert.ok(result.hamJoined.length >= 4);
  });

  test('ham called bulk is told apart from ham that joined, with its subjects', async () => {
    const calls: Detector = {
      name: 'all',
      feed: () => ({ cluster: undefined, isBulk: true, isReported: true }),
    };
    const result = await recognise(calls, [], { ham, seed: 1 });
    assert.deepEqual([result.hamBulk, result.hamReported, result.hamJoined.length], [5, 5, 0]);
    assert.ok(result.bulkSubjects.includes('1 × about ham 0'));
  });

  test('the order is that of the seed', async () => {
    const orders = await Promise.all(
      [1, 1, 2].map(async (seed) => {
        const order: string[] = [];
        const notes: Detector = {
          name: 'notes',
          feed: (octets) => {
            order.push(textOf(octets));
            return { cluster: undefined, isBulk: false };
          },
        };
        await recognise(notes, copies, { ham, seed });
        return order.join();
      }),
    );
    assert.equal(orders[0], orders[1]);
    assert.notEqual(orders[0], orders[2]);
  });
});

test('pairs are those within a campaign, and ham is hit by any of them', () => {
  const alike = {
    name: 'first letter',
    matcher: (all: readonly { readonly text: string }[]) => (a: number, b: number) =>
      all[a]?.text[0] === all[b]?.text[0],
  };
  const odd = { name: 'odd', matcher: () => (a: number, b: number) => (a + b) % 2 === 1 };
  const shares = pairShares([alike, odd], copies);
  assert.equal(shares['first letter'], 1);
  assert.equal(shares.odd, 18 / 30);
  const hits = hamShares(
    [alike],
    [readable(message('hat'))],
    ham.map(({ octets }) => readable(octets)),
  );
  assert.equal(hits['first letter'], 1);
});

suite('speed and memory', () => {
  test('feed each message, and the repetitions with other text', async () => {
    const seen: string[] = [];
    const notes: Detector = {
      name: 'notes',
      feed: (octets) => {
        seen.push(textOf(octets));
        return { cluster: undefined, isBulk: false };
      },
    };
    const octets = ham.map((one) => one.octets);
    const speed = await measureSpeed(async () => notes, octets);
    assert.equal(speed.messages, 5);
    assert.equal(
      speed.bySize.reduce((sum, { messages }) => sum + messages, 0),
      5,
    );
    const samples = await measureMemory(notes, octets, { count: 15 });
    assert.equal(samples.at(-1)?.messages, 15);
    assert.equal(seen.length, 20);
    assert.equal(new Set(seen).size, 15);
  });

  test('large messages are of 100 KB, and each is another', () => {
    const large = largeMessages({ prose: ['Some prose stands here for noise.'], dictionary: ['word'] }, 4);
    for (const { length } of large) assert.ok(length > 95_000 && length < 115_000, `${length}`);
    assert.deepEqual(
      large.map((octets) => leaves(octets)[0]?.type),
      ['text/plain', 'text/html', 'text/plain', 'text/html'],
    );
    assert.equal(new Set(large.map((octets) => Buffer.from(octets).toString('latin1'))).size, 4);
  });

  test('what is added to a multipart message is in its first part', () => {
    const octets = Buffer.from(
      'Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain\n\nhello\n--b--\n',
    );
    const [part] = leaves(repeated(octets, 1));
    assert.match(part?.raw ?? '', /^(?:[a-z]+ ?){12}\n(?:[a-z]+ ?){12}\nhello/);
  });
});

test('the disguises are the same on every machine', () => {
  const campaigns = [
    { id: 'one', subject: 'A subject', paragraphs: [['first line of it'], ['and a second one']] },
  ];
  const noise = { prose: ['Some prose stands here for noise.'], dictionary: ['word', 'other'] };
  const hash = createHash('sha256');
  for (const name of ['HTML comments + hidden', 'images only', 'attachments', 'CJK', 'Cyrillic', 'spun text'])
    for (const { octets } of generateClass(name, { campaigns, noise, copies: 3, seed: 1 }))
      hash.update(octets);
  assert.equal(hash.digest('hex'), 'c3a4eb7531ed2f9146dd2b043e5753ebe013099c0c2519fad839b76f80a65de4');
});

test('no octets make the readers of the peers throw', () => {
  const piece = fc.constantFrom(
    ...[
      'Content-Type: multipart/mixed; boundary="b"\n',
      'Content-Transfer-Encoding: base64\n',
      '\n',
      '--b\n',
      '--b--',
    ],
    ...[
      '<a href="http://',
      '&#99999999;',
      '<!--',
      '=3',
      '%zz',
      'charset=nonsense',
      'Content-Type: text/html\n',
      '\r\n',
    ],
  );
  const anything = fc.oneof(
    fc.uint8Array({ maxLength: 60 }),
    piece.map((text) => Buffer.from(text)),
  );
  fc.assert(
    fc.property(fc.array(anything, { maxLength: 12 }), (pieces) => {
      const octets = Buffer.concat(pieces);
      razorKeys(octets);
      pyzorDigest(octets);
      for (const { matcher } of peers) matcher([readable(octets)])(0, 0);
    }),
    { numRuns: 300 },
  );
});

test('a quick run writes its lines; the product meets the bars, counting identical copies misses them', async (context) => {
  const folder = mkdtempSync(join(tmpdir(), 'posthouse-bulk-'));
  context.mock.method(console, 'log', () => {});
  context.mock.method(process.stderr, 'write', () => true);
  try {
    const args = [
      '--quick',
      '--only',
      'shuffled, 40 % dropped,spun text',
      '--campaigns',
      '3',
      '--results',
      folder,
    ];
    assert.equal(await bulk([...args, '--parts', 'recognition', '--no-peers']), 0);
    const [file = ''] = readdirSync(folder);
    const lines = readFileSync(join(folder, file), 'utf8').trim().split('\n');
    const kinds = lines.map((line) => /"kind":"([a-z]+)"/.exec(line)?.[1]);
    assert.deepEqual(kinds, ['machine', 'plan', 'class', 'class']);
    const other = join(folder, 'exact.ts');
    const source = join(import.meta.dirname, 'detector.ts');
    writeFileSync(other, `export { openExactDetector as openDetector } from ${JSON.stringify(source)};\n`);
    const missed = await bulk([...args, '--parts', 'recognition', '--no-peers', '--detector', other]);
    assert.equal(missed, 1);
    await assert.rejects(bulk(['--only', 'nothing']), /no class "nothing"/);
    const exact = await openExactDetector();
    assert.notEqual(
      (await exact.feed(message('a'), 'x')).cluster,
      (await exact.feed(message('b'), 'x')).cluster,
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
