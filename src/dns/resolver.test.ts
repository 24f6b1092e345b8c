import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { test } from 'node:test';
import dnsPacket from 'dns-packet';
import { manualClock } from '../base/index.ts';
import { createResolver } from './index.ts';
import { startFakeDns } from './testing.ts';

const zone = {
  'example.org': {
    A: ['192.0.2.1', '192.0.2.2'],
    MX: [
      [10, 'MX1.Example.org'],
      [20, 'mx2.example.org'],
    ],
    ttl: 60,
  },
  'txt.test': { TXT: [['v=spf1 ', '-all'], 'second'] },
  'one.test': { CNAME: 'two.test' },
  'two.test': { CNAME: 'three.test', ttl: 5 },
  'three.test': { AAAA: ['2001:db8::1'], A: ['192.0.2.3'] },
  'dangling.test': { CNAME: 'nowhere.invalid' },
  'loop-a.test': { CNAME: 'loop-b.test' },
  'loop-b.test': { CNAME: 'loop-a.test' },
  'broken.test': { fault: 'servfail' },
  'refusing.test': { fault: 'refused' },
  'silent.test': { fault: 'silence' },
  'big.test': { A: ['192.0.2.9'], fault: 'truncate' },
  'cut.test': { A: ['192.0.2.9'], fault: 'cut' },
  'many.test': {
    A: Array.from({ length: 1500 }, (_, n) => `198.18.${n >> 8}.${n & 255}`),
    fault: 'truncate',
  },
  'long.test': { TXT: [Array.from({ length: 20 }, () => 'x'.repeat(250))], fault: 'truncate' },
  'no-soa.test': { A: ['192.0.2.1'], fault: 'no-soa' },
  'partial.test': { CNAME: 'three.test', fault: 'partial' },
  '1.2.0.192.in-addr.arpa': { PTR: ['mail.example.org'] },
} as const;

async function start(options: Parameters<typeof startFakeDns>[1] = {}) {
  const dns = await startFakeDns(zone, options);
  const clock = manualClock();
  const resolver = createResolver({ servers: [dns.address], clock });
  return {
    dns,
    clock,
    resolver,
    async [Symbol.asyncDispose]() {
      await resolver[Symbol.asyncDispose]();
      await dns[Symbol.asyncDispose]();
    },
  };
}

test('records of every type come back as values in canonical form', async () => {
  await using t = await start();
  assert.deepEqual(await t.resolver.lookup('Example.ORG.', 'A'), {
    kind: 'found',
    records: ['192.0.2.1', '192.0.2.2'],
    authenticated: false,
  });
  const mx = await t.resolver.lookup('example.org', 'MX');
  assert.deepEqual(mx.kind === 'found' && mx.records, [
    { preference: 10, exchange: 'mx1.example.org' },
    { preference: 20, exchange: 'mx2.example.org' },
  ]);
  const txt = await t.resolver.lookup('txt.test', 'TXT');
  assert.deepEqual(txt.kind === 'found' && txt.records, [['v=spf1 ', '-all'], ['second']]);
  const ptr = await t.resolver.lookup('1.2.0.192.in-addr.arpa', 'PTR');
  assert.deepEqual(ptr.kind === 'found' && ptr.records, ['mail.example.org']);
  const alias = await t.resolver.lookup('one.test', 'CNAME');
  assert.deepEqual(alias.kind === 'found' && alias.records, ['two.test']);
});

test('a positive answer is kept for its TTL and no longer', async () => {
  await using t = await start();
  await t.resolver.lookup('example.org', 'A');
  t.clock.advance(59_000);
  await t.resolver.lookup('example.org', 'A');
  assert.equal(t.dns.questions.length, 1);
  t.clock.advance(1_000);
  await t.resolver.lookup('example.org', 'A');
  assert.equal(t.dns.questions.length, 2);
});

