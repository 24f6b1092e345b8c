import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { type ManualClock, manualClock } from '../../base/index.ts';
import { readOrigin } from './identity.ts';
import { decodeSigned } from './record.ts';
import { Cable, identity, SimulatedNode } from './testing.ts';

const hour = 3_600_000;

/** A copy of a campaign: a fixed text, and new noise in each copy. */
function copy(campaign: string, n: number): string {
  const core = Array.from({ length: 70 }, (_, at) => `${campaign}${at} word${campaign}${at * 7}`);
  const noise = Array.from({ length: 40 }, (_, at) => `noise${campaign}${n}x${at}`);
  const lines = [...core, ...noise].join(' ').replace(/(.{60,70}) /g, '$1\r\n');
  return `From: a@s${n}.example\r\nSubject: ${campaign}\r\n\r\n${lines}\r\n`;
}

interface Network {
  readonly clock: ManualClock;
  readonly nodes: readonly SimulatedNode[];
  join(a: number, b: number): Cable;
  /** Time goes by, a second at a time; `each` happens in each. */
  run(seconds: number, each?: (second: number) => void): Promise<void>;
}

function network(names: readonly string[], trust: (of: number, by: number) => number): Network {
  const clock = manualClock();
  const nodes = names.map((name) => new SimulatedNode({ name, identity: identity(name), clock }));
  for (const [by, node] of nodes.entries())
    node.start(nodes.flatMap((peer, of) => (of === by ? [] : [peer.peer(trust(of, by))])));
  return {
    clock,
    nodes,
    join: (a, b) => new Cable(clock, at(nodes, a), at(nodes, b)),
    run: async (seconds, each) => {
      for (let second = 0; second < seconds; second++) {
        each?.(second);
        for (let part = 0; part < 4; part++) {
          clock.advance(250);
          await new Promise((resolve) => setImmediate(resolve));
        }
        for (const node of nodes) node.sync();
      }
    },
  };
}

function at<T>(list: readonly T[], n: number): T {
  const item = list[n];
  assert.ok(item !== undefined);
  return item;
}

/** Each node's view of a campaign; nothing is counted. */
const views = (nodes: readonly SimulatedNode[], campaign: string) =>
  nodes.map((node) => node.check(copy(campaign, 999_999), 'nobody@x.example', false));

const spread = (counts: readonly number[]) =>
  (Math.max(...counts) - Math.min(...counts)) / Math.max(...counts);

const percent = (share: number) => `${(100 * share).toFixed(1)} %`;

function say(t: TestContext, text: string): void {
  t.diagnostic(text);
}

test('three nodes agree 30 s after they heal: one was killed, one was away for an hour', async (t) => {
  const { nodes, join, run, clock } = network(['a', 'b', 'c'], () => 1);
  const [a, b, c] = [at(nodes, 0), at(nodes, 1), at(nodes, 2)];
  join(0, 1);
  const bc = join(1, 2);
  const ac = join(0, 2);
  const campaigns = ['alpha', 'beta', 'gamma', 'delta', 'epsilon', 'zeta'];
  const recipients = new Set<number>();
  let serial = 0;
  // Half of the recipients are seen by two nodes.
  const feed = (node: SimulatedNode, count: number, from: number) => {
    for (let n = 0; n < count; n++) {
      recipients.add(from + n);
      for (const campaign of campaigns)
        node.check(copy(campaign, serial++), `${campaign}${from + n}@x.example`);
    }
  };
  await run(10, (second) => {
    feed(a, 10, second * 10);
    feed(b, 10, 50 + second * 10);
    feed(c, 5, 500 + second * 5);
  });
  // C is offline for an hour, and goes on counting.
  bc.cut();
  ac.cut();
  for (let n = 0; n < 10; n++) {
    feed(a, 10, 1000 + n * 10);
    feed(c, 15, 1050 + n * 15);
    clock.advance(hour / 10);
    await run(1);
  }
  const apart = views(nodes, 'alpha').map(({ count }) => count);
  assert.ok(spread(apart) > 0.1, `they know nothing of each other: ${apart}`);
  // B is killed in the middle of a second and comes back with its last synced state.
  b.check(copy('alpha', serial++), 'lost@x.example');
  b.kill();
  await run(20);
  b.restore();
  join(0, 1);
  join(1, 2);
  join(0, 2);
  await run(30);
  const errors: number[] = [];
  for (const campaign of campaigns) {
    const healed = views(nodes, campaign).map(({ count }) => count);
    const error = healed.reduce((sum, count) => sum + count, 0) / 3 / recipients.size - 1;
    errors.push(error);
    say(
      t,
      `30 s after healing ${healed.join(' ')}; truth ${recipients.size}, spread ${percent(spread(healed))}`,
    );
    assert.ok(spread(healed) <= 0.03, `${healed}`);
  }
  const deviation = Math.sqrt(errors.reduce((sum, error) => sum + error ** 2, 0) / errors.length);
  say(t, `apart ${apart.join(' ')}; error ${percent(deviation)} (a sketch has 6.5 %)`);
  assert.ok(deviation <= 0.03 + 0.065);
});

