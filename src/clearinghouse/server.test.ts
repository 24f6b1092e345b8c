import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { memoryLog, selfSigned, systemClock } from '../base/index.ts';
import { ClearinghouseServer } from './server.ts';

/** Never asked: there is no name to look up. */
const nobody = {
  lookup: async () => {
    throw new Error('nobody is to be asked');
  },
};

test('a clearinghouse floods with the peers of its configuration', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'posthouse-flood-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const [a, b] = [selfSigned('a.example'), selfSigned('b.example')];
  const fingerprintOf = (cert: string) =>
    new X509Certificate(cert).fingerprint256.replaceAll(':', '').toLowerCase();
  const common = { memory: 16e6, bulk: 10, shortBulk: 100, allow: [], relay: [], doors: [] };
  const networkKey = Buffer.alloc(16, 7);
  const logs = [memoryLog(), memoryLog()] as const;
  await using first = await ClearinghouseServer.open(
    {
      ...common,
      folder: join(folder, 'a'),
      flood: {
        listen: { host: '127.0.0.1', port: 0 },
        certificate: a.cert,
        key: a.key,
        networkKey,
        peers: [{ name: 'b', fingerprint: fingerprintOf(b.cert), trust: 0.5 }],
      },
    },
    { clock: systemClock, log: logs[0], resolver: () => nobody },
  );
  const port = Number(logs[0].lines.find(({ event }) => event === 'flood-ready')?.fields.port);
  const linked = Promise.withResolvers<void>();
  const log = {
    ...logs[1],
    info: (...[event]: readonly unknown[]) => void (event === 'flood-link' && linked.resolve()),
  };
  await using second = await ClearinghouseServer.open(
    {
      ...common,
      folder: join(folder, 'b'),
      flood: {
        certificate: b.cert,
        key: b.key,
        networkKey,
        peers: [
          { name: 'a', address: { host: '127.0.0.1', port }, fingerprint: fingerprintOf(a.cert), trust: 0.5 },
        ],
      },
    },
    { clock: systemClock, log, resolver: () => nobody },
  );
  await linked.promise;
  assert.notEqual(first.clearinghouse, second.clearinghouse);
});
