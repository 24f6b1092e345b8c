import assert from 'node:assert/strict';
import { test } from 'node:test';
import { editCapabilities, saslName } from './proxy-login.ts';

const base64 = (text: string) => Buffer.from(text, 'utf8').toString('base64');

const names: readonly (readonly [
  mechanism: string,
  responses: readonly string[],
  name: string | undefined,
])[] = [
  ['PLAIN', ['\0anna\0secret'], 'anna'],
  ['plain', ['anna\0anna\0secret'], 'anna'],
  ['PLAIN', ['boss\0master\0secret'], undefined],
  ['PLAIN', ['\0anna'], undefined],
  ['LOGIN', ['anna@example.org', 'secret'], 'anna@example.org'],
  ['LOGIN', ['secret'], undefined],
  ['LOGIN', ['anna', 'secret', 'boss'], undefined],
  ['LOGIN', ['anna\tboss', 'secret'], undefined],
  ['PLAIN', ['\0anna\0secret\0boss'], undefined],
  ['PLAIN', ['\0anna\r\nboss\0secret'], undefined],
  ['XOAUTH2', ['user=anna\r\nboss\x01auth=Bearer x\x01\x01'], undefined],
  ['CRAM-MD5', [`anna ${'0'.repeat(32)}`], 'anna'],
  ['XOAUTH2', ['user=anna@example.org\x01auth=Bearer x\x01\x01'], 'anna@example.org'],
  ['XOAUTH2', ['user=anna\x01auth=Bearer x\x01user=boss\x01\x01'], undefined],
  ['OAUTHBEARER', ['n,a=anna=2Cjr,\x01auth=Bearer x\x01\x01'], 'anna,jr'],
  ['OAUTHBEARER', ['n,a=anna,\x01a=boss\x01auth=Bearer x\x01\x01'], undefined],
  ['OAUTHBEARER', ['n,,\x01auth=Bearer x\x01\x01'], undefined],
  ['SCRAM-SHA-256', ['n,,n=anna,r=abc', 'c=biws,r=abc,p=x'], 'anna'],
  ['SCRAM-SHA-256', ['n,a=boss,n=anna,r=abc', 'c=biws,r=abc,p=x'], undefined],
  ['ANONYMOUS', ['trace'], undefined],
  ['GSSAPI', ['x'], undefined],
  ['PLAIN', [], undefined],
];

for (const [mechanism, responses, name] of names) {
  test(`${mechanism} with ${JSON.stringify(responses)} is ${name ?? 'nobody'}`, () => {
    assert.equal(saslName(mechanism, responses.map(base64)), name);
  });
}

test('base 64 that two programs might read differently is nobody', () => {
  const anna = base64('\0anna\0x');
  for (const odd of [`${anna}=`, ` ${anna}`, `${anna}=${anna}`, anna.replace(/=+$/, '-'), `${anna}\t`])
    assert.equal(saslName('PLAIN', [odd]), undefined, odd);
  assert.equal(saslName('LOGIN', [Buffer.from([0xff, 0x41]).toString('base64')]), undefined);
});

const server = [
  'TOP',
  'UIDL',
  'STLS',
  'USER',
  'SASL PLAIN LOGIN SCRAM-SHA-256 SCRAM-SHA-256-PLUS',
  'PIPELINING',
];

test('what a server can do is told as it is for a client of the proxy', () => {
  assert.deepEqual(editCapabilities(server, { canSecure: true, allowsPlain: false }), [
    ...['TOP', 'UIDL', 'SASL SCRAM-SHA-256', 'PIPELINING', 'STLS'],
  ]);
  assert.deepEqual(editCapabilities(server, { canSecure: false, allowsPlain: true }), [
    ...['TOP', 'UIDL', 'USER', 'SASL PLAIN LOGIN SCRAM-SHA-256', 'PIPELINING'],
  ]);
  assert.deepEqual(editCapabilities(['SASL PLAIN'], { canSecure: false, allowsPlain: false }), []);
});
