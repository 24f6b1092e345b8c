/**
 * The whole battery over the wire, from a namespace that nothing trusts, against each configuration in `examples/`. All
 * their routes lead to a sink at the stranger's: what is relayed arrives there. The relay attacks itself as well.
 */
import assert from 'node:assert/strict';
import { copyFile, readdir, readFile } from 'node:fs/promises';
import { join as joinPath, resolve } from 'node:path';
import { parse } from 'yaml';
import { netnsNeeds, relayAndStranger } from './netns.ts';
import { type Certificate, type Peers, peerTest } from './support.ts';

const folder = resolve(import.meta.dirname, '../../examples');
const main = resolve(import.meta.dirname, '../../src/cli/main.ts');
const net = { relay: '10.77.0.1', stranger: '10.77.0.2', port: 2525 } as const;

type Keys = Record<string, unknown>;
const list = (value: unknown): Keys[] => [value ?? []].flat().map((one) => Object(one));

/** The example with other addresses, nobody's user, and all mail for elsewhere sent to the stranger. */
async function adapted(name: string, data: string, { cert, key }: Certificate): Promise<Keys> {
  const given: Keys = Object(parse(await readFile(joinPath(folder, name), 'utf8')));
  for (const file of ['aliases.txt', 'users.txt'])
    await copyFile(joinPath(folder, file), joinPath(data, file));
  const { user: _, routes: __, dns: ___, delivery: ____, users, tls, ...kept } = given;
  const file = (key: unknown) => (typeof key === 'string' ? joinPath(data, key) : key);
  return {
    ...kept,
    data: joinPath(data, 'data'),
    logs: { format: 'json' },
    listeners: list(given.listeners).map(({ interface: _, ...listener }, index) => ({
      ...listener,
      address: `${net.relay}:${2500 + index}`,
    })),
    domains: list(given.domains).map(({ owner: _, aliases, recipients, ...domain }) => ({
      ...domain,
      ...(domain.deliver !== undefined && { deliver: 'capture' }),
      ...(aliases !== undefined && { aliases: file(aliases) }),
      ...(recipients !== undefined && {
        recipients:
          recipients === 'verify'
            ? 'any'
            : typeof recipients === 'object' && 'file' in Object(recipients)
              ? { file: file(Object(recipients).file) }
              : recipients,
      }),
    })),
    ...(users !== undefined && { users: { file: joinPath(data, 'users.yaml') } }),
    ...(tls !== undefined && { tls: { cert, key } }),
    routes: [{ to: '*', via: `smtp://${net.stranger}:${net.port}`, tls: 'none' }],
  };
}

async function attackExample(peers: Peers, name: string) {
  const { relay, stranger } = await relayAndStranger(peers, {
    relay: `${net.relay}/24`,
    stranger: `${net.stranger}/24`,
  });
  const data = await peers.folder('example');
  const configuration = await adapted(name, data, await peers.certificate());
  const posthouse = await peers.posthouse(configuration, relay.prefix);
  const [domain] = list(configuration.domains);
  const targets = list(configuration.listeners).map(({ address }) => String(address));
  const args = [
    '--domain',
    String(domain?.name ?? configuration.hostname ?? 'relay.test'),
    '--helo',
    'third.test',
  ];
  const sink = ['--deliver', 'box@third.test', '--listen', `${net.stranger}:${net.port}`, '--wait', '5'];
  const home = ['--data', await peers.folder('tester')];
  // Port 2500 says nothing of TLS, so each kind of listener is tested by itself.
  const lines: Keys[] = [];
  for (const [index, target] of targets.entries()) {
    const role = list(configuration.listeners)[index]?.role;
    const tls = ['--tls', role === 'submissions' ? 'implicit' : role === 'submission' ? 'starttls' : 'none'];
    const words = [main, 'probe', target, '--all', '--json', ...args, ...sink, ...home, ...tls];
    const outcome = await stranger.run(process.execPath, words, { timeoutMs: 120_000 });
    assert.equal(outcome.stderr, '');
    for (const line of outcome.stdout.trim().split('\n')) lines.push(Object(JSON.parse(line)));
  }
  const audit = await posthouse.command('audit', '--json').catch((error: unknown) => String(error));
  return { lines, audit };
}

const names = (await readdir(folder)).filter((name) => name.endsWith('.yaml'));
for (const name of names.filter((one) => one !== 'open-lab.yaml' && one !== 'trap.yaml')) {
  peerTest(`${name} relays nothing for a stranger`, netnsNeeds, async (peers) => {
    const { lines, audit } = await attackExample(peers, name);
    const cases = lines.filter((line) => line.case !== undefined);
    assert.ok(cases.length > 350, JSON.stringify(lines.at(-1)));
    const relayed = cases.filter(({ verdict }) => verdict === 'relayed');
    assert.deepEqual(relayed, []);
    // Nothing is left in doubt: what was taken was for one of ours.
    const doubtful = cases.filter(({ verdict }) => verdict === 'disconnected' || verdict === 'blocked');
    assert.deepEqual(doubtful, []);
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