test('a node that lies adds no more than its trust allows', async (t) => {
  const trustOf = [1, 1, 0.3];
  const { nodes, join, run } = network(['a', 'b', 'liar'], (of) => trustOf[of] ?? 0);
  const [a, b, liar] = [at(nodes, 0), at(nodes, 1), at(nodes, 2)];
  join(0, 1);
  for (let n = 0; n < 60; n++) {
    a.check(copy('news', n), `a${n}@x.example`);
    b.check(copy('news', n + 1000), `b${n}@x.example`);
  }
  await run(20);
  const before = views([a, b], 'news').map(({ count }) => count);
  // It has seen the mail, and its tally says that millions have, and that it is spam.
  for (let n = 0; n < 5000; n++) liar.check(copy('news', n % 20), `fake${n}@x.example`);
  for (let n = 0; n < 30; n++) liar.say('reported', copy('news', n), `sock${n}`);
  join(0, 2);
  join(1, 2);
  await run(40);
  const after = views([a, b], 'news');
  const most = 0.3 * 2000;
  for (const [n, { count, reported, isReported }] of after.entries()) {
    const added = count - at(before, n);
    say(
      t,
      `before ${before[n]}, after ${count}: ${added} added of ${most}; reports weigh ${reported.toFixed(2)}`,
    );
    assert.ok(added > 0 && added <= most * 1.01, `${added}`);
    assert.ok(reported <= 0.3 + 1e-6 && !isReported);
  }
});

test('what is forged drops the link, and what was said before still comes from its origin', async () => {
  const { nodes, join, run } = network(['a', 'b', 'c'], () => 1);
  const [a, b, c] = [at(nodes, 0), at(nodes, 1), at(nodes, 2)];
  join(0, 1);
  for (let n = 0; n < 20; n++) b.check(copy('mail', n), `b${n}@x.example`);
  await run(5);
  const cable = join(1, 2);
  await run(5);
  assert.equal(c.flood.counts.taken, 1);
  cable.cut();
  // C gives A a record of B's, with another count.
  const [logged] = [...c.flood.log.after(b.identity.origin, 0)];
  assert.ok(logged !== undefined);
  const forged = Buffer.from(logged.octets);
  const bodyAt = 3 + forged.readUInt16BE(1);
  forged.writeUIntBE(forged.readUIntBE(bodyAt + 33, 6) + 1, bodyAt + 33, 6);
  const signed = decodeSigned(forged);
  assert.ok(signed !== undefined);
  join(0, 2);
  await run(2);
  const link = a.flood.links.find(({ peer }) => peer.name === 'c');
  assert.ok(link !== undefined);
  assert.match(a.flood.take(signed, link) ?? '', /forged/);
  for (let n = 20; n < 60; n++) b.check(copy('mail', n), `b${n}@x.example`);
  await run(5);
  assert.ok(at(views([a], 'mail'), 0).count > 50);
});

test('a record goes round a ring once, and nothing is echoed', async () => {
  const { nodes, join, run } = network(['a', 'b', 'c'], () => 1);
  const a = at(nodes, 0);
  const cables = [join(0, 1), join(1, 2), join(0, 2)];
  for (let n = 0; n < 20; n++) a.check(copy('ring', n), `r${n}@x.example`);
  await run(60);
  assert.deepEqual(
    nodes.map(({ flood: { counts } }) => [counts.said, counts.taken]),
    [
      [1, 0],
      [0, 1],
      [0, 1],
    ],
  );
  const before = cables.map(({ octets }) => octets);
  await run(10);
  const idle = cables.map(({ octets }, n) => octets - at(before, n));
  assert.ok(
    idle.every((octets) => octets <= 2 * 5),
    `${idle}`,
  );
  assert.equal(at(views([at(nodes, 2)], 'ring'), 0).count, at(views([a], 'ring'), 0).count);
});

test('a mail that was seen once never leaves, to however many it goes', async () => {
  const { nodes, join, run } = network(['a', 'b'], () => 1);
  const a = at(nodes, 0);
  join(0, 1);
  a.check(copy('private', 1), 'anna@x.example');
  for (let n = 0; n < 5; n++) a.check(copy(`letter${n}`, n), `r${n}@x.example`);
  a.check(copy('pair', 1), 'x@x.example');
  a.check(copy('pair', 2), 'y@x.example');
  await run(30);
  assert.equal(a.flood.counts.said, 0);
});

test('what comes through a node is bounded by the trust in it', async (t) => {
  // A does not know B, whose records come through C.
  const { nodes, join, run } = network(['a', 'b', 'c'], () => 1);
  const [a, b, c] = [at(nodes, 0), at(nodes, 1), at(nodes, 2)];
  a.start([c.peer(0.5)]);
  join(1, 2);
  join(0, 2);
  for (let n = 0; n < 100; n++) b.check(copy('far', n), `b${n}@x.example`);
  await run(30);
  const [near, far] = views([b, a], 'far').map(({ count }) => count);
  say(t, `${near} at its origin, ${far} two links away at half the trust`);
  assert.ok(near !== undefined && far !== undefined && Math.abs(far - near / 2) <= 1);
});

