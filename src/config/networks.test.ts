import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatProblem, loadConfig } from './index.ts';

/** Addresses and networks, as they are written. */

function load(text: string) {
  return loadConfig(text, { file: 'p.yaml', env: { hostname: 'box.example' } });
}

function config(text: string) {
  const result = load(text);
  assert.ok(result.ok, result.ok ? '' : JSON.stringify(result.problems));
  return result.config;
}

function problems(text: string): string[] {
  const result = load(text);
  return result.ok ? [] : result.problems.map(formatProblem);
}

test('networks of everybody are an open relay, however they are written', () => {
  const wide = [
    ...[
      '0.0.0.0/0',
      '::/0',
      '0.0.0.0/1',
      '128.0.0.0/1',
      '::ffff:0.0.0.0/96',
      '::ffff:8.0.0.0/102',
      '2000::/3',
    ],
    // Wider than any private network, whichever address names it.
    ...['0.0.0.0/7', '10.0.0.0/7', '127.0.0.0/7', '::/8'],
    // All of IPv4 behind a translator, or a large part of it.
    ...[
      '64:ff9b::/96',
      '64:ff9b::/64',
      '64:ff9b::8.0.0.0/103',
      '64::/16',
      '2002::/16',
      '2002:808::/23',
      '2001::/32',
    ],
    ...['2001:0:808:808::/64', '2001::/16'],
  ];
  for (const network of wide) {
    assert.match(
      problems(`relay: { networks: "${network}" }`).join(),
      /open relay \(that is relay\.open/,
      network,
    );
  }
  config('relay: { networks: ["10.0.0.0/8", "fc00::/7", "192.0.2.0/24", "2001:db8::/32"] }');
});

test('nobody may be believed about the address of a client by everybody', () => {
  assert.match(problems('xclientFrom: "::/0"').join(), /anybody could claim any address/);
  const listener = 'listeners: { role: mx, address: "127.0.0.1:0", proxyProtocolFrom: 0.0.0.0/0 }';
  assert.match(problems(listener).join(), /anybody could claim any address/);
});

test('an address with a zone, or in a spelling that some programs read otherwise, is said to be wrong', () => {
  const at = (address: string) => `listeners: { role: internal, address: "${address}" }\n`;
  assert.match(problems(at('[fe80::1%eth0]:25')).join(), /has a zone/);
  for (const odd of ['010.0.0.1:25', '10.1:25', '167772161:25', '0x0a000001:25'])
    assert.match(problems(at(odd)).join(), /not an IP address and port/);
  assert.equal(config(at('[::FFFF:10.0.0.1]:25')).listeners[0]?.host, '10.0.0.1');
  const network = (text: string) =>
    `listeners: { role: internal, address: "10.8.0.1:25", networks: "${text}" }\n`;
  for (const odd of ['010.8.0.0/16', '10.8/16', 'fe80::1%eth0', '[::1]/128', '10.8.0.0/016x'])
    assert.match(problems(network(odd)).join(), /not a network/, odd);
});