test('NXDOMAIN and NODATA are kept for the minimum of the SOA', async () => {
  await using t = await start({ negativeTtl: 30 });
  assert.deepEqual(await t.resolver.lookup('absent.test', 'A'), { kind: 'none', reason: 'nxdomain' });
  assert.deepEqual(await t.resolver.lookup('txt.test', 'A'), { kind: 'none', reason: 'nodata' });
  t.clock.advance(29_000);
  await t.resolver.lookup('absent.test', 'A');
  await t.resolver.lookup('txt.test', 'A');
  assert.equal(t.dns.questions.length, 2);
  t.clock.advance(1_000);
  await t.resolver.lookup('absent.test', 'A');
  assert.equal(t.dns.questions.length, 3);
});

test('a negative TTL of a week is believed for an hour, and a negative answer without SOA not at all', async () => {
  await using t = await start({ negativeTtl: 604_800 });
  await t.resolver.lookup('absent.test', 'A');
  await t.resolver.lookup('no-soa.test', 'AAAA');
  await t.resolver.lookup('no-soa.test', 'AAAA');
  assert.equal(t.dns.questions.length, 3);
  t.clock.advance(3_600_000);
  await t.resolver.lookup('absent.test', 'A');
  assert.equal(t.dns.questions.length, 4);
});

test('CNAMEs are followed and the smallest TTL of the chain counts', async () => {
  await using t = await start();
  const found = await t.resolver.lookup('one.test', 'AAAA');
  assert.deepEqual(found.kind === 'found' && found.records, ['2001:db8::1']);
  t.clock.advance(5_000);
  await t.resolver.lookup('one.test', 'AAAA');
  assert.equal(t.dns.questions.length, 2);
});

test('a chain that the server left unfinished is asked on', async () => {
  await using t = await start();
  const found = await t.resolver.lookup('partial.test', 'A');
  assert.deepEqual(found.kind === 'found' && found.records, ['192.0.2.3']);
  assert.deepEqual(t.dns.questions, ['udp A partial.test', 'udp A three.test']);
});

test('a CNAME to nowhere is NXDOMAIN and a CNAME loop is unavailable', async () => {
  await using t = await start();
  assert.deepEqual(await t.resolver.lookup('dangling.test', 'A'), { kind: 'none', reason: 'nxdomain' });
  assert.deepEqual(await t.resolver.lookup('loop-a.test', 'A'), {
    kind: 'unavailable',
    because: 'too many CNAMEs',
  });
});

test('SERVFAIL and REFUSED are unavailable, are asked again and are not kept', async () => {
  await using t = await start();
  assert.deepEqual(await t.resolver.lookup('broken.test', 'MX'), {
    kind: 'unavailable',
    because: 'SERVFAIL',
  });
  assert.equal(t.dns.questions.length, 2);
  assert.deepEqual(await t.resolver.lookup('refusing.test', 'A'), {
    kind: 'unavailable',
    because: 'REFUSED',
  });
  await t.resolver.lookup('broken.test', 'MX');
  assert.equal(t.dns.questions.length, 6);
});

test('a server that does not answer is given up after its time', async () => {
  await using t = await start();
  const resolver = createResolver({ servers: [t.dns.address], timeoutMs: 20, attempts: 2 });
  assert.deepEqual(await resolver.lookup('silent.test', 'A'), { kind: 'unavailable', because: 'timeout' });
  assert.equal(t.dns.questions.length, 2);
});

test('the next server is asked when the first is dead, and is then asked first', async () => {
  await using t = await start();
  const dead = createSocket('udp4');
  await once(dead.bind(0, '127.0.0.1'), 'listening');
  let asked = 0;
  dead.on('message', () => asked++);
  const servers = [`127.0.0.1:${dead.address().port}`, t.dns.address];
  await using resolver = createResolver({ servers, timeoutMs: 20 });
  assert.equal((await resolver.lookup('example.org', 'A')).kind, 'found');
  assert.equal((await resolver.lookup('three.test', 'A')).kind, 'found');
  assert.equal(asked, 1);
  await once(dead.close(), 'close');
});

test('a truncated answer is asked again over TCP', async () => {
  await using t = await start();
  const found = await t.resolver.lookup('big.test', 'A');
  assert.deepEqual(found.kind === 'found' && found.records, ['192.0.2.9']);
  assert.deepEqual(t.dns.questions, ['udp A big.test', 'tcp A big.test']);
});

