/** Where somebody is, as a ground: a tunnel, an interface, and the addresses that say nothing. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ip, join as joinByVeth, Netns, netnsNeeds, relayAndStranger } from './netns.ts';
import { type Peers, type Posthouse, peerTest, until } from './support.ts';

const needs = [...netnsNeeds, 'python3'];

/** Says MAIL and RCPT to a stranger's domain, and prints the reply to RCPT. */
const ask = `
import smtplib, sys
source = (sys.argv[3], 0) if len(sys.argv) > 3 else None
server = smtplib.SMTP(sys.argv[1], int(sys.argv[2]), timeout=20, source_address=source)
server.ehlo("client.test")
server.mail("a@client.test")
print(server.rcpt("u@away.test")[0])
server.quit()
`;

async function answer(from: Netns, to: string, port: number, source?: string): Promise<number> {
  const more = source === undefined ? [] : [source];
  const { stdout, stderr } = await from.run('python3', ['-c', ask, to, String(port), ...more]);
  const code = Number(stdout.trim());
  if (!(code > 0)) throw new Error(stderr);
  return code;
}

/** Waits for a refusal that is logged with this reason. */
async function refusedBecause(posthouse: Posthouse, reason: RegExp): Promise<void> {
  await until(`a refusal because of ${reason}`, async () => {
    const refused = posthouse.log().filter(({ event, stage }) => event === 'refused' && stage === 'rcpt');
    return refused.some(({ because }) => reason.test(String(because))) || undefined;
  });
}

function relayIn(
  peers: Peers,
  netns: Netns,
  configuration: Readonly<Record<string, unknown>>,
): Promise<Posthouse> {
  return peers.posthouse({ routes: [{ to: '*', via: 'capture' }], ...configuration }, netns.prefix);
}

peerTest(
  'whoever is inside the tunnel relays, and whoever is outside does not, even to its address',
  needs,
  async (peers) => {
    const { relay, stranger } = await relayAndStranger(peers, {
      relay: '192.0.2.1/24',
      stranger: '192.0.2.9/24',
    });
    const inside = await Netns.make(peers, 'inside');
    await joinByVeth(
      { netns: relay, address: '10.8.0.1/24', device: 'wg0' },
      { netns: inside, address: '10.8.0.7/24' },
    );
    // Linux takes packets for any of its addresses on any interface.
    await stranger.ip('route', 'add', '10.8.0.0/24', 'via', '192.0.2.1');
    await relayIn(peers, relay, {
      relay: {},
      listeners: [
        { role: 'internal', name: 'vpn', address: '10.8.0.1:2525', interface: 'wg0' },
        { role: 'mx', name: 'public', address: '192.0.2.1:2525' },
      ],
    });
    assert.equal(await answer(inside, '10.8.0.1', 2525), 250);
    assert.equal(await answer(stranger, '192.0.2.1', 2525), 550);
    assert.equal(await answer(stranger, '10.8.0.1', 2525), 550, 'the address of the tunnel, from outside');
    // The networks of the tunnel count on its listener only.
    await inside.ip('route', 'add', '192.0.2.0/24', 'via', '10.8.0.1');
    assert.equal(await answer(inside, '192.0.2.1', 2525), 550);
  },
);