test('a clock that steps back in the middle of a campaign breaks no link', async () => {
  const { clock, nodes, join, run } = network(['a', 'b'], () => 1);
  const [a, b] = [at(nodes, 0), at(nodes, 1)];
  join(0, 1);
  for (let n = 0; n < 10; n++) {
    a.check(copy('step', n), `s${n}@x.example`);
    if (n === 1) clock.advance(-3000);
  }
  await run(5);
  assert.equal(b.flood.counts.faults, 0);
  assert.ok(at(views([b], 'step'), 0).count >= 9);
});

test('a node whose clock was a year ahead is heard again when it is right', async () => {
  const { nodes, join, run } = network(['a', 'b'], () => 1);
  const [a, b] = [at(nodes, 0), at(nodes, 1)];
  a.aheadMs = 365 * 24 * hour;
  for (let n = 0; n < 12; n++) a.check(copy('early', n), `e${n}@x.example`);
  await run(3);
  a.aheadMs = 0;
  for (const isRestarted of [false, true]) {
    if (isRestarted) {
      a.kill();
      a.restore();
    }
    const cable = join(0, 1);
    const campaign = isRestarted ? 'later' : 'late';
    for (let n = 0; n < 12; n++) a.check(copy(campaign, n), `l${n}@x.example`);
    await run(5);
    assert.equal(b.flood.counts.faults, 0);
    assert.ok(at(views([b], campaign), 0).count >= 11, campaign);
    cable.cut();
  }
});

test('what a peer has signed weighs what it is trusted, whoever brings it', async () => {
  const { nodes, join, run } = network(['a', 'b', 'c'], (of) => (of === 1 ? 0.3 : 1));
  const [a, c] = [at(nodes, 0), at(nodes, 2)];
  join(0, 1);
  join(1, 2);
  for (let n = 0; n < 60; n++) a.check(copy('signed', n), `s${n}@x.example`);
  await run(10);
  const [there, here] = views([a, c], 'signed').map(({ count }) => count);
  assert.equal(here, there);
});

/** Invented certificates. */
const madeUp = (count: number) => Array.from({ length: count }, (_, n) => identity(`nobody${n}`));

test('who tells of too many others, or of times to come, sets nobody against those in between', async () => {
  const { nodes, join, run } = network(['a', 'b', 'liar'], () => 1);
  const [a, b, liar] = [at(nodes, 0), at(nodes, 1), at(nodes, 2)];
  join(0, 1);
  join(1, 2);
  await run(2);
  const link = b.flood.links.find(({ peer }) => peer.name === 'liar');
  assert.ok(link !== undefined);
  for (const { certificate } of madeUp(70)) {
    const origin = readOrigin(certificate);
    assert.ok(origin !== undefined);
    b.flood.introduce(origin, link);
  }
  b.aheadMs = 595_000;
  liar.aheadMs = 1_100_000;
  a.aheadMs = -30_000;
  for (let n = 0; n < 12; n++) liar.check(copy('future', n), `f${n}@x.example`);
  for (let n = 0; n < 12; n++) b.check(copy('honest', n), `h${n}@x.example`);
  await run(5);
  assert.deepEqual([a.flood.counts.faults, b.flood.counts.faults], [0, 0]);
  b.aheadMs = 0;
  for (let n = 0; n < 12; n++) b.check(copy('true', n), `t${n}@x.example`);
  await run(40);
  for (const campaign of ['honest', 'true']) assert.ok(at(views([a], campaign), 0).count >= 11, campaign);
});

test('what a peer has kept back comes from its origin', async () => {
  const { nodes, join, run } = network(['x', 'liar', 'v'], () => 1);
  const [x, liar, v] = [at(nodes, 0), at(nodes, 1), at(nodes, 2)];
  join(0, 1);
  for (const campaign of ['one', 'two', 'three']) {
    for (let n = 0; n < 12; n++) x.check(copy(campaign, n), `${n}@x.example`);
    await run(5);
  }
  join(1, 2);
  await run(1);
  const link = v.flood.links.find(({ peer }) => peer.name === 'liar');
  const last = [...liar.flood.log.after(x.identity.origin, 0)].at(-1);
  const signed = last && decodeSigned(last.octets);
  assert.ok(link !== undefined && signed !== undefined);
  // V as if it had heard of nothing but the last one.
  v.kill();
  v.restore();
  const origin = readOrigin(x.identity.certificate);
  assert.ok(origin !== undefined);
  v.flood.introduce(origin, link);
  v.flood.take(signed, link);
  join(0, 2);
  await run(5);
  const counts = ['one', 'two', 'three'].map((campaign) => at(views([v], campaign), 0).count);
  assert.ok(
    counts.every((count) => count >= 11),
    `${counts}`,
  );
});