test('an answer over TCP is as long as it says, in whatever pieces it comes', async () => {
  const cases: readonly (readonly [what: string, pieces: (framed: Buffer) => Buffer[], because: string])[] = [
    ['octet by octet', (framed) => Array.from(framed, (octet) => Buffer.from([octet])), ''],
    ['with more behind it', (framed) => [framed, Buffer.alloc(1000)], ''],
    ['cut off', (framed) => [framed.subarray(0, -1)], 'connection closed'],
    ['nothing', () => [], 'connection closed'],
    ['a length of nothing', () => [Buffer.from([0, 0])], 'malformed answer'],
    [
      'shorter than it is',
      (framed) => [Buffer.from([0, framed.length - 5]), framed.subarray(2)],
      'malformed answer',
    ],
  ];
  for (const [what, tamperTcp, because] of cases) {
    await using t = await start({ tamperTcp });
    const answer = await t.resolver.lookup('big.test', 'A');
    if (because === '') assert.equal(answer.kind, 'found', what);
    else assert.deepEqual(answer, { kind: 'unavailable', because }, what);
  }
});

test('an answer that is truncated over TCP too is unavailable, not a name without records', async () => {
  await using t = await start();
  const answer = await t.resolver.lookup('cut.test', 'A');
  assert.deepEqual(answer, { kind: 'unavailable', because: 'truncated over TCP' });
});

test('of a thousand addresses a hundred are taken', async () => {
  await using t = await start();
  const found = await t.resolver.lookup('many.test', 'A');
  assert.equal(found.kind === 'found' && found.records.length, 100);
});

test('a large answer is used and not kept, so that answers cannot fill the memory', async () => {
  await using t = await start();
  for (let n = 0; n < 2; n++) {
    const found = await t.resolver.lookup('long.test', 'TXT');
    assert.equal(found.kind === 'found' && found.records[0]?.join('').length, 5000);
  }
  assert.equal(t.dns.questions.filter((question) => question === 'tcp TXT long.test').length, 2);
});

test('the AD bit is kept', async () => {
  await using t = await start({ authenticated: true });
  const found = await t.resolver.lookup('example.org', 'MX');
  assert.equal(found.kind === 'found' && found.authenticated, true);
});

test('the same question under way is asked once', async () => {
  await using t = await start();
  const results = await Promise.all([1, 2, 3].map(() => t.resolver.lookup('example.org', 'MX')));
  assert.equal(t.dns.questions.length, 1);
  assert.deepEqual(
    results.map((result) => result.kind),
    ['found', 'found', 'found'],
  );
});

test('an abort ends the wait of that caller only', async () => {
  await using t = await start();
  const abort = new AbortController();
  const first = t.resolver.lookup('example.org', 'A', abort.signal);
  const second = t.resolver.lookup('example.org', 'A');
  abort.abort();
  assert.deepEqual(await first, { kind: 'unavailable', because: 'aborted' });
  assert.equal((await second).kind, 'found');
});

test('a question that nobody waits for any more is given up', async () => {
  await using t = await start();
  const abort = new AbortController();
  const gone = t.resolver.lookup('silent.test', 'A', abort.signal);
  abort.abort();
  assert.equal((await gone).kind, 'unavailable');
  t.dns.setZone({ 'silent.test': { A: ['192.0.2.7'] } });
  const again = await t.resolver.lookup('silent.test', 'A');
  assert.deepEqual(again.kind === 'found' && again.records, ['192.0.2.7']);
});

test('questions beyond what may be asked at once wait for an answer to others, and none is lost', async () => {
  const server = createSocket('udp4').bind(0, '127.0.0.1');
  await once(server, 'listening');
  const unanswered: (() => void)[] = [];
  let most = 0;
  const probe = createSocket('udp4');
  server.on('message', (octets, from) => {
    if (octets.length === 0) {
      for (const answer of unanswered.splice(0)) answer();
      return;
    }
    const { id = 0, questions = [] } = dnsPacket.decode(octets);
    const refusal = dnsPacket.encode({ type: 'response', id, questions, flags: 3 });
    most = Math.max(
      most,
      unanswered.push(() => server.send(refusal, from.port, from.address)),
    );
    // Not before others have had every opportunity to come, too.
    if (most >= 128) probe.send('', server.address().port, '127.0.0.1');
  });
  const resolver = createResolver({ servers: [`127.0.0.1:${server.address().port}`], clock: manualClock() });
  const results = Array.from({ length: 168 }, (_, n) => resolver.lookup(`n${n}.test`, 'A'));
  for (const result of await Promise.all(results))
    assert.deepEqual(result, { kind: 'none', reason: 'nxdomain' });
  assert.equal(most, 128);
  await resolver[Symbol.asyncDispose]();
  probe.close();
  server.close();
});

