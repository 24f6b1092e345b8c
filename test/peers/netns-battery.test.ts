/**
 * The whole battery over the wire, from a namespace that nothing trusts, against each configuration in `examples/`. All
 * their routes lead to a sink at the stranger's: what is relayed arrives there. The relay attacks itself as well.
 */
import assert from 'node:assert/strict';
import { adapted, assertClosed, attack, closedExamples, domainOf, listenersOf, net } from './examples.ts';
import { netnsNeeds, relayAndStranger } from './netns.ts';
import { type Peers, peerTest } from './support.ts';

async function attackExample(peers: Peers, name: string) {
  const { relay, stranger } = await relayAndStranger(peers, {
    relay: `${net.relay}/24`,
    stranger: `${net.stranger}/24`,
  });
  const configuration = await adapted(name, await peers.folder('example'), await peers.certificate());
  const posthouse = await peers.posthouse(configuration, relay.prefix);
  const lines = await attack({
    from: stranger,
    targets: listenersOf(configuration),
    domain: domainOf(configuration),
    home: await peers.folder('tester'),
  });
  const audit = await posthouse.command('audit', '--json').catch((error: unknown) => String(error));
  return { lines, audit };
}

for (const name of closedExamples) {
  peerTest(`${name} relays nothing for a stranger`, netnsNeeds, async (peers) => {
    const { lines, audit } = await attackExample(peers, name);
    assertClosed(lines);
    assert.match(audit, /"event":"end","verdict":"closed"/, audit.slice(-2000));
  });
}

peerTest('open-lab.yaml relays for a stranger, and both tests say so', netnsNeeds, async (peers) => {
  const { lines, audit } = await attackExample(peers, 'open-lab.yaml');
  assert.ok(
    lines.some(({ verdict }) => verdict === 'open'),
    JSON.stringify(lines.at(-1)),
  );
  assert.ok(lines.some((line) => line.case === 'r01s03h1' && line.verdict === 'relayed'));
  assert.match(audit, /open: strangers relay|"verdict":"open"/);
});
