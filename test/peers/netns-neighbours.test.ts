/**
 * The battery from those who are next to somebody trusted, against each configuration in `examples/`, to which a filter
 * with XCLIENT, a certificate and windows of POP before SMTP were added: from behind that filter, whose own certificate
 * is listed; with a certificate that only looks like the listed one; and from the address at which somebody else, and
 * from an address beside the one at which somebody, has just read mail.
 */
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import {
  type Attack,
  adapted,
  assertClosed,
  attack,
  closedExamples,
  domainOf,
  type Keys,
  list,
  listenersOf,
  net,
} from './examples.ts';
import type { FilterOptions } from './filter.ts';
import { type Netns, netnsNeeds, relayAndStranger } from './netns.ts';
import { type Certificate, type Peers, type Posthouse, Program, peerTest } from './support.ts';

const needs = [...netnsNeeds, 'openssl', 'curl'];
const filterProgram = resolve(import.meta.dirname, 'filter.ts');
const filterAddress = '10.77.0.3';
const reader = 'reader@mailboxes.test';
const token = '0123456789abcdef0123456789abcdef';

/** The example with the three grounds; `filter` holds the certificate that is listed. */
async function withNeighbours(
  peers: Peers,
  example: string,
  { server, filter }: { readonly server: Certificate; readonly filter: Certificate },
): Promise<Keys> {
  const data = await peers.folder('example');
  const configuration = await adapted(example, data, server);
  const file = join(data, 'token');
  await writeFile(file, `${token}\n`);
  const fingerprint = new X509Certificate(await readFile(filter.cert)).fingerprint256;
  return {
    ...configuration,
    tls: server,
    routes: [{ to: 'away.test', via: 'capture' }, ...list(configuration.routes)],
    xclientFrom: [`${filterAddress}/32`],
    relay: {
      ...Object(configuration.relay),
      certificates: [{ fingerprint: `sha256:${fingerprint}`, name: 'filter' }],
      popBeforeSmtp: { window: '20m', events: { address: '127.0.0.1:8110', token: { file } } },
    },
  };
}

/** A login to a mailbox from that address, as a mail server would report it. */
async function readMail(relay: Netns, address: string): Promise<void> {
  const { stdout } = await relay.run('curl', [
    ...['-s', '-H', `Authorization: Bearer ${token}`, '-H', 'Content-Type: application/json'],
    ...['-d', JSON.stringify({ address, user: reader }), 'http://127.0.0.1:8110/windows'],
  ]);
  assert.match(stdout, /"(?:opened|renewed)"/);
}

/** A filter for each listener; gives where the tester finds them. */
async function filters(
  peers: Peers,
  at: { readonly netns: Netns; readonly address: string; readonly port: number },
  options: Pick<FilterOptions, 'cert' | 'key' | 'xclient'> & { readonly listeners: Attack['targets'] },
): Promise<Attack['targets']> {
  const { listeners, ...same } = options;
  const found: Attack['targets'][number][] = [];
  for (const [index, { at: to, tls }] of listeners.entries()) {
    const from = at.port + index;
    const how: FilterOptions = {
      ...same,
      from,
      to,
      source: at.address,
      tls: tls === 'none' ? 'starttls' : tls,
    };
    const [program = '', ...prefix] = at.netns.prefix;
    const running = new Program(program, [...prefix, process.execPath, filterProgram, JSON.stringify(how)]);
    peers.use({ [Symbol.asyncDispose]: async () => void (await running.stop()) });
    await running.line((line) => line === 'ready');
    found.push({ at: `${at.address}:${from}`, tls: 'none' });
  }
  return found;
}

/** The listed certificate relays when nobody stands behind it: curl's exit code. */
async function sends(from: Netns, at: string): Promise<void> {
  const { code, stderr } = await from.run(
    'curl',
    ['-sS', `smtp://${at}`, '--mail-from', 'fax@away.test', '--mail-rcpt', 'u@away.test', '-T', '-'],
    { input: 'From: fax@away.test\r\nSubject: fax\r\n\r\nHello.\r\n' },
  );
  assert.equal(code, 0, stderr);
}

/** The relay's log lines of mail that left for another host. */
function relayed(posthouse: Posthouse): readonly unknown[] {
  return posthouse.log().filter((line) => String(line.relay ?? '').includes(`${net.stranger}:${net.port}`));
}

/** A relay with the example and the grounds, a stranger, and the battery from there. */
async function place(peers: Peers, name: string) {
  const { relay, stranger } = await relayAndStranger(peers, {
    relay: `${net.relay}/24`,
    stranger: `${net.stranger}/24`,
  });
  // The filter is at the stranger's, so that whoever comes through it could be anybody.
  await stranger.ip('address', 'add', `${filterAddress}/24`, 'dev', 'eth0');
  const [server, listed] = [await peers.certificate(), await peers.certificate()];
  const configuration = await withNeighbours(peers, name, { server, filter: listed });
  const posthouse = await peers.posthouse(configuration, relay.prefix);
  const domain = domainOf(configuration);
  const battery = async (targets: Attack['targets']) => {
    const home = await peers.folder('tester');
    assertClosed(await attack({ from: stranger, targets, domain, home }));
    assert.deepEqual(relayed(posthouse), []);
  };
  return { relay, stranger, posthouse, listed, battery, listeners: listenersOf(configuration) };
}

for (const name of closedExamples) {
  peerTest(
    `${name} relays nothing for strangers behind a filter with a certificate`,
    needs,
    async (peers) => {
      const { stranger, listed, battery, listeners } = await place(peers, name);
      const shown = { netns: stranger, address: net.stranger, port: 2800 };
      await sends(stranger, (await filters(peers, shown, { listeners, ...listed }))[0]?.at ?? '');
      const behind = { netns: stranger, address: filterAddress, port: 2600 };
      const said = { xclient: `ADDR=${net.stranger} NAME=[UNAVAILABLE]` };
      await battery(await filters(peers, behind, { listeners, ...listed, ...said }));
    },
  );

  peerTest(`${name} relays nothing for a certificate that looks like a listed one`, needs, async (peers) => {
    const { stranger, battery, listeners } = await place(peers, name);
    const beside = { netns: stranger, address: net.stranger, port: 2700 };
    await battery(await filters(peers, beside, { listeners, ...(await peers.certificate()) }));
  });

  peerTest(`${name} relays nothing beside the address of somebody who read mail`, needs, async (peers) => {
    const { relay, battery, listeners } = await place(peers, name);
    await readMail(relay, '10.77.0.4');
    await battery(listeners);
  });

  peerTest(
    `${name} relays nothing for others at the address of somebody who read mail`,
    needs,
    async (peers) => {
      const { relay, posthouse, battery, listeners } = await place(peers, name);
      await readMail(relay, net.stranger);
      const asked = ['--client', net.stranger, '--from', reader, '--to', 'u@away.test'];
      assert.match(await posthouse.command('explain', ...asked), /→ pop-before-smtp +grants/);
      await battery(listeners);
    },
  );
}
