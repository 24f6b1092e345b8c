import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Engine } from './engine.ts';
import { read } from './flood/testing.ts';
import type { Entry } from './journal.ts';
import { decodeEntries, encodeEntry } from './journal.ts';
import { defaultThresholds } from './options.ts';

const now = Date.UTC(2026, 0, 1);
const key = Buffer.from('a key of sixteen');
const source = (n: number) => ({ reporter: 'relay', isKnown: true, recipients: [`u${n}@x.example`] });

function engine(journal: Buffer[] = []): Engine {
  const note = (entry: Entry) => void journal.push(encodeEntry(entry));
  return new Engine({ key, memory: 16e6, thresholds: defaultThresholds, isAllowed: () => false, note });
}

function replayed(journal: readonly Buffer[]): Engine {
  const again = engine();
  for (const { entry } of decodeEntries(Buffer.concat(journal))) again.apply(entry);
  return again;
}

const empty = (n: number) => read(`From: a@s${n}.example\r\nSubject: n${n}\r\n\r\n`);

test('after a crash pictures are still known that differ a little in each copy', () => {
  const journal: Buffer[] = [];
  const first = engine(journal);
  const copy = (n: number) => ({
    ...empty(n),
    images: [{ high: 0x5a5a_1234, low: (0x0f0f_4321 ^ (1 << (n % 4)) ^ (1 << (8 + (n % 5)))) >>> 0 }],
  });
  for (let n = 0; n < 20; n++) first.check(copy(n), source(n), { now });
  const seen = (of: Engine) => of.check(copy(3), source(3), { now, counts: false });
  assert.deepEqual([seen(first).via, seen(first).isBulk], ['image', true]);
  assert.deepEqual(seen(replayed(journal)), seen(first));
});

test('after a crash the words of everybody are still known', () => {
  const journal: Buffer[] = [];
  const first = engine(journal);
  const text = Array.from({ length: 80 }, (_, n) => `common${n}`).join(' ');
  for (let n = 0; n < 6; n++)
    first.learn(read(`From: a@s${n}.example\r\n\r\n${text}\r\n`), {
      ...source(n),
      sender: `a@s${n}.example`,
    });
  const arrays = (of: Engine) => of.arrays().map((array) => Buffer.from(array).toString('base64'));
  assert.deepEqual(arrays(replayed(journal)), arrays(first));
});

test('a stranger who reports thousands of keys pushes no campaign out', () => {
  const all = engine();
  const line = (n: number) => `offer money${n % 7} cheap watches for everybody who reads this letter today`;
  const copy = (n: number) =>
    read(
      `From: a@s${n}.example\r\n\r\n${Array.from({ length: 9 }, (_, at) => line(at)).join('\r\n')}\r\n${n}\r\n`,
    );
  for (let n = 0; n < 200; n++) all.check(copy(n), source(n), { now });
  const count = () => all.check(copy(1), source(1), { now, counts: false }).count;
  const before = count();
  const stranger = { reporter: 'pyzor:anonymous', isKnown: false, recipients: [] };
  for (let n = 0; n < 6000; n++)
    all.sayKeys('reported', [{ scheme: 'pyzor', value: `${n}`.padStart(40, '0') }], {
      source: stranger,
      now,
    });
  assert.ok(before > 150 && count() === before);
  const { clusters, most, passedOver } = all.stats();
  assert.ok(clusters < 0.02 * most && passedOver > 5900, `${clusters} of ${most}, ${passedOver}`);
});

const letterText = Array.from(
  { length: 12 },
  (_, n) => `line ${n} of an offer that nobody has asked for at all`,
);
const letter = (n: number) => read(`From: a@s${n}.example\r\n\r\n${letterText.join('\r\n')}\r\n${n}\r\n`);
const known = { reporter: 'pyzor:somebody', isKnown: true, recipients: [] };

