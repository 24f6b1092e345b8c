/** TLS client certificates as a ground, shown by curl. */
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Peers, type Posthouse, peerTest, run } from './support.ts';

const needs = ['root', 'curl', 'openssl', 'smtp-sink'];

interface Pair {
  readonly cert: string;
  readonly key: string;
}

async function openssl(...args: readonly string[]): Promise<void> {
  const { code, stderr } = await run('openssl', args);
  if (code !== 0) throw new Error(`openssl ${args[0]}: ${stderr}`);
}

/** A certificate by its own key, or by an authority. */
async function certificate(
  peers: Peers,
  name: string,
  by?: Pair,
  more: readonly string[] = [],
): Promise<Pair> {
  const folder = await peers.folder(name);
  const pair = { cert: join(folder, 'cert.pem'), key: join(folder, 'key.pem') };
  const signed = by === undefined ? [] : ['-CA', by.cert, '-CAkey', by.key];
  await openssl(
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'],
    ...['-subj', `/CN=${name}`, '-keyout', pair.key, '-out', pair.cert, ...signed, ...more],
  );
  return pair;
}

/** The relay with these grounds and nothing else: loopback is not in its networks. */
async function relay(peers: Peers, certificates: readonly unknown[]) {
  const sink = await peers.sink();
  const posthouse = await peers.posthouse({
    tls: await peers.certificate(),
    relay: { certificates },
    listeners: [
      { role: 'mx', address: '127.0.0.1:0' },
      { role: 'submission', address: '127.0.0.1:0' },
      { role: 'submissions', address: '127.0.0.1:0' },
    ],
    routes: [{ to: '*', via: `smtp://127.0.0.1:${sink.port}` }],
  });
  return { posthouse, sink };
}

/** Sends with curl; gives what the relay said at last, and the exit code. */
async function send(peers: Peers, posthouse: Posthouse, role: string, pair?: Pair, from = 'fax@client.test') {
  const letter = join(await peers.folder('letter'), 'letter.eml');
  await writeFile(letter, `From: ${from}\r\nTo: u@away.test\r\nSubject: fax\r\n\r\nHello.\r\n`);
  const scheme = role === 'submissions' ? 'smtps' : 'smtp';
  const { code, stderr } = await run('curl', [
    ...['--silent', '--verbose', '--insecure', '--ssl-reqd', '--max-time', '20'],
    ...(pair === undefined ? [] : ['--cert', pair.cert, '--key', pair.key]),
    ...['--mail-from', from, '--mail-rcpt', 'u@away.test', '--upload-file', letter],
    `${scheme}://127.0.0.1:${posthouse.port(role)}/client.test`,
  ]);
  const said = stderr.split('\n').filter((line) => /^< [245]\d\d /.test(line));
  return { code, last: said.at(-1) ?? '', all: said.join('\n') };
}

async function fingerprint({ cert }: Pair): Promise<string> {
  return new X509Certificate(await readFile(cert)).fingerprint256;
}

peerTest(
  'a listed certificate relays on every listener, another one and none do not',
  needs,
  async (peers) => {
    const fax = await certificate(peers, 'fax');
    const other = await certificate(peers, 'other');
    const grant = { fingerprint: `sha256:${await fingerprint(fax)}`, name: 'fax', senders: '*@client.test' };
    const { posthouse, sink } = await relay(peers, [grant]);
    for (const role of ['mx', 'submission', 'submissions']) {
      const { code, all } = await send(peers, posthouse, role, fax);
      assert.equal(code, 0, `${role}: ${all}`);
    }
    for (const role of ['mx', 'submission', 'submissions']) {
      for (const pair of [other, undefined]) {
        const { code, all } = await send(peers, posthouse, role, pair);
        assert.notEqual(code, 0);
        assert.match(all, role === 'mx' ? /< 550 5\.7\.1 / : /< 530 5\.7\.0 /);
      }
    }
    assert.match((await send(peers, posthouse, 'mx', fax, 'boss@else.test')).all, /< 550 5\.7\.1 /);
    await sink.received('u@away.test', 3);
    const grounds = posthouse.log().filter(({ event }) => event === 'accepted');
    assert.deepEqual(new Set(grounds.map(({ ground }) => ground)), new Set(['certificate']));
    assert.equal((await sink.captured()).length, 3);
  },
);

peerTest(
  'whoever has a certificate of our authority relays, and nobody with another',
  needs,
  async (peers) => {
    const isAuthority = ['-addext', 'basicConstraints=critical,CA:TRUE'];
    const ours = await certificate(peers, 'our authority', undefined, isAuthority);
    const foreign = await certificate(peers, 'their authority', undefined, isAuthority);
    const printer = await certificate(peers, 'printer', ours, [
      '-addext',
      'subjectAltName=DNS:printer.client.test',
    ]);
    const stranger = await certificate(peers, 'stranger', foreign);
    const impostor = await certificate(peers, 'our authority');
    const { posthouse, sink } = await relay(peers, [{ ca: ours.cert }]);
    const good = await send(peers, posthouse, 'submissions', printer);
    assert.equal(good.code, 0, good.all);
    for (const pair of [stranger, impostor, foreign])
      assert.match((await send(peers, posthouse, 'mx', pair)).all, /< 550 5\.7\.1 /);
    await sink.received('u@away.test', 1);
    const [accepted] = posthouse.log().filter(({ event }) => event === 'accepted');
    assert.equal(accepted?.ground, 'certificate');
    assert.equal((await sink.captured()).length, 1);
  },
);
