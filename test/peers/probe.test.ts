/** `posthouse probe` against a real Postfix: what it says when it relays nothing, and when it relays for anybody. */
import assert from 'node:assert/strict';
import { resolve } from 'node:path';
import { type Peers, peerTest, run } from './support.ts';

const main = resolve(import.meta.dirname, '../../src/cli/main.ts');

async function probe(peers: Peers, port: number) {
  const data = await peers.folder('probe');
  const args = [
    'probe',
    `127.0.0.1:${port}`,
    '--domain',
    'ours.test',
    '--helo',
    'tester.test',
    '--data',
    data,
  ];
  const { code, stdout, stderr } = await run(process.execPath, [main, ...args, '--json'], {
    timeoutMs: 120_000,
  });
  const lines = stdout
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line): { readonly verdict?: string; readonly because?: string } => JSON.parse(line));
  return { code, text: stdout + stderr, verdicts: lines.map(({ verdict }) => verdict) };
}

for (const [name, settings] of [
  ['as it comes (454)', {}],
  ['told to reject (554)', { smtpd_relay_restrictions: 'reject_unauth_destination' }],
] as const)
  peerTest(`a Postfix ${name} that relays for nobody is closed`, ['root', 'postfix'], async (peers) => {
    const postfix = await peers.postfix({
      mynetworks: '192.0.2.1/32',
      relay_domains: 'ours.test',
      ...settings,
    });
    const { code, text, verdicts } = await probe(peers, postfix.port);
    assert.equal(code, 0, text);
    assert.equal(verdicts.at(-1), 'closed', text);
    assert.ok(verdicts.length > 20 && !verdicts.includes('deferred'), text);
  });

peerTest('a Postfix that relays for anybody is not called closed', ['root', 'postfix'], async (peers) => {
  const postfix = await peers.postfix({ relay_transport: 'discard:', default_transport: 'discard:' });
  const { code, text, verdicts } = await probe(peers, postfix.port);
  assert.equal(code, 75, text);
  assert.equal(verdicts.at(-1), 'inconclusive', text);
});
