import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { loadConfig } from './index.ts';

/** Keys of POP3 and of POP before SMTP. */

const testdata = (name: string) =>
  readFileSync(new URL(`../client/testdata/${name}`, import.meta.url), 'utf8');
const files: Readonly<Record<string, string>> = {
  'cert.pem': testdata('cert.pem'),
  'key.pem': testdata('key.pem'),
  'window.token': '0123456789abcdef\n',
  'short.token': 'secret\n',
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
const windows = 'relay: { popBeforeSmtp: { window: 20m } }\n';
const users = 'users: { file: users.yaml }\n';
const mailboxes = 'domains: [{ name: example.org, deliver: "maildir:/mail/{local}" }]\n';
const listener = (text: string) => `pop3: { listeners: [${text}] }\n`;
const via = 'via: { server: "pop3://127.0.0.1:1110" }';

test('windows have the defaults that the manual gives, and other numbers when they are asked for', () => {
  const { popBeforeSmtp } = config(windows).relay;
  assert.equal(popBeforeSmtp?.windows.windowMs, 1_200_000);
  assert.equal(popBeforeSmtp?.events, undefined);
  assert.equal(config('').relay.popBeforeSmtp, undefined);
  const other = config(
    'relay: { popBeforeSmtp: { window: 5m, maxLife: 1h, identitiesPerAddress: 3, ipv6Prefix: 64, allowSharedRange: true, events: { address: "127.0.0.1:8110", token: { file: window.token } } } }',
  ).relay.popBeforeSmtp;
  assert.deepEqual(other, {
    windows: {
      windowMs: 300_000,
      maxLifeMs: 3_600_000,
      identitiesPerAddress: 3,
      ipv6Prefix: 64,
      allowSharedRange: true,
      allowLoopback: false,
    },
    events: { host: '127.0.0.1', port: 8110, token: '0123456789abcdef' },
  });
});

test('a proxy asks servers elsewhere for TLS, and port 995 is under TLS', () => {
  const more = (server: string) => `{ address: "0.0.0.0:995", via: { server: "${server}" } }`;
  const kinds = [
    'pop3://127.0.0.1:1110',
    'pop3://localhost',
    'pop3://mail.example',
    'pop3s://mail.example',
    'POP3S://[2001:db8::1]:1995',
  ].map((server) => {
    const [first] = config(`${tls}${windows}${listener(more(server))}`).pop3.listeners;
    assert.equal(first?.tls, 'implicit');
    return [first?.via?.host, first?.via?.port, first?.via?.tls];
  });
  assert.deepEqual(kinds, [
    ['127.0.0.1', 1110, 'none'],
    ['localhost', 110, 'none'],
    ['mail.example', 110, 'stls'],
    ['mail.example', 995, 'implicit'],
    ['2001:db8::1', 1995, 'implicit'],
  ]);
  const [plain] = config(`${windows}${listener(`{ address: "127.0.0.1", ${via} }`)}`).pop3.listeners;
  assert.deepEqual([plain?.port, plain?.tls, plain?.name], [110, 'none', 'pop3 127.0.0.1:110']);
});

const wrong: readonly (readonly [text: string, expected: RegExp])[] = [
  [
    `${windows}${listener('{ address: "127.0.0.1:110", via: { server: "imap://x" } }')}`,
    /via\.server: not a POP3 server/,
  ],
  [`${windows}${listener('{ address: "127.0.0.1:110", via: { server: "pop3://x:0" } }')}`, /0 is no port/],
  [`${listener(`{ address: "127.0.0.1:110", ${via} }`)}`, /via: a proxy opens relay windows/],
  [`${windows}${listener(`{ address: "127.0.0.1:995", ${via} }`)}`, /there is no certificate/],
  [`${windows}${listener(`{ address: "127.0.0.1:110", tls: stls, ${via} }`)}`, /there is no certificate/],
  [`${tls}${mailboxes}${listener('{ address: "127.0.0.1:110" }')}`, /listeners\[0\]: nobody can log in/],
  [`${tls}${users}${listener('{ address: "127.0.0.1:110" }')}`, /there are no mailboxes to read/],
  [`${users}${mailboxes}${listener('{ address: "127.0.0.1:110" }')}`, /passwords need TLS/],
  [
    `${tls}${users}domains: [{ name: example.org, deliver: "maildir:/mail/all" }]\n${listener('{ address: "127.0.0.1:110" }')}`,
    /there are no mailboxes to read/,
  ],
  [
    `${tls}${windows}${listener(`{ address: "127.0.0.1:2525", ${via} }`)}`,
    /pop3\.listeners\[0\]\.address: .* already/,
  ],
  [
    `${tls}${windows}${listener('{ address: "127.0.0.1:110", via: { server: "pop3s://x", starttls: true } }')}`,
    /starttls: pop3s is under TLS/,
  ],
  ['relay: { popBeforeSmtp: { window: 5m, maxLife: 1m } }', /maxLife: is shorter than window/],
  ['relay: { popBeforeSmtp: { identitiesPerAddress: 0 } }', /identitiesPerAddress/],
  [
    'relay: { popBeforeSmtp: { events: { address: "0.0.0.0:8110", token: { file: window.token } } } }',
    /events\.address: the token would travel in clear/,
  ],
  [
    'relay: { popBeforeSmtp: { events: { address: "127.0.0.1:8110", token: { file: short.token } } } }',
    /token\.file: the token has fewer than 16 characters/,
  ],
];

for (const [text, expected] of wrong) {
  test(`refused: ${text.replaceAll('\n', ' ').slice(0, 140)}`, () => assert.match(problem(text), expected));
}
