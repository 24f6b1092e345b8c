import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SharedAddress } from '../base/index.ts';
import { loadConfig } from '../config/index.ts';
import { configWarnings } from './checks.ts';

function warnings(text: string, own: ReadonlyMap<string, SharedAddress> = new Map()): string[] {
  const loaded = loadConfig(text, {
    file: '/etc/posthouse/p.yaml',
    env: { hostname: 'box.example', read: () => '' },
  });
  assert.ok(loaded.ok, loaded.ok ? '' : JSON.stringify(loaded.problems));
  return configWarnings(loaded.config, own).map(({ path, message }) => `${path}: ${message}`);
}

test('an open relay is said at each start, with the words of the operator', () => {
  const [said] = warnings(
    'listeners: { role: mx, address: "192.0.2.1:25" }\nrelay: { open: true, openAcknowledgement: "strangers may relay through this machine" }\n',
  );
  assert.match(said ?? '', /^relay\.open: anybody .* says: "strangers may relay through this machine"$/);
  assert.deepEqual(warnings('relay: { networks: "10.0.0.0/8" }\n'), []);
});

test('a trusted network that holds our gateway, a bridge of ours or a proxy is said to count for less', () => {
  const own = new Map<string, SharedAddress>([
    ['172.22.1.1', { kind: 'gateway' }],
    ['172.17.0.1', { kind: 'bridge', interface: 'docker0' }],
    ['192.168.1.1', { kind: 'gateway' }],
  ]);
  const text =
    'relay: { networks: ["172.16.0.0/12", "10.0.0.0/24"] }\nlisteners: { role: mx, address: "127.0.0.1:1", proxyProtocolFrom: "10.0.0.2" }\n';
  const found = warnings(text, own);
  assert.equal(found.length, 3, found.join('\n'));
  assert.match(found[0] ?? '', /172\.22\.1\.1 gives no grant: it is our default gateway.*PROXY protocol/);
  assert.match(found[1] ?? '', /172\.17\.0\.1 gives no grant: it is our own address on the bridge docker0/);
  assert.match(found[2] ?? '', /10\.0\.0\.2 is a listed proxy/);
});

test('a large public network is asked about', () => {
  assert.match(warnings('relay: { networks: "203.0.0.0/16" }\n')[0] ?? '', /is all of it yours\?$/);
  assert.deepEqual(warnings('relay: { networks: "203.0.113.0/24" }\n'), []);
});

test('users who may log in and not relay are perhaps not meant', () => {
  const text = 'users: { file: u.yaml }\nlisteners: { role: internal, address: "127.0.0.1:1" }\n';
  assert.match(warnings(text)[0] ?? '', /^relay\.authenticated: users may log in/);
  assert.deepEqual(warnings(`${text}relay: { authenticated: true }\n`), []);
});

test('a rule that does more than tag what is merely bulk is warned of', () => {
  const rules = (text: string) => warnings(`clearinghouse: { relay: [${text}] }\n`);
  for (const action of ['hold', 'refuse', 'defer'])
    for (const when of ['', ', when: bulk'])
      assert.match(
        rules(`{ action: tag }, { action: ${action}${when} }`)[0] ?? '',
        /^clearinghouse\.relay\[1\]: .*"when: reported" is safer$/,
      );
  assert.deepEqual(rules('{ action: tag }, { action: hold, when: reported }'), []);
});