test('what was reported by a key counts for the message, once somebody has sent it whole', () => {
  const journal: Buffer[] = [];
  const all = engine(journal);
  const pyzor = letter(0)
    .keys()
    .filter(({ scheme }) => scheme === 'pyzor');
  const { cluster = '' } = all.sayKeys('reported', pyzor, { source: known, now });
  assert.equal(all.check(letter(0), source(0), { now, counts: false }).isReported, false);
  for (let n = 0; n < 3; n++) all.check(letter(n), source(n), { now });
  const seen = (of: Engine) => of.check(letter(1), source(1), { now, counts: false });
  assert.deepEqual([seen(all).isReported, seen(all).reported], [true, 1]);
  assert.deepEqual(seen(replayed(journal)), seen(all));
  // The name that was given before leads to it.
  assert.equal(all.checkCluster(cluster, now)?.cluster, seen(all).cluster);
});

test('a key of a host, which other messages have as well, brings no reports with it', () => {
  const all = engine();
  const withLink = (n: number) =>
    read(`From: a@s${n}.example\r\n\r\n${letterText.join('\r\n')}\r\nhttp://www.w3.example.com/\r\n${n}\r\n`);
  const host = withLink(0)
    .keys()
    .filter(({ scheme }) => scheme === 'razor8');
  assert.ok(host.length > 0);
  all.sayKeys('revoked', host, { source: known, now });
  for (let n = 0; n < 3; n++) all.check(withLink(n), source(n), { now });
  assert.equal(all.check(withLink(1), source(1), { now, counts: false }).revoked, 0);
});

test('what an operator has allowed by a key is allowed when it is seen whole', () => {
  const all = engine();
  const pyzor = letter(0)
    .keys()
    .filter(({ scheme }) => scheme === 'pyzor');
  const { cluster = '' } = all.sayKeys('reported', pyzor, { source: known, now });
  all.allow(cluster, true, now);
  for (let n = 0; n < 3; n++) all.check(letter(n), source(n), { now });
  const { isAllowed, reported } = all.check(letter(1), source(1), { now, counts: false });
  assert.deepEqual([isAllowed, reported], [true, 1]);
});

test('one stranger adds five hundred recipients to a cluster at most, whatever it names', () => {
  const all = engine();
  const stranger = (n: number) => ({
    reporter: 'http:192.0.2.9',
    isKnown: false,
    recipients: Array.from({ length: 100 }, (_, at) => `u${n * 100 + at}@x.example`),
  });
  for (let n = 0; n < 20; n++) all.check(letter(n), stranger(n), { now });
  const { count } = all.check(letter(1), source(1), { now, counts: false });
  assert.ok(count > 400 && count < 600, `${count}`);
});

test('a second look at the same message counts nobody anew where nobody says to whom it goes', () => {
  const all = engine();
  const nobody = { reporter: 'rspamd-razor:127.0.0.1', isKnown: true, recipients: [] };
  const sent = (n: number) =>
    read(`From: a@s.example\r\nMessage-ID: <${n}@s.example>\r\n\r\n${letterText.join('\r\n')}\r\n`);
  for (let n = 0; n < 3; n++) for (let look = 0; look < 5; look++) all.check(sent(n), nobody, { now });
  assert.equal(all.check(sent(1), nobody, { now, counts: false }).count, 3);
});

test('a few words that people write alike are no bulk, with a link they are', () => {
  const seen = (more: string) => {
    const all = engine();
    const note = (n: number) =>
      read(
        `From: a@s${n}.example\r\nReply-To: b@s.example\r\n\r\nThank you very much! Kind regards from all of us here${more}\r\n`,
      );
    for (let n = 0; n < 40; n++) all.check(note(n), source(n), { now });
    const { isBulk, isShort } = all.check(note(1), source(1), { now, counts: false });
    // A caller with a threshold of its own gets the same answer for short texts.
    assert.equal(all.check(note(1), source(1), { now, counts: false, bulk: 5 }).isBulk, isBulk);
    return [isBulk, isShort];
  };
  assert.deepEqual(seen(''), [false, true]);
  assert.deepEqual(seen('\r\nhttp://offer.shop.example/'), [true, false]);
});

