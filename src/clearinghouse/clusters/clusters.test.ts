import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Hash } from '../features/hash.ts';
import { Clusters } from './clusters.ts';
import type { Lists } from './lists.ts';
import { sizeFor } from './size.ts';

const hash = new Hash(Buffer.from('0123456789abcdef'));
const size = sizeFor(16 * 2 ** 20);
const day = 86_400_000;

/** The features of words, three in a row. */
function lists(words: readonly string[]): Lists {
  const features = words
    .slice(2)
    .map((_, at) =>
      hash.joined(
        3,
        ...([words[at], words[at + 1], words[at + 2]].map((word = '') => hash.text(word)) as [
          number,
          number,
          number,
        ]),
      ),
    );
  return [[...new Set(features)].sort((a, b) => a - b), [], [], [], [], []];
}

const words = (name: string, count: number) => Array.from({ length: count }, (_, n) => `${name}${n}`);

/** A stream of messages; adds one and returns its cluster. */
function stream(clusters = new Clusters(size)) {
  let now = Date.UTC(2026, 0, 1);
  let number = 0;
  return {
    clusters,
    wait: (ms: number) => {
      now += ms;
    },
    feed: (text: readonly string[], recipients = [hash.text(`recipient${number++}`)]) => {
      const given = lists(text);
      return clusters.add(clusters.match(given).match?.ref, { lists: given, recipients, now });
    },
    recipients: (cluster: number) => Math.round(clusters.recipientsOf(cluster, now)),
  };
}

test('the second copy begins a cluster, and the others join it', () => {
  const { feed, recipients } = stream();
  const campaign = words('spam', 60);
  assert.equal(feed(campaign), undefined);
  const cluster = feed(campaign);
  assert.notEqual(cluster, undefined);
  for (let n = 0; n < 20; n++) assert.equal(feed(campaign), cluster);
  const count = recipients(cluster ?? -1);
  assert.ok(Math.abs(count - 22) <= 2, `${count} recipients`);
});

test('four times as much noise around it changes nothing', () => {
  const { feed } = stream();
  const campaign = words('spam', 80);
  const found = Array.from({ length: 30 }, (_, n) =>
    feed([...words(`noise${n}a`, 160), ...campaign, ...words(`noise${n}b`, 160)]),
  );
  assert.notEqual(found[3], undefined);
  assert.deepEqual(new Set(found.slice(3)).size, 1);
});

test('other mail is not a copy, nor is mail that shares a sentence', () => {
  const { feed } = stream();
  const campaign = words('spam', 80);
  for (let n = 0; n < 10; n++) feed([...campaign, ...words(`end${n}`, 20)]);
  for (let n = 0; n < 200; n++) assert.equal(feed(words(`ham${n}`, 100)), undefined);
  assert.equal(feed([...words('ham', 100), ...campaign.slice(0, 7)]), undefined);
});

test('the same recipient counts once, and what is old is forgotten', () => {
  const { feed, recipients, wait } = stream();
  const campaign = words('spam', 60);
  for (let n = 0; n < 9; n++) feed(campaign, [hash.text('anna')]);
  const cluster = feed(campaign, [hash.text('anna')]) ?? -1;
  assert.equal(recipients(cluster), 1);
  for (let n = 0; n < 50; n++) feed(campaign);
  const before = recipients(cluster);
  wait(45 * day);
  const between = recipients(cluster);
  assert.ok(between < before && between > 0, `${before}, then ${between}`);
  wait(31 * day);
  assert.equal(recipients(cluster), 0);
});

test('a message to many at once is bulk at once', () => {
  const { feed, recipients } = stream();
  const cluster = feed(
    words('news', 50),
    words('reader', 200).map((reader) => hash.text(reader)),
  );
  assert.ok(Math.abs(recipients(cluster ?? -1) - 200) < 40);
});

test('a flood of other mail does not push a campaign out', () => {
  const { feed } = stream(new Clusters(sizeFor(4 * 2 ** 20)));
  const campaign = words('spam', 60);
  feed(campaign);
  const cluster = feed(campaign);
  for (let n = 0; n < 20; n++) feed(campaign);
  for (let n = 0; n < 20_000; n++) feed(words(`other${n}x`, 40));
  assert.equal(feed(campaign), cluster);
});

/** A campaign that has two clusters: what copies here have in common, and the same as somebody else has found it. */
function divided(there: (words: readonly string[]) => readonly string[]) {
  const { clusters, feed, recipients } = stream();
  const campaign = words('spam', 80);
  const now = Date.UTC(2026, 0, 1);
  let here: number | undefined;
  for (let n = 0; n < 6; n++) here = feed(campaign);
  const other = clusters.beginCore(undefined, { core: lists(there(campaign)), cut: 2 ** 48 - 1 }, now);
  const twin = () => clusters.match(lists(campaign)).twin;
  return { clusters, feed, recipients, campaign, here: here ?? -1, other, twin, now };
}

test('two clusters of one campaign are found to be one, and counted as one', () => {
  const { clusters, feed, recipients, campaign, here, other, twin, now } = divided((all) => all);
  assert.equal(twin(), other);
  clusters.join(other, here, now);
  assert.deepEqual([clusters.current(other), clusters.current(here)], [here, here]);
  assert.deepEqual([clusters.copiesOf(here), clusters.copiesOf(other)], [8, 0]);
  assert.equal(twin(), undefined);
  for (let n = 0; n < 10; n++) assert.equal(feed(campaign), here);
  assert.ok(Math.abs(recipients(here) - 16) <= 1, `${recipients(here)}`);
  assert.equal(recipients(other), 0);
});

test('recipients of both are counted once where they are the same', () => {
  const { clusters, here, other, recipients, now } = divided((all) => all);
  const both = Array.from({ length: 40 }, (_, n) => hash.text(`both${n}`));
  for (const cluster of [here, other])
    clusters.add(cluster + 1, { lists: lists(words('spam', 80)), recipients: both, now });
  clusters.join(other, here, now);
  assert.ok(Math.abs(recipients(here) - 46) <= 4, `${recipients(here)}`);
});

test('a footer that a campaign has as well is no part of it', () => {
  const { twin } = divided((all) => all.slice(50));
  assert.equal(twin(), undefined);
});

test('a cluster that was joined is free for another one, and what it was joined to is not', () => {
  const { clusters, feed, here, other, now } = divided((all) => all);
  clusters.join(other, here, now);
  const generation = clusters.generationOf(here);
  for (let n = 0; clusters.generationOf(other) === 1; n++) {
    assert.ok(n < 2 * size.clusters);
    for (let copies = 0; copies < 2; copies++) feed(words(`other${n}x`, 20));
  }
  assert.equal(clusters.generationOf(here), generation);
  assert.equal(clusters.current(other), other);
});