peerTest('behind our own gateway everybody looks alike, and nobody relays', needs, async (peers) => {
  // As in a container: the address of the bridge is our gateway, and its proxy connects from there.
  const container = await Netns.make(peers, 'container');
  const host = await Netns.make(peers, 'host');
  const stranger = await Netns.make(peers, 'stranger');
  await joinByVeth(
    { netns: host, address: '192.0.2.1/24', device: 'eth0' },
    { netns: stranger, address: '192.0.2.9/24' },
  );
  await ip('-n', host.name, 'link', 'add', 'br0', 'type', 'bridge');
  await host.ip('address', 'add', '172.22.1.1/24', 'dev', 'br0');
  await host.ip('link', 'set', 'br0', 'up');
  await ip(
    'link',
    'add',
    'eth0',
    'netns',
    container.name,
    'type',
    'veth',
    'peer',
    'name',
    'port1',
    'netns',
    host.name,
  );
  await host.ip('link', 'set', 'port1', 'master', 'br0', 'up');
  await container.ip('address', 'add', '172.22.1.5/24', 'dev', 'eth0');
  await container.ip('link', 'set', 'eth0', 'up');
  await container.ip('route', 'add', 'default', 'via', '172.22.1.1');
  const posthouse = await relayIn(peers, container, {
    relay: { networks: ['172.22.1.0/24'] },
    listeners: [{ role: 'mx', address: '0.0.0.0:2525' }],
  });
  const proxy = join(await peers.folder('proxy'), 'proxy.py');
  await writeFile(proxy, userlandProxy);
  const running = host.run('python3', [proxy, '192.0.2.1', '25', '172.22.1.5', '2525'], {
    timeoutMs: 60_000,
  });
  peers.use({ [Symbol.asyncDispose]: async () => void (await running.catch(() => {})) });
  await reachable(stranger, '192.0.2.1', 25);
  assert.equal(await answer(stranger, '192.0.2.1', 25), 550, 'an open relay, if the address counted');
  await refusedBecause(posthouse, /in networks, but 172\.22\.1\.1 is our default gateway/);
  // Another container is somebody of its own.
  const neighbour = await Netns.make(peers, 'neighbour');
  await ip(
    'link',
    'add',
    'eth0',
    'netns',
    neighbour.name,
    'type',
    'veth',
    'peer',
    'name',
    'port2',
    'netns',
    host.name,
  );
  await host.ip('link', 'set', 'port2', 'master', 'br0', 'up');
  await neighbour.ip('address', 'add', '172.22.1.6/24', 'dev', 'eth0');
  await neighbour.ip('link', 'set', 'eth0', 'up');
  assert.equal(await answer(neighbour, '172.22.1.5', 2525), 250);
  // Its own end of the pair is no client either.
  assert.equal(await answer(container, '172.22.1.5', 2525, '172.22.1.5'), 550);
  await refusedBecause(posthouse, /the end of a container/);
});

peerTest('what comes from a bridge of ours has no address of its own', needs, async (peers) => {
  const { relay, stranger } = await relayAndStranger(peers, {
    relay: '192.0.2.1/24',
    stranger: '192.0.2.9/24',
  });
  await ip('-n', relay.name, 'link', 'add', 'docker0', 'type', 'bridge');
  await relay.ip('address', 'add', '172.17.0.1/16', 'dev', 'docker0');
  await relay.ip('link', 'set', 'docker0', 'up');
  const posthouse = await relayIn(peers, relay, {
    relay: { networks: ['172.16.0.0/12', '192.0.2.9/32'] },
    listeners: [{ role: 'mx', address: '0.0.0.0:2525' }],
  });
  assert.equal(await answer(stranger, '192.0.2.1', 2525), 250);
  assert.equal(await answer(relay, '172.17.0.1', 2525, '172.17.0.1'), 550);
  await refusedBecause(posthouse, /our own address on the bridge docker0/);
});

peerTest('a listed proxy relays for nobody until it says for whom it speaks', needs, async (peers) => {
  const { relay, stranger } = await relayAndStranger(peers, {
    relay: '10.77.0.1/24',
    stranger: '10.77.0.9/24',
  });
  const posthouse = await relayIn(peers, relay, {
    relay: { networks: ['10.77.0.0/24'] },
    listeners: [
      { role: 'mx', name: 'direct', address: '10.77.0.1:2525' },
      { role: 'mx', name: 'proxied', address: '10.77.0.1:2526', proxyProtocolFrom: ['10.77.0.9'] },
    ],
  });
  assert.equal(await answer(stranger, '10.77.0.1', 2525), 550);
  await refusedBecause(posthouse, /10\.77\.0\.9 is a listed proxy that did not say for whom it speaks/);
});

/** Waits until the port answers. */
async function reachable(from: Netns, host: string, port: number): Promise<void> {
  const probe = `
import socket, sys, time
end = time.time() + 20
while time.time() < end:
    try:
        socket.create_connection((sys.argv[1], int(sys.argv[2])), 1).close()
        sys.exit(0)
    except OSError:
        time.sleep(0.05)
sys.exit(1)
`;
  const { code } = await from.run('python3', ['-c', probe, host, String(port)]);
  assert.equal(code, 0, `${host}:${port} does not answer`);
}

/** A container engine's proxy for a published port: it connects from the bridge, whatever the client's address. */
const userlandProxy = `
import socket, sys, threading
def pump(a, b):
    try:
        while data := a.recv(65536):
            b.sendall(data)
        b.shutdown(socket.SHUT_WR)
    except OSError:
        pass
listener = socket.create_server((sys.argv[1], int(sys.argv[2])))
listener.settimeout(15)
try:
    while True:
        client, _ = listener.accept()
        client.settimeout(None)
        upstream = socket.create_connection((sys.argv[3], int(sys.argv[4])))
        threading.Thread(target=pump, args=(client, upstream), daemon=True).start()
        threading.Thread(target=pump, args=(upstream, client), daemon=True).start()
except TimeoutError:
    pass
`;
