/**
 * The cost of one message in the LMDB spool: accept and remove, with writers that each wait for their own durable
 * commit. Run: `npm run node -- test/soak/spool-cost.ts [messages] [writers] [octets]`.
 */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../src/base/index.ts';
import { laneName } from '../../src/mail/index.ts';
import { patternOctets, sampleEnvelope } from '../../src/spool/contract/sample.ts';
import { openSpool } from '../../src/spool/index.ts';

const [messages = 50_000, writers = 20, size = 1200] = process.argv.slice(2).map(Number);
const path = await mkdtemp(join(tmpdir(), 'posthouse-cost-'));
const octets = patternOctets(size);
const envelope = sampleEnvelope();

async function measured(what: string, work: () => Promise<void>): Promise<void> {
  const cpu = process.cpuUsage();
  const main = process.threadCpuUsage();
  const startedAt = process.hrtime.bigint();
  await work();
  const ms = Number(process.hrtime.bigint() - startedAt) / 1e6;
  const used = process.cpuUsage(cpu);
  const usedMain = process.threadCpuUsage(main);
  const each = (micros: number) => (micros / messages).toFixed(1);
  console.log(
    `${what}: ${Math.round((messages / ms) * 1000)} messages/s, ` +
      `CPU ${each(used.user + used.system)} µs each, ${each(usedMain.user + usedMain.system)} on the main thread`,
  );
}

async function eachWriter(work: (n: number) => Promise<void>): Promise<void> {
  let next = 0;
  const one = async () => {
    while (next < messages) await work(next++);
  };
  await Promise.all(Array.from({ length: writers }, one));
}

const open = () => openSpool({ path, clock: systemClock });
const entry = {
  lane: laneName('mx:example.org'),
  recipients: 'all',
  attempts: 0,
  dueAt: Date.now(),
} as const;
const accept = async (spool: Awaited<ReturnType<typeof open>>) => {
  const draft = spool.begin();
  draft.write(octets);
  return await draft.commit(envelope, [entry]);
};

{
  await using spool = await open();
  await measured('accept and remove', () =>
    eachWriter(async () => {
      const id = await accept(spool);
      spool.update([{ kind: 'remove', id }]).catch((error: unknown) => console.error(error));
    }),
  );
  await measured('accept', () => eachWriter(async () => void (await accept(spool))));
}
{
  const startedAt = Date.now();
  await using spool = await open();
  console.log(`open with ${spool.count()} messages: ${Date.now() - startedAt} ms`);
  const ids = [...spool.walk()];
  await measured('read (envelope, octets, entries, statuses)', async () => {
    for (const id of ids) {
      spool.envelope(id);
      spool.octets(id)?.whole?.length;
      spool.entries(id);
      spool.statuses(id);
    }
  });
  await measured('attempt (reschedule), then status, finish and remove', () =>
    eachWriter(async (n) => {
      const id = ids[n];
      const from = id === undefined ? undefined : spool.entries(id)[0];
      if (id === undefined || from === undefined) throw new Error('no entry');
      const to = { ...from, attempts: 1 };
      await spool.update([{ kind: 'reschedule', from, to }]);
      const reply = { code: 250, detail: '0.0', lines: ['ok'] };
      await spool.update([
        { kind: 'status', id, recipient: 0, status: { status: 'delivered', at: 0, relay: 'mx', reply } },
        { kind: 'finish', entry: to },
        { kind: 'remove', id },
      ]);
    }),
  );
  console.log(`${spool.count()} left; ${Math.round(process.memoryUsage.rss() / 2 ** 20)} MiB resident`);
}
await rm(path, { recursive: true });
