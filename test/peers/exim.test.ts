/** Exim as our client and as our next hop. */
import assert from 'node:assert/strict';
import { Exim, findExim } from './exim.ts';
import { type Peers, peerTest, submit, Tap, until } from './support.ts';

async function exim(peers: Peers, nextHopPort: number): Promise<Exim> {
  const binary = await findExim();
  assert.ok(binary !== undefined);
  return peers.use(await Exim.start(binary, { directory: await peers.folder('exim'), nextHopPort }));
}

const needs = ['root', 'unshare', 'smtp-sink', ...((await findExim()) === undefined ? ['exim4'] : [])];

peerTest('mail goes from Exim through us to Exim with its octets unchanged', needs, async (peers) => {
  const sink = await peers.sink();
  const last = await exim(peers, sink.port);
  const after = peers.use(await Tap.start(last.port));
  const posthouse = await peers.posthouse({ routes: [{ to: '*', via: `smtp://127.0.0.1:${after.port}` }] });
  const before = peers.use(await Tap.start(posthouse.port()));
  const first = await exim(peers, before.port);
  const octets = Buffer.from(
    'From: a@client.test\r\nSubject: via Exim\r\n\r\n.\r\n..\r\n\u00e4\r\nend.\r\n',
    'latin1',
  );
  const to = ['b@peer.test', 'c@peer.test'];
  await submit({ port: first.port, from: 'a@client.test', to, octets, mailParameters: 'BODY=8BITMIME' });
  await sink.received('b@peer.test');
  const entered = before.transactions()[0]?.octets.toString('latin1') ?? '';
  const left = after.transactions()[0]?.octets.toString('latin1') ?? '';
  assert.ok(entered.length > octets.length && left.endsWith(entered), 'changed between entering and leaving');
  assert.match(left.slice(0, left.length - entered.length), /^Received: [^\r\n]*\r\n(?:[ \t][^\r\n]*\r\n)*$/);
  assert.ok(!posthouse.log().some((line) => line.status === 'deferred'));
});

peerTest('Exim waits while we cannot be reached, and sends when we are back', needs, async (peers) => {
  const sink = await peers.sink();
  const configuration = { routes: [{ to: '*', via: `smtp://127.0.0.1:${sink.port}` }] };
  const away = await peers.posthouse(configuration);
  const port = away.port();
  const client = await exim(peers, port);
  assert.equal(await away.stop(), 'exit 0');
  const octets = Buffer.from('From: a@client.test\r\nSubject: wait\r\n\r\nx\r\n');
  await submit({ port: client.port, from: 'a@client.test', to: ['b@peer.test'], octets });
  await until('a deferral in the log of Exim', async () => /Connection refused/.test(await client.log()));
  await peers.posthouse({ ...configuration, listeners: [{ role: 'mx', address: `127.0.0.1:${port}` }] });
  await sink.received('b@peer.test', 1, 90_000);
});
