/**
 * Accepts, attempts and removes messages of all sizes for a while, with the queue growing and shrinking,
 * closes now and then and verifies the whole spool, the free list of the file included.
 * Run: `npm run node -- test/soak/spool-churn.ts [seconds] [seed]`.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../src/base/index.ts';
import { laneName, type QueueId } from '../../src/mail/index.ts';
import { allOctets, patternOctets, sampleEnvelope, sampleReply } from '../../src/spool/contract/sample.ts';
import { openSpool, type Spool, verifySpool } from '../../src/spool/index.ts';

const [seconds = 30, seed = 1] = process.argv.slice(2).map(Number);
const path = await mkdtemp(join(tmpdir(), 'posthouse-churn-'));
const until = Date.now() + seconds * 1000;
const live = new Map<QueueId, number>();
let state = seed;
let operations = 0;

function random(below: number): number {
  state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
  return Math.floor((state / 0x80000000) * below);
}

async function accept(spool: Spool): Promise<void> {
  const size = random(10) === 0 ? random(150_000) : random(8000);
  const recipients = 1 + random(4);
  await using draft = spool.begin();
  await draft.write(patternOctets(size));
  const entry = {
    lane: laneName(`lane${random(500)}`),
    recipients: 'all',
    attempts: 0,
    dueAt: random(1e9),
  } as const;
  await draft.commit(sampleEnvelope({ recipients }), [entry]);
  live.set(draft.id, size);
}

async function attempt(spool: Spool, id: QueueId): Promise<void> {
  const [from] = spool.entries(id);
  if (from === undefined) throw new Error(`${id} has no entry`);
  const to = {
    ...from,
    attempts: from.attempts + 1,
    dueAt: random(1e9),
    lane: laneName(`lane${random(500)}`),
  };
  const status = { status: 'pending', at: 1, reply: sampleReply(451, '4.1') } as const;
  await spool.update([
    { kind: 'reschedule', from, to },
    { kind: 'status', id, recipient: random(4), status },
  ]);
}

async function remove(spool: Spool, id: QueueId): Promise<void> {
  live.delete(id);
  await spool.update([{ kind: 'remove', id }]);
}

async function one(spool: Spool, target: number): Promise<void> {
  operations++;
  const ids = [...live.keys()];
  const id = ids[random(ids.length)];
  if (id === undefined || random(live.size + target) < target) await accept(spool);
  else if (random(2) === 0) await attempt(spool, id).catch((error) => live.has(id) && Promise.reject(error));
  else await remove(spool, id);
}

for (let cycle = 0; Date.now() < until; cycle++) {
  {
    await using spool = await openSpool({ path, clock: systemClock, floorBytes: 0 });
    if (spool.count() !== live.size)
      throw new Error(`${spool.count()} messages where ${live.size} should be`);
    for (let round = 0; round < 40; round++) {
      const target = [50, 3000, 10, 800][cycle % 4] ?? 0;
      await Promise.all(Array.from({ length: 1 + random(60) }, () => one(spool, target)));
    }
    for (const id of [...live.keys()].slice(0, 20)) {
      const octets = await allOctets(spool.octets(id));
      if (!octets.equals(patternOctets(live.get(id) ?? -1))) throw new Error(`${id} has other octets`);
    }
  }
  const { messages, problems } = await verifySpool(path);
  if (problems.length > 0 || messages !== live.size) {
    console.log(JSON.stringify({ path, cycle, messages, live: live.size, problems: problems.slice(0, 10) }));
    process.exit(1);
  }
}
console.log(`${operations} operations, ${live.size} messages left, no problem`);
await rm(path, { recursive: true });
