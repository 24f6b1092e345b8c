import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatProblem, loadConfig } from './index.ts';

/** Secrets that must never be shown, and text that must never reach a command, a header field or a DNS query. */

function problems(text: string, files: Readonly<Record<string, string>> = {}): string {
  const read = (path: string) => files[path.slice(path.lastIndexOf('/') + 1)] ?? 'something\n';
  const result = loadConfig(text, { file: 'p.yaml', env: { hostname: 'box.example', read } });
  return result.ok ? '' : result.problems.map(formatProblem).join('\n');
}

const urls: readonly (readonly [where: string, text: string, says: RegExp])[] = [
  [
    'via',
    'routes: { via: "URL" }',
    /a password has no place in an address \(write password: \{ file: PATH \}\)/,
  ],
  ['a list of hosts', 'routes: { via: [smtp://a.example, "URL"] }', /write password:/],
  ['fallback', 'routes: { via: mx, fallback: "URL" }', /write password:/],
  ['deliver', 'domains: { name: example.org, deliver: "URL" }', /write password:/],
];
for (const [where, text, says] of urls) {
  test(`a password in the URL of ${where} is an error that says where it belongs, and is not shown`, () => {
    for (const url of [
      'smtp://user:hunter2@smart.example',
      'smtps://user:hunter2@smart.example:465',
      'smtp://anna@example.org:hunter2@smart.example:587',
      'smtp://user:hun/ter2 hunter2@smart.example',
      'smtp://user:hunter2@smart.example:99x',
      'smtp://:hunter2@smart.example',
      'SMTP://user:hunter2@smart.example',
      'lmtp://user:hunter2@127.0.0.1:24',
      'smtp:user:hunter2@smart.example',
      'smtps:/user:hunter2@smart.example:465',
      'lmtp:user:hunter2@127.0.0.1',
      'user:hunter2@smart.example',
    ]) {
      const said = problems(text.replace('URL', url));
      assert.match(said, says, url);
      assert.doesNotMatch(said, /hunter2/, url);
    }
  });
}

test('an address without a password is not taken for one with it', () => {
  const said = (url: string) => problems(`domains: { name: example.org, deliver: "${url}" }`);
  for (const url of ['lmtp:/run/a:b@c', 'maildir:/var/mail/a:b@c', 'smtp://user@h.example:25'])
    assert.doesNotMatch(said(url), /password/, url);
  assert.match(said('smtp:user@h.example'), /not a destination/);
});

test('no other option shows the password of a URL that is written into it', () => {
  const url = 'https://user:hunter2@host.example/path';
  for (const text of [
    `hostname: "${url}"`,
    `listeners: { role: mx, address: "${url}" }`,
    `dns: { servers: "${url}" }`,
    `relay: { networks: "${url}" }`,
    `users: { oauth: { issuer: x, jwks: "${url}" } }`,
    `users: { oauth: { issuer: x, introspection: { url: "${url}", clientId: x, clientSecret: { file: s } } } }`,
    `pop3: { listeners: { address: "127.0.0.1:110", via: { server: "pop3://user:hunter2@host.example" } } }`,
    `routes: { via: "http://user:hunter2@host.example" }`,
    `routes: { via: "smtp://user@host.example", password: hunter2 }`,
    `routes: { via: "smtp://user@host.example", password: 4711, passwords: { host.example: hunter2 } }`,
  ]) {
    const said = problems(text);
    assert.notEqual(said, '', text);
    assert.doesNotMatch(said, /hunter2|4711/, text);
  }
});

test('a control character in a value is an error, wherever it stands', () => {
  const values = ['\\0', '\\r\\n', '\\n', '\\e', '\\x7F', '\\x9b', '\\L', '\\uD800'];
  for (const value of values) {
    for (const text of [
      `hostname: "relay${value}.example.org"`,
      `listeners: { role: mx, address: "127.0.0.1:0", name: "a${value}b" }`,
      `domains: { name: example.org, tagSeparator: "${value}" }`,
      `routes: { to: "a${value}@example.org", via: mx }`,
      `routes: { via: "smtp://us${value}er@host.example" }`,
      `routes: { via: "lmtp:/run/${value}" }`,
      `routes: { via: "mx:example${value}.org" }`,
      `users: { oauth: { issuer: "x${value}", jwks: "https://a.example/" } }`,
      `users: { file: "us${value}ers" }`,
      `relay: { certificates: { fingerprint: "sha256:${'ab'.repeat(32)}", name: "f${value}ax" } }`,
      `postmaster: "post${value}master@example.org"`,
    ])
      assert.match(problems(text), /has a control character|not a domain/, text);
  }
});

test('a control character in the file of a password is an error', () => {
  const text = 'routes: { via: "smtp://user@host.example", password: { file: secret } }';
  for (const secret of ['hun\0ter2\n', 'hunter2\r', '\x1bhunter2\n']) {
    const said = problems(text, { secret });
    assert.match(said, /secret has a control character/);
    assert.doesNotMatch(said, /ter2/);
  }
  assert.equal(problems(text, { secret: 'hunter2\r\n' }), '');
});

test('a sentence may have several lines', () => {
  const text =
    'listeners: { role: mx, address: "0.0.0.0:25" }\nrelay:\n  open: true\n  openAcknowledgement: |\n';
  assert.equal(problems(`${text}    this relay is open\n    for everybody, on purpose\n`), '');
});
