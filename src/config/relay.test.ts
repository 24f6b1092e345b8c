import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { rootCertificates } from 'node:tls';
import { loadConfig } from './index.ts';

/** The keys that decide which clients may relay. */

const certificate = readFileSync(new URL('../client/testdata/cert.pem', import.meta.url), 'utf8');
const key = readFileSync(new URL('../client/testdata/key.pem', import.meta.url), 'utf8');
const files: Readonly<Record<string, string>> = {
  'cert.pem': certificate,
  'key.pem': key,
  'own-ca.pem': certificate,
  'public-ca.pem': `${certificate}\n${rootCertificates[3]}\n`,
  'empty.pem': 'nothing\n',
  'broken.pem': '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n',
};

function load(text: string) {
  const read = (path: string) => files[path.slice(path.lastIndexOf('/') + 1)] ?? '';
  return loadConfig(text, { file: '/etc/posthouse/p.yaml', env: { hostname: 'box.example', read } });
}

function config(text: string) {
  const result = load(text);
  assert.ok(result.ok, result.ok ? '' : JSON.stringify(result.problems));
  return result.config;
}

function problem(text: string): string {
  const result = load(text);
  assert.ok(!result.ok, `taken: ${text}`);
  assert.equal(result.problems.length, 1, JSON.stringify(result.problems));
  const [{ path = '', message = '' } = {}] = result.problems;
  return `${path}: ${message}`;
}

const tls = 'tls: { cert: cert.pem, key: key.pem }\n';
const print = 'AB:'.repeat(31);
const listed = `relay: { certificates: { fingerprint: "SHA256:${print}ab", name: fax, senders: "*@x.example" } }\n`;

test('a submission listener has TLS of its kind and somebody who can be known', () => {
  const at = (role: string, more = '') => `listeners: { role: ${role}, address: "0.0.0.0:1"${more} }\n`;
  const table = [
    [`${at('submission')}${listed}`, 'listeners[0]: a submission listener needs a certificate'],
    [`${tls}${at('submission')}`, 'listeners[0]: nobody can log in'],
    [
      `${tls}${at('submissions', ', tls: starttls')}${listed}`,
      'listeners[0].tls: submissions protects passwords by TLS',
    ],
    [
      `${tls}${at('submission', ', tls: none')}${listed}`,
      'listeners[0].tls: submission protects passwords by TLS',
    ],
    [`${tls}${at('mx', ', auth: true')}`, 'listeners[0].auth: there are no users'],
  ] as const;
  for (const [text, expected] of table) assert.equal(problem(text), expected, text);
  assert.equal(config(`${tls}${at('submission')}${listed}`).listeners[0]?.tls, 'starttls');
  assert.equal(config(`${tls}${at('submissions')}${listed}`).listeners[0]?.tls, 'implicit');
  assert.equal(config(`${tls}${at('mx')}${listed}`).listeners[0]?.offersAuth, false);
});

test('a certificate is known by its fingerprint, however it is written', () => {
  const { relay } = config(listed);
  assert.equal(relay.certificates[0]?.fingerprint, `sha256:${'ab'.repeat(32)}`);
  assert.equal(relay.certificates[0]?.name, 'fax');
  assert.equal(relay.certificates[0]?.senders?.[0]?.kind, 'domain');
  const one = (entry: string) => problem(`relay: { certificates: ${entry} }`);
  assert.match(one('{ fingerprint: "sha256:00" }'), /not a SHA-256 fingerprint/);
  assert.match(one('{ name: fax }'), /needs either a fingerprint or a ca/);
  assert.match(one('{ ca: own-ca.pem, name: fax }'), /name and senders are of one certificate/);
  assert.match(
    one(`{ fingerprint: "${'ab'.repeat(32)}", senders: "a@b@c d" }`),
    /not an address or a pattern/,
  );
});

test('a client authority is one of our own', () => {
  assert.equal(config('relay: { certificates: { ca: own-ca.pem } }').relay.clientAuthorities.length, 1);
  assert.match(
    problem('relay: { certificates: { ca: public-ca.pem } }'),
    /is a public authority: this is an open relay/,
  );
  assert.match(problem('relay: { certificates: { ca: empty.pem } }'), /there is no certificate in the file/);
  assert.match(problem('relay: { certificates: { ca: broken.pem } }'), /not usable/);
});

test('an open relay is on private addresses, or acknowledged in a sentence', () => {
  const open = (address: string, more = '') =>
    `listeners: { role: mx, address: "${address}" }\nrelay: { open: true${more} }\n`;
  for (const address of ['127.0.0.1:25', '10.0.0.1:25', '[::1]:25', '[fd00::1]:25', '192.168.3.4:25'])
    assert.equal(config(open(address)).relay.open, true);
  for (const address of ['0.0.0.0:25', '[::]:25', '192.0.2.1:25', '[2001:db8::1]:25']) {
    assert.match(problem(open(address)), /^relay\.open: anybody could relay through/);
    assert.match(
      problem(open(address, ', openAcknowledgement: "yes, really"')),
      /openAcknowledgement: is too short/,
    );
    const said = ', openAcknowledgement: "strangers may relay through this machine"';
    assert.equal(
      config(open(address, said)).relay.openAcknowledgement,
      'strangers may relay through this machine',
    );
  }
});

test('networks of a listener are networks, and everybody is no network', () => {
  const at = (networks: string) =>
    `listeners: { role: internal, address: "10.8.0.1:25", networks: "${networks}" }\n`;
  assert.deepEqual(config(at('10.8.0.0/24')).listeners[0]?.networks, [
    { address: '10.8.0.0', prefix: 24, family: 'ipv4' },
  ]);
  for (const one of ['64:ff9b::10.0.0.0/104', '2002:a00::/24', '2001:db8::/32', 'fc00::/7', 'fe80::/10'])
    assert.equal(config(at(one)).listeners[0]?.networks.length, 1, one);
  for (const wide of ['0.0.0.0/0', '::/0', '128.0.0.0/1', '2000::/3'])
    assert.match(problem(at(wide)), /open relay/);
});