test('disposal ends what is under way', async () => {
  const t = await start();
  const pending = t.resolver.lookup('silent.test', 'A');
  await t[Symbol.asyncDispose]();
  assert.deepEqual(await pending, { kind: 'unavailable', because: 'aborted' });
});

test('an answer with another id is waited past', async () => {
  await using t = await start({
    tamper: (_query, answer) => {
      const forged = Buffer.from(answer);
      forged.writeUInt16BE((answer.readUInt16BE(0) + 1) & 0xffff);
      forged[forged.length - 1] = 99;
      return [forged, answer];
    },
  });
  const found = await t.resolver.lookup('three.test', 'A');
  assert.deepEqual(found.kind === 'found' && found.records, ['192.0.2.3']);
});

test('an answer to another question is waited past', async () => {
  await using t = await start({
    tamper: (_query, answer) => {
      const forged = Buffer.from(answer);
      forged.write('xhree', 13);
      return [forged, answer];
    },
  });
  const found = await t.resolver.lookup('three.test', 'A');
  assert.deepEqual(found.kind === 'found' && found.records, ['192.0.2.3']);
});

test('a malformed answer is unavailable, whatever the octets', async () => {
  for (const cut of [12, 20, 30, 40]) {
    await using t = await start({ tamper: (_query, answer) => [answer.subarray(0, cut)] });
    assert.deepEqual(await t.resolver.lookup('three.test', 'A'), {
      kind: 'unavailable',
      because: 'malformed answer',
    });
  }
});

test('a server without EDNS is asked again without it', async () => {
  await using t = await start({
    tamper: (query, answer) => {
      const hasOpt = query.readUInt16BE(10) === 1;
      if (!hasOpt) return [answer];
      const formerr = Buffer.from(query.subarray(0, 12));
      formerr.writeUInt16BE(0x8001, 2);
      formerr.fill(0, 4);
      return [formerr];
    },
  });
  assert.equal((await t.resolver.lookup('example.org', 'A')).kind, 'found');
  assert.equal(t.dns.questions.length, 2);
});

test('a name that cannot be asked does not exist', async () => {
  await using t = await start();
  for (const name of [
    '',
    'a..b',
    `${'x'.repeat(64)}.test`,
    `${'abc.'.repeat(70)}test`,
    'bücher.example',
    'a b.test',
    'a\0b.test',
    'a.test\0.example',
    'a\r\nb.test',
    'a\\.test',
  ]) {
    assert.deepEqual(await t.resolver.lookup(name, 'A'), { kind: 'none', reason: 'nxdomain' });
  }
  assert.equal(t.dns.questions.length, 0);
});

test('the cache is bounded', async () => {
  await using t = await start();
  await using resolver = createResolver({ servers: [t.dns.address], clock: t.clock, maxEntries: 1 });
  await resolver.lookup('example.org', 'A');
  await resolver.lookup('three.test', 'A');
  await resolver.lookup('example.org', 'A');
  assert.equal(t.dns.questions.length, 3);
});

test('a server that is not an address is refused at once', () => {
  for (const server of ['dns.example', '127.0.0.1:0', '127.0.0.1:99999', '']) {
    assert.throws(() => createResolver({ servers: [server] }), RangeError);
  }
});

test('a server that no packet can be sent to makes the answer unavailable', async () => {
  // The kernel refuses to connect a socket to the broadcast address.
  await using resolver = createResolver({ servers: ['255.255.255.255:53'], attempts: 1 });
  const answer = await resolver.lookup('example.org', 'A');
  assert.equal(answer.kind, 'unavailable');
});
