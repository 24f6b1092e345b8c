/** The parts of the contract about refusals and about a close. */
import assert from 'node:assert/strict';
import { laneName } from '../../mail/index.ts';
import { accept, type Cases, delivered, everything, newEntry, startAt } from './fixture.ts';
import { allOctets, patternOctets, sampleEnvelope } from './sample.ts';

/** Tests of refusals. */
export const refuseCases: Cases = {
  'refuses a message that nothing would ever attempt': async (fixture) => {
    const { spool } = fixture;
    const two = sampleEnvelope({ recipients: 2 });
    await assert.rejects(accept(spool, { entries: [] }), RangeError);
    await assert.rejects(accept(spool, { entries: [newEntry('')] }), RangeError);
    await assert.rejects(accept(spool, { envelope: sampleEnvelope({ recipients: 0 }) }), RangeError);
    await assert.rejects(
      accept(spool, { envelope: two, entries: [newEntry('a', startAt, { recipients: [0] })] }),
      /recipient 1/,
    );
    await assert.rejects(
      accept(spool, { entries: [newEntry('a', startAt, { recipients: [0, 1] })] }),
      RangeError,
    );
    assert.equal(spool.count(), 0);
  },

  'refuses drafts when the disk is nearly full, tells it before, and recovers by itself': async (fixture) => {
    const { spool, floorBytes } = fixture;
    const id = await accept(spool);
    assert.deepEqual(spool.health(), { state: 'ok' });
    fixture.setFreeBytes(floorBytes - 1);
    assert.deepEqual(spool.health(), { state: 'low', freeBytes: floorBytes - 1, floorBytes });
    await accept(spool);
    fixture.setFreeBytes(floorBytes / 2 - 1);
    await assert.rejects(accept(spool), { name: 'SpoolError', code: 'full' });
    await spool.update([{ kind: 'remove', id }]);
    assert.equal(spool.count(), 1);
    fixture.setFreeBytes(floorBytes * 10);
    assert.deepEqual(spool.health(), { state: 'ok' });
    await accept(spool);
  },

  'refuses to be used after it is closed': async (fixture) => {
    const { spool } = fixture;
    const id = await accept(spool);
    await spool[Symbol.asyncDispose]();
    assert.throws(() => spool.begin(), { code: 'closed' });
    assert.throws(() => spool.envelope(id), { code: 'closed' });
    assert.throws(() => spool.octets(id), { code: 'closed' });
    await assert.rejects(spool.update([{ kind: 'remove', id }]), { code: 'closed' });
    await spool[Symbol.asyncDispose]();
  },

  'refuses a draft that is written or committed twice': async (fixture) => {
    const draft = fixture.spool.begin();
    await draft.write(patternOctets(10));
    await draft.commit(sampleEnvelope(), [newEntry('a')]);
    await assert.rejects(draft.commit(sampleEnvelope(), [newEntry('a')]), { code: 'closed' });
    assert.throws(() => draft.write(patternOctets(10)), { code: 'closed' });
    assert.equal(fixture.spool.count(), 1);
  },
};

/** Tests of the state after a close. */
export const surviveCases: Cases = {
  'a close, with everything that was committed and nothing else': async (fixture) => {
    assert.ok(fixture.reopen !== undefined);
    const { spool } = fixture;
    const small = await accept(spool, {
      entries: [newEntry('a', startAt + 5), newEntry('b', startAt, { held: 'why' })],
    });
    const octets = patternOctets(500_000);
    const large = await accept(spool, { octets, envelope: sampleEnvelope({ recipients: 2 }) });
    const gone = await accept(spool, { octets });
    await spool.update([
      { kind: 'status', id: large, recipient: 1, status: delivered(startAt) },
      { kind: 'remove', id: gone },
    ]);
    const draft = spool.begin();
    await draft.write(octets);
    const before = [small, large].map((id) => [spool.envelope(id), spool.entries(id), spool.statuses(id)]);
    const again = await fixture.reopen();
    assert.deepEqual(
      [small, large].map((id) => [again.envelope(id), again.entries(id), again.statuses(id)]),
      before,
    );
    assert.deepEqual([...again.walk()], [small, large]);
    assert.equal(again.count(), 2);
    assert.deepEqual(again.due(laneName('a'), everything), [again.entries(small)[0]]);
    assert.equal(again.laneDue(laneName('b')), undefined);
    assert.ok((await allOctets(again.octets(large))).equals(octets));
    const next = await accept(again);
    assert.ok(next > large, 'ids go on after the newest one');
  },
};