test('revocations without a report are no dispute', () => {
  const all = engine();
  for (let n = 0; n < 3; n++) all.check(letter(n), source(n), { now });
  const { isContested, revoked } = all.say('revoked', letter(1), { source: known, now });
  assert.deepEqual([isContested, revoked], [false, 1]);
});

/** Text of sixty words that no other one has. */
const textOf = (name: string) =>
  Array.from({ length: 60 }, (_, n) => `${name}${n}${n % 10 === 9 ? '\r\n' : ' '}`).join('');

test('the signature of a host that much mail has leads nowhere', () => {
  const all = engine();
  const link = '\r\nhttp://www.search.example.com/\r\n';
  const spam = (n: number) => read(`From: a@s${n}.example\r\n\r\n${letterText.join('\r\n')}${link}${n}\r\n`);
  for (let n = 0; n < 15; n++) all.check(spam(n), source(n), { now });
  const host = spam(1)
    .keys()
    .filter(({ scheme }) => scheme === 'razor8');
  assert.ok(all.checkKeys(host, now).isBulk);
  for (let n = 0; n < 4; n++) {
    const other = read(`From: b@t${n}.example\r\n\r\n${textOf(`letter${n}x`)}${link}`);
    all.check(other, source(100 + n), { now });
  }
  assert.equal(all.checkKeys(host, now).count, 0);
});

test('a signature that two campaigns have is that of the larger one', () => {
  const all = engine();
  const shared =
    '--b\r\nContent-Type: text/plain\r\n\r\nThis part is the same in both and long enough for a key.\r\n--b--\r\n';
  const of = (text: string, n: number) =>
    read(
      `From: a@s${n}.example\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n${text}\r\n${n}\r\n${shared}`,
    );
  const [first, second] = [textOf('offer'), textOf('school')];
  for (let n = 0; n < 12; n++) all.check(of(first, n), source(n), { now });
  const common = of(first, 1)
    .keys()
    .filter(
      ({ scheme, value }) =>
        scheme === 'razor4' &&
        of(second, 2)
          .keys()
          .some((key) => key.value === value),
    );
  assert.equal(common.length, 1);
  for (let n = 0; n < 3; n++) all.check(of(second, n), source(50 + n), { now });
  assert.ok(all.checkKeys(common, now).isBulk);
  for (let n = 3; n < 40; n++) all.check(of(second, n), source(50 + n), { now });
  assert.ok(all.checkKeys(common, now).count > 30);
});

test('what is played again comes to the same count, whoever has looked meanwhile and whenever', () => {
  const journal: Buffer[] = [];
  const all = engine(journal);
  const day = 86_400_000;
  const days = [
    [0, 1.3],
    [1.5, 1.6],
    [2.2, 3.9],
    [4.3, 4.35],
    [4.4, 8.8],
    [9, 9.1],
  ] as const;
  for (const [n, [counted, seenAt]] of days.entries()) {
    const at = now + counted * day;
    const recipients = Array.from({ length: 40 }, (_, r) => `u${n * 100 + r}@x.example`);
    all.check(letter(n), { ...source(n), recipients }, { now: at });
    all.check(letter(n), source(n), { now: now + seenAt * day, counts: false });
  }
  const seen = (of: Engine) => of.check(letter(1), source(1), { now: now + 9.5 * day, counts: false });
  assert.ok(seen(all).count > 20);
  assert.deepEqual(seen(replayed(journal)), seen(all));
});

test('a stranger who names many recipients begins no clusters by that', () => {
  const all = engine();
  const recipients = Array.from({ length: 50 }, (_, n) => `u${n}@x.example`);
  for (let n = 0; n < 50; n++) {
    const text = read(`From: a@s${n}.example\r\n\r\n${textOf(`random${n}x`)}`);
    all.check(text, { reporter: 'dccifd:192.0.2.9', isKnown: false, recipients }, { now });
  }
  assert.equal(all.stats().clusters, 0);
});
