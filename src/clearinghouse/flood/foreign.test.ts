import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { estimateOf } from '../clusters/distinct.ts';
import { Foreign } from './foreign.ts';
import type { Take } from './tally.ts';

const now = Date.UTC(2026, 0, 1);
const day = 86_400_000;
const at = { cluster: 7, generation: 1 };
const empty = () => new Uint8Array(256);

function take(account: string, sketch: Uint8Array, more: Partial<Take & Take['tally']> = {}): Take {
  const { origin = account, ...tally } = more;
  const usual = { cluster: 1, generation: 1, core: [], sizes: [], cut: 0, reported: 0, revoked: 0 };
  return {
    account,
    origin,
    tally: { ...usual, firstSeen: now, lastSeen: now, ...tally, sketch },
  };
}

/** Of a few values, with one register that differs: an invented sketch. */
const made = fc
  .tuple(fc.nat(33), fc.nat(255), fc.nat(33), fc.nat(255), fc.nat(33))
  .map(([all, from, some, one, value]) =>
    empty()
      .fill(all)
      .fill(some, from)
      .fill(value, one, one + 1),
  );
const sketches = fc.oneof(fc.uint8Array({ minLength: 256, maxLength: 256, max: 33 }), made);
const tallies = fc.array(fc.tuple(fc.constantFrom('b', 'c', 'd'), sketches), { maxLength: 5 });
const trusts = fc.double({ min: 0, max: 0.9, noNaN: true });

test('a liar adds at most its trust of its own tally to those of trusted nodes', () => {
  fc.assert(
    fc.property(tallies, sketches, trusts, (others, lie, trust) => {
      const count = (isLying: boolean) => {
        const foreign = new Foreign(100, (account) => (account === 'liar' ? trust : 1));
        for (const [account, sketch] of others) foreign.add(at, take(account, sketch), now);
        if (isLying) foreign.add(at, take('liar', lie), now);
        return foreign.countOf(at.cluster, at.generation, { sketch: empty, now });
      };
      const added = count(true) - count(false);
      assert.ok(added <= trust * Math.min(2000, estimateOf(lie)) + 1e-6, `${added}`);
    }),
    { numRuns: 300 },
  );
});

test('nobody makes another node count for more than its tally by its trust', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(sketches, trusts), { maxLength: 6 }), (all) => {
      const foreign = new Foreign(100, (account) => all[Number(account.slice(4))]?.[1] ?? 0);
      let most = 0;
      for (const [n, [sketch, trust]] of all.entries()) {
        foreign.add(at, take(`peer${n}`, sketch), now);
        most += trust * Math.min(2000, estimateOf(sketch));
      }
      const count = foreign.countOf(at.cluster, at.generation, { sketch: empty, now });
      assert.ok(count >= 0 && count <= most + 1e-6, `${count} of ${most}`);
    }),
    { numRuns: 300 },
  );
});

test('origins behind one peer weigh no more than the peer', () => {
  const foreign = new Foreign(100, () => 0.4);
  for (let n = 0; n < 50; n++) {
    const sketch = empty().fill(20, n, n + 5);
    foreign.add(at, take('liar', sketch, { origin: `o${n}`, reported: 1, cluster: n }), now);
  }
  const { reported } = foreign.saidOf(at.cluster, at.generation, now);
  assert.ok(Math.abs(reported - 0.4) < 1e-9);
  assert.ok(foreign.countOf(at.cluster, at.generation, { sketch: empty, now }) <= 0.4 * 2000 + 1e-6);
});

test('tallies are forgotten, and are nothing to a cluster that has taken the number', () => {
  const foreign = new Foreign(100, () => 1);
  foreign.add(at, take('b', empty().fill(1), { reported: 1 }), now);
  const count = (generation: number, when: number) =>
    foreign.countOf(at.cluster, generation, { sketch: empty, now: when });
  assert.ok(count(1, now) > 100);
  assert.equal(count(2, now), 0);
  assert.equal(count(1, now + 29 * day), count(1, now));
  assert.equal(count(1, now + 61 * day), 0);
  const { reported } = foreign.saidOf(7, 1, now + 30 * day);
  assert.ok(Math.abs(reported - 0.5) < 1e-9);
});

test('it is saved and restored, and bounded', () => {
  const foreign = new Foreign(10, () => 1);
  for (let n = 0; n < 50; n++) foreign.add({ cluster: n, generation: 1 }, take('b', empty().fill(3)), now);
  const counts = (of: Foreign) =>
    Array.from({ length: 50 }, (_, n) => Math.round(of.countOf(n, 1, { sketch: empty, now })));
  const kept = counts(foreign).filter((count) => count > 0).length;
  assert.ok(kept >= 5 && kept <= 10, `${kept}`);
  const restored = new Foreign(10, () => 1);
  restored.restore(JSON.parse(JSON.stringify(foreign.save())));
  assert.deepEqual(counts(restored), counts(foreign));
  restored.restore('rubbish');
});

test('who is no peer any more counts for nothing, and who is trusted less counts for less', () => {
  let trust = 1;
  const foreign = new Foreign(10, () => trust);
  foreign.add(at, take('b', empty().fill(3), { reported: 1 }), now);
  const seen = () => ({
    count: Math.round(foreign.countOf(at.cluster, at.generation, { sketch: empty, now })),
    reported: foreign.saidOf(at.cluster, at.generation, now).reported,
  });
  assert.ok(seen().count > 100);
  trust = 0.2;
  assert.equal(seen().reported, 0.2);
  trust = 0;
  assert.deepEqual(seen(), { count: 0, reported: 0 });
});

test('tallies of two clusters that are one count once', () => {
  const foreign = new Foreign(100, () => 1);
  const sketch = empty().fill(1, 0, 100);
  const other = { cluster: 8, generation: 3 };
  foreign.add(at, take('b', sketch, { reported: 0.4 }), now);
  foreign.add(other, take('b', sketch, { cluster: 2, reported: 0.5 }), now);
  foreign.add(other, take('c', sketch), now);
  const count = () => foreign.countOf(at.cluster, at.generation, { sketch: empty, now });
  const before = count();
  foreign.move(other, at);
  assert.equal(count(), before);
  assert.ok(Math.abs(foreign.saidOf(at.cluster, at.generation, now).reported - 0.9) < 1e-9);
  assert.equal(foreign.countOf(other.cluster, other.generation, { sketch: empty, now }), 0);
});
