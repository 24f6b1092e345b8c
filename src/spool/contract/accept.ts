/** The part of the contract about drafts and accepted messages. */
import assert from 'node:assert/strict';
import { type QueueId, queueIdBound, queueIdTime } from '../../mail/index.ts';
import { accept, type Cases, newEntry } from './fixture.ts';
import { allOctets, patternOctets, sampleEnvelope } from './sample.ts';

/** Drafts, octets and the walk over accepted messages. */
export const acceptCases: Cases = {
  'gives back the envelope and the octets that were committed': async (fixture) => {
    const { spool } = fixture;
    const envelope = sampleEnvelope({ recipients: 3, smtputf8: true, envid: 'QQ314159', ret: 'hdrs' });
    const octets = patternOctets(5000);
    const id = await accept(spool, { envelope, octets });
    assert.deepEqual(spool.envelope(id), envelope);
    assert.equal(spool.octets(id)?.size, 5000);
    assert.ok((await allOctets(spool.octets(id))).equals(octets));
    assert.deepEqual(spool.entries(id), [{ ...newEntry('mx:example.org'), id, number: 0 }]);
    assert.equal(spool.statuses(id).size, 0);
    assert.equal(spool.count(), 1);
  },

  'keeps the null reverse-path, quoted local parts and internationalised addresses as they are': async (
    fixture,
  ) => {
    const envelope = sampleEnvelope({ reversePath: null, localPart: 'päivi "x"\\ y' });
    const id = await accept(fixture.spool, { envelope });
    assert.deepEqual(fixture.spool.envelope(id), envelope);
  },

  'keeps many chunks in their order, small ones and ones of every size': async (fixture) => {
    for (const sizes of [
      Array<number>(300).fill(1000),
      Array<number>(3000).fill(1),
      [1, 5000, 0, 70_000, 3],
    ]) {
      await using draft = fixture.spool.begin();
      const chunks = sizes.map((size, n) => Buffer.alloc(size, n));
      for (const chunk of chunks) await draft.write(chunk);
      const expected = Buffer.concat(chunks);
      assert.equal(draft.size, expected.length);
      const id = await draft.commit(sampleEnvelope(), [newEntry('a')]);
      // Not deepEqual: to print how two long buffers differ takes minutes.
      assert.ok((await allOctets(fixture.spool.octets(id))).equals(expected));
    }
  },

  'keeps a message of no octets': async (fixture) => {
    const id = await accept(fixture.spool, { octets: new Uint8Array() });
    assert.equal(fixture.spool.octets(id)?.size, 0);
    assert.equal((await allOctets(fixture.spool.octets(id))).length, 0);
  },

  'streams a large message in pieces of at most 64 KiB, also from the middle': async (fixture) => {
    const octets = patternOctets(3_000_017);
    await using draft = fixture.spool.begin();
    for (let at = 0; at < octets.length; at += 50_000) await draft.write(octets.subarray(at, at + 50_000));
    const id = await draft.commit(sampleEnvelope(), [newEntry('a')]);
    const stored = fixture.spool.octets(id);
    assert.ok(stored !== undefined);
    const pieces: Buffer[] = [];
    for await (const piece of stored.chunks()) {
      assert.ok(piece.length > 0 && piece.length <= 65_536);
      pieces.push(piece);
    }
    assert.ok(Buffer.concat(pieces).equals(octets));
    for (const from of [1, 65_536, 1_234_567, 3_000_016, 3_000_017]) {
      assert.ok((await allOctets(stored, from)).equals(octets.subarray(from)), `from ${from}`);
    }
  },

  'gives octets that stay readable while other messages come and go': async (fixture) => {
    const { spool } = fixture;
    const octets = patternOctets(100_000);
    const id = await accept(spool, { octets });
    const stored = spool.octets(id);
    assert.ok(stored !== undefined);
    const pieces: Buffer[] = [];
    for await (const piece of stored.chunks()) {
      pieces.push(piece);
      const other = await accept(spool, { octets: Buffer.alloc(50_000, pieces.length) });
      await spool.update([{ kind: 'remove', id: other }]);
    }
    assert.ok(Buffer.concat(pieces).equals(octets));
  },

  'forgets a draft that is disposed without commit': async (fixture) => {
    for (const size of [10, 200_000]) {
      const draft = fixture.spool.begin();
      await draft.write(patternOctets(size));
      await draft[Symbol.asyncDispose]();
      await draft[Symbol.asyncDispose]();
      assert.equal(fixture.spool.envelope(draft.id), undefined);
    }
    assert.equal(fixture.spool.count(), 0);
    assert.deepEqual([...fixture.spool.lanes()], []);
  },

  'keeps what was committed when the draft is disposed afterwards': async (fixture) => {
    const draft = fixture.spool.begin();
    await draft.write(patternOctets(200_000));
    const id = await draft.commit(sampleEnvelope(), [newEntry('a')]);
    await draft[Symbol.asyncDispose]();
    assert.equal((await allOctets(fixture.spool.octets(id))).length, 200_000);
  },

  'does not show a message before its commit resolves': async (fixture) => {
    const draft = fixture.spool.begin();
    await draft.write(patternOctets(10));
    const committed = draft.commit(sampleEnvelope(), [newEntry('a')]);
    assert.equal(fixture.spool.envelope(draft.id), undefined);
    assert.equal(fixture.spool.count(), 0);
    assert.equal(await committed, draft.id);
    assert.equal(fixture.spool.count(), 1);
  },

  'gives every message an id of its own, in order of age': async (fixture) => {
    const { spool, clock } = fixture;
    const ids: QueueId[] = [];
    for (let round = 0; round < 5; round++) {
      ids.push(...(await Promise.all(Array.from({ length: 40 }, () => accept(spool)))).sort());
      clock.advance(round === 2 ? 0 : 1000);
    }
    assert.equal(new Set(ids).size, 200);
    assert.deepEqual([...spool.walk()], ids);
    assert.ok(ids.every((id, i) => i === 0 || (ids[i - 1] ?? '') < id));
    assert.equal(spool.count(), 200);
  },

  'walks between two instants': async (fixture) => {
    const { spool, clock } = fixture;
    const ids: QueueId[] = [];
    for (let i = 0; i < 10; i++) {
      ids.push(await accept(spool));
      clock.advance(1000);
    }
    const third = ids[3];
    const sixth = ids[6];
    assert.ok(third !== undefined && sixth !== undefined);
    assert.deepEqual([...spool.walk({ from: third, until: sixth })], ids.slice(3, 6));
    assert.deepEqual([...spool.walk({ from: queueIdBound(queueIdTime(third)) })], ids.slice(3));
  },

  'walks past messages that are removed on the way': async (fixture) => {
    const { spool } = fixture;
    const ids = (await Promise.all(Array.from({ length: 600 }, () => accept(spool)))).sort();
    const seen: QueueId[] = [];
    for (const id of spool.walk()) {
      seen.push(id);
      await spool.update([{ kind: 'remove', id }]);
    }
    assert.deepEqual(seen, ids);
    assert.equal(spool.count(), 0);
  },
};
