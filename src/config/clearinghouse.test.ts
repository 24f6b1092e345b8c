import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import { selfSigned } from '../base/index.ts';
import { formatProblem, loadConfig } from './index.ts';

const text = (more: string) => `
clearinghouse:
  flood:
    listen: "127.0.0.1:0"
    certificate: cert.pem
    key: key.pem
    networkKey: network
    peers: ${more}
`;

async function load(more: string, files: Readonly<Record<string, string>> = {}) {
  const { cert, key } = selfSigned('bulk.example');
  const own = new X509Certificate(cert).fingerprint256;
  const all: Readonly<Record<string, string>> = {
    '/cert.pem': cert,
    '/key.pem': key,
    '/network': `${'0a'.repeat(16)}\n`,
    ...files,
  };
  const read = (path: string) => {
    const found = all[path];
    if (found === undefined) throw new Error('there is no such file');
    return found;
  };
  const given = text(more).replace('OWN', own);
  return loadConfig(given, { file: '/p.yaml', env: { hostname: 'box.example', read } });
}

const digits = 'ab'.repeat(32);

test('flooding: peers are known by their certificates and trusted by half', async () => {
  const result = await load(`[{ name: b, address: "b.example:2704", fingerprint: "sha256:${digits}" }]`);
  assert.ok(result.ok, result.ok ? '' : result.problems.map(formatProblem).join('\n'));
  const flood = result.config.clearinghouse?.flood;
  assert.deepEqual(flood?.peers, [
    { name: 'b', fingerprint: digits, trust: 0.5, address: { host: 'b.example', port: 2704 } },
  ]);
  assert.equal(Buffer.from(flood.networkKey).toString('hex'), '0a'.repeat(16));
});

test('flooding: what cannot be is said', async () => {
  const peer = `{ name: b, address: "b.example:2704", fingerprint: "sha256:${digits}" }`;
  const cases: readonly (readonly [string, Readonly<Record<string, string>>, RegExp])[] = [
    [`[${peer}, ${peer}]`, {}, /another peer has it/],
    ['[{ name: b, fingerprint: "OWN" }]', {}, /that is our own/],
    ['[{ name: b, address: "b.example", fingerprint: "OWN" }]', {}, /not a host and port: "b.example"/],
    [`[{ name: b, fingerprint: "sha256:${digits}", trust: 1.5 }]`, {}, /1.5 is not between 0 and 1/],
    [`[${peer}]`, { '/network': 'secret' }, /32 hexadecimal digits/],
    [`[${peer}]`, { '/cert.pem': 'none' }, /flood.certificate: not usable/],
    [`[${peer}]`, { '/key.pem': selfSigned('bulk.example').key }, /flood.key: not usable: it is of another/],
  ];
  for (const [peers, files, wanted] of cases) {
    const result = await load(peers, files);
    assert.ok(!result.ok);
    assert.match(result.problems.map(formatProblem).join('\n'), wanted);
  }
});

test('rules name listeners by name or by role, and one that there is not is said', () => {
  const loaded = (listeners: string) =>
    loadConfig(
      `listeners:
  - { role: mx, address: "127.0.0.1:2525" }
  - { role: mx, name: second, address: "127.0.0.1:2526" }
clearinghouse: { relay: [{ listeners: ${listeners}, action: tag }] }
`,
      {
        file: '/p.yaml',
        env: {
          hostname: 'box.example',
          read: () => {
            throw new Error('there is no such file');
          },
        },
      },
    );
  const names = (listeners: string) => {
    const result = loaded(listeners);
    assert.ok(result.ok, result.ok ? '' : result.problems.map(formatProblem).join('\n'));
    return result.config.clearinghouse?.relay[0]?.listeners;
  };
  assert.deepEqual(names('mx'), ['mx 127.0.0.1:2525', 'second']);
  assert.deepEqual(names('[second]'), ['second']);
  const wrong = loaded('[secnd]');
  assert.ok(!wrong.ok);
  assert.match(wrong.problems.map(formatProblem).join('\n'), /there is no listener "secnd"/);
});

test('a door has the limits that it is given, and defaults', () => {
  const doors = [
    '{ protocol: razor }',
    '{ protocol: pyzor, limits: { connections: 7, perClient: 2, requestsPerMinute: 9 } }',
  ];
  const load = (of: readonly string[]) =>
    loadConfig(`clearinghouse: { doors: [${of.join(', ')}] }`, {
      file: '/p.yaml',
      env: { hostname: 'box.example', read: () => '' },
    });
  const result = load(doors);
  assert.ok(result.ok, result.ok ? '' : result.problems.map(formatProblem).join('\n'));
  assert.deepEqual(
    result.config.clearinghouse?.doors.map(({ limits }) => limits),
    [
      { connections: 500, perClient: 100 },
      { connections: 7, perClient: 2, requestsPerMinute: 9 },
    ],
  );
  const wrong = load(['{ protocol: pyzor, limits: { perClient: 0 } }']);
  assert.ok(!wrong.ok);
  assert.match(wrong.problems.map(formatProblem).join('\n'), /0 is not between 1/);
});

test('the flags of a fuzzy storage are of spam, but for those that are said to be of ham', () => {
  const load = (flags: string) =>
    loadConfig(`clearinghouse: { doors: [{ protocol: rspamd-fuzzy${flags} }] }`, {
      file: '/p.yaml',
      env: { hostname: 'box.example', read: () => '' },
    });
  for (const [text, expected] of [
    ['', { spam: 1, ham: [] }],
    [', flags: { spam: 11, ham: [12, 13] }', { spam: 11, ham: [12, 13] }],
  ] as const) {
    const result = load(text);
    assert.deepEqual(result.ok && result.config.clearinghouse?.doors[0]?.flags, expected);
  }
  const wrong = load(', flags: { ham: 1 }');
  assert.ok(!wrong.ok);
  assert.match(wrong.problems.map(formatProblem).join('\n'), /that is the list of spam/);
});
