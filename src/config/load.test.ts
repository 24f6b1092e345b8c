import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  formatProblem,
  initConfig,
  initRoles,
  type LoadResult,
  loadConfig,
  loadConfigFile,
} from './index.ts';
import { optionTree } from './option-tree.ts';

/** A file system of some files, so that the tests need none. */
function load(text: string, files: Readonly<Record<string, string>> = {}): LoadResult {
  const read = (path: string) => {
    const content = files[path.replace(/^\/etc\/posthouse\//, '')];
    if (content === undefined) throw Object.assign(new Error('no file'), { code: 'ENOENT' });
    return content;
  };
  return loadConfig(text, { file: '/etc/posthouse/p.yaml', env: { hostname: 'box.example', read } });
}

function problems(text: string, files: Readonly<Record<string, string>> = {}): string[] {
  const result = load(text, files);
  return result.ok
    ? []
    : result.problems.map((problem) => formatProblem(problem).replace('/etc/posthouse/', ''));
}

function config(text: string, files: Readonly<Record<string, string>> = {}) {
  const result = load(text, files);
  if (!result.ok) assert.fail(result.problems.map(formatProblem).join('\n'));
  return result.config;
}

const golden = new URL('./golden/', import.meta.url);

for (const name of ['bad', 'broken']) {
  test(`every problem of golden/${name}.yaml is reported with its line`, () => {
    const text = readFileSync(new URL(`${name}.yaml`, golden), 'utf8');
    const actual = `${problems(text, { 'aliases.txt': 'a: b\nno colon\n', 'key.pem': '' }).join('\n')}\n`;
    const expected = new URL(`${name}.txt`, golden);
    if (process.env.UPDATE_GOLDEN === '1') writeFileSync(expected, actual);
    assert.equal(actual, readFileSync(expected, 'utf8'));
  });
}

test('an empty file is the defaults, and they relay for nobody', () => {
  const { relay, hostname, postmaster, data, limits, queue, listeners, capture } = config('# nothing\n');
  assert.deepEqual(relay.networks, []);
  assert.equal(hostname, 'box.example');
  assert.equal(postmaster.text, 'postmaster@box.example');
  assert.equal(data, '/var/lib/posthouse');
  assert.equal(capture.folder, '/var/lib/posthouse/capture');
  assert.equal(limits.messageBytes, 50_000_000);
  assert.equal(queue.retry.maxAgeMs, 432_000_000);
  assert.deepEqual(
    listeners.map(({ host, port, tls }) => [host, port, tls]),
    [['127.0.0.1', 2525, 'none']],
  );
});

const contract = `hostname: relay.example.org
user: posthouse
postmaster: admin@example.org
data: /var/lib/posthouse
listeners:
  - { role: mx,          address: "0.0.0.0:25" }
  - { role: internal,    address: "10.8.0.1:25", proxyProtocolFrom: ["10.8.0.2/32"] }
xclientFrom: ["127.0.0.1/32"]
domains:
  - { name: example.org, deliver: "maildir:/var/mail/{local}", recipients: { file: users.txt }, aliases: aliases.txt }
  - { name: example.com, deliver: "lmtp://127.0.0.1:24" }
  - { name: example.net, backup: true }
relay:
  networks: ["127.0.0.0/8", "::1/128", "10.8.0.0/24"]
  open: false
routes:
  - { to: "*.internal", via: "smtp://10.0.0.5:25" }
  - { from: "*@shop.example.org", via: ["smtps://user@smart1.example:465", "smtp://smart2.example:587"], password: { file: smart.secret }, tls: required }
  - { to: "*", via: capture }
dns: { servers: ["127.0.0.1:53"] }
queue: { retry: { min: 5m, max: 4000s, maxAge: 5d, warnAfter: 4h }, lanes: { concurrency: 20 } }
limits: { messageSize: 50MB, recipients: 1000, sessions: 2000 }
workers: 1
logs: { format: auto }
`;
const contractFiles = {
  'users.txt': 'Alice\nbob # b\n\n',
  'aliases.txt': 'Info: alice',
  'smart.secret': 'pw\n',
};

test('the keys of the contract load, with their units, files and paths resolved', () => {
  const { domains, routes, dns, queue, listeners } = config(contract, contractFiles);
  assert.deepEqual(domains[0]?.recipients, { kind: 'list', names: new Set(['alice', 'bob']) });
  assert.deepEqual(domains[0]?.aliases, new Map([['info', ['alice']]]));
  assert.deepEqual(
    routes.map(({ to }) => to),
    [['*.internal'], ['*'], ['*']],
  );
  assert.equal(routes[1]?.password, 'pw');
  assert.deepEqual(dns.servers, ['127.0.0.1:53']);
  assert.equal(queue.retry.maxMs, 4_000_000);
  assert.deepEqual(listeners[1]?.proxyProtocolFrom, [{ address: '10.8.0.2', prefix: 32, family: 'ipv4' }]);
});

const later: readonly (readonly [text: string, name: string])[] = [
  ['workers: auto', 'workers'],
  ['admin: { address: "127.0.0.1:8025" }', 'admin.address'],
];

for (const [text, name] of later) {
  test(`"${text}" is named as not available yet, not ignored`, () => {
    const [problem = '', ...more] = problems(text);
    assert.match(problem, new RegExp(`not available yet: ${name}$`));
    assert.deepEqual(more, []);
  });
}

test('what asks for nothing of a later feature is taken', () => {
  config('relay: { authenticated: false, open: false }\nworkers: 1\nadmin: {}\n');
});

test('cross-checks are reported together with errors of other sections', () => {
  const found = problems(
    'limits: { recipients: 1 }\nrelay: { networks: 0.0.0.0/0 }\nqueue: { retry: { min: 2h } }\n',
  );
  assert.equal(found.length, 3);
  assert.match(found[2] ?? '', /^p\.yaml:3:24: queue\.retry\.min: is longer than max/);
});

test('nothing is said of what a broken section would have changed', () => {
  const found = problems(
    'tls: { cert: 1, kye: 2 }\nlisteners: { role: mx, address: "127.0.0.1:0", tls: implicit }',
  );
  assert.deepEqual(
    found.map((line) => line.replace(/^[^ ]* /, '')),
    ['tls.key: is missing', 'tls.kye: unknown key "kye" (did you mean "key"?)'],
  );
});

test('two of the same listener or domain are refused', () => {
  const listener = '{ role: mx, address: "127.0.0.1:25" }';
  assert.match(
    problems(`listeners: [${listener}, ${listener}]`).join(),
    /127\.0\.0\.1 port 25 is listened on already/,
  );
  config(
    'listeners: [{ role: mx, address: "127.0.0.1:0", name: a }, { role: mx, address: "127.0.0.1:0", name: b }]',
  );
  const domain = '{ name: Example.org, deliver: capture }, { name: example.ORG, deliver: capture }';
  assert.match(problems(`domains: [${domain}]`).join(), /example\.org is a domain already/);
});

test('a domain says where its mail goes, once', () => {
  assert.match(problems('domains: { name: a.example }').join(), /nothing says where its mail goes/);
  assert.match(
    problems('domains: { name: a.example, backup: true, deliver: capture }').join(),
    /goes on by MX/,
  );
  config('domains: { name: a.example }\nroutes: { via: capture }');
});

test('keys that a backup domain has no use for are refused, not ignored', () => {
  const found = problems('domains: { name: a.example, backup: true, recipients: verify, aliases: a }', {
    a: '',
  });
  assert.deepEqual(
    found.map((line) => line.replace(/^.*: (?=not)/, '')),
    ['not available yet: recipients of a backup domain', 'not available yet: aliases of a backup domain'],
  );
});

test('a certificate that cannot be used is named by its key', () => {
  const tls = 'tls: { cert: c.pem, key: k.pem }';
  assert.match(
    problems(tls).join('\n'),
    /p\.yaml:1:14: tls\.cert: cannot read .*c\.pem: there is no such file\n.*tls\.key/,
  );
  assert.match(problems(tls, { 'c.pem': 'x', 'k.pem': 'y' }).join(), /tls\.cert: not usable/);
});

test('problems in the files that are named have the lines of those files', () => {
  const found = problems(
    'domains: { name: a.example, deliver: capture, aliases: a, recipients: { file: r } }',
    {
      a: 'x: y\n\n: z\nx: q\nlist: :include:/etc/list\n',
      r: 'alice\nbo b\n',
    },
  );
  assert.deepEqual(found, [
    'a:3:1: domains[0].aliases: not a local part: ""',
    'a:4:1: domains[0].aliases: "x" is here twice',
    'a:5:1: domains[0].aliases: programs, files and :include: are not possible: ":include:/etc/list"',
    'r:2:1: domains[0].recipients.file: not an address or local part: "bo b"',
  ]);
});

test('a password file holds one line', () => {
  const route = 'routes: { via: "smtps://u@h", password: { file: s } }';
  assert.match(problems(route, { s: '\n' }).join(), /is empty/);
  assert.match(problems(route, { s: 'a\nb\n' }).join(), /several lines/);
});

test('checks of other modules are reported with the line of the key', () => {
  const result = loadConfig('routes:\n  - to: "*"\n    via: capture\n', {
    file: 'x.yaml',
    checks: [() => [{ path: 'routes[0].via', message: 'no' }]],
  });
  assert.deepEqual(!result.ok && result.problems.map(formatProblem), ['x.yaml:3:10: routes[0].via: no']);
});

test('durations and sizes have units, and bounds', () => {
  const { queue, limits } = config(
    'queue: { retry: { min: 1.5s, warnAfter: 0s } }\nlimits: { messageSize: 64000 }',
  );
  assert.deepEqual([queue.retry.minMs, queue.retry.warnAfterMs, limits.messageBytes], [1500, 0, 64_000]);
  assert.match(
    problems('limits: { idleTimeout: 300 }').join(),
    /not a duration: 300 \(for seconds write 300s\)/,
  );
  assert.match(problems('limits: { messageSize: 1KB }').join(), /1KB is not between 64KB and 1000TB/);
  assert.match(problems('limits: { messageSize: -1 }').join(), /not a size/);
});

test('IPv6 and single addresses are read in one spelling', () => {
  const { listeners, relay } = config(
    'listeners: { role: mx, address: "[::FFFF:127.0.0.1]:25" }\nrelay: { networks: "::1" }',
  );
  assert.equal(listeners[0]?.host, '127.0.0.1');
  assert.deepEqual(relay.networks, [{ address: '::1', prefix: 128, family: 'ipv6' }]);
});

test('listeners without a name get different ones', () => {
  const listener = '{ role: mx, address: "127.0.0.1:0" }';
  const { listeners } = config(
    `listeners: [${listener}, ${listener}, { role: mx, address: "[::1]:0", name: a }]`,
  );
  assert.deepEqual(
    listeners.map(({ name }) => name),
    ['mx 127.0.0.1:0', 'mx 127.0.0.1:0 #2', 'a'],
  );
});

test('keys that every object has by nature are unknown keys like others', () => {
  for (const key of ['__proto__', 'constructor', 'toString', '<<']) {
    assert.match(problems(`${key}: 1`).join(), /unknown key/, key);
  }
});

test('a machine whose name is no domain has to be told its hostname', () => {
  const result = loadConfig('', { file: 'x', env: { hostname: 'my box' } });
  assert.match(
    (result.ok ? [] : result.problems.map(formatProblem)).join(),
    /hostname: the machine is called "my box"/,
  );
});

test('anchors work, and a text that grows without end is refused', () => {
  config('relay: { networks: &n ["10.0.0.0/8"] }\nxclientFrom: *n\n');
  const bomb = Array.from(
    { length: 9 },
    (_, i) => `k${i}: &a${i} [${Array(9).fill(i === 0 ? 'x' : `*a${i - 1}`)}]`,
  );
  assert.match(problems(bomb.join('\n')).join(), /excessive alias count/);
});

test('a file that cannot be read is a problem, not an exception', () => {
  const result = loadConfigFile('/nonexistent/p.yaml');
  assert.ok(!result.ok && result.problems[0]?.message.startsWith('cannot read it'));
});

const examples = new URL('../../examples/', import.meta.url);

/** The certificate and the users that an example names belong to the site. */
function read(path: string): string {
  const stands: Readonly<Record<string, string>> = { 'fullchain.pem': 'cert.pem', 'privkey.pem': 'key.pem' };
  const stand = stands[basename(path)];
  if (stand !== undefined)
    return readFileSync(new URL(`../client/testdata/${stand}`, import.meta.url), 'utf8');
  return basename(path) === 'users.yaml' ? '' : readFileSync(path, 'utf8');
}

for (const name of readdirSync(examples).filter((file) => file.endsWith('.yaml'))) {
  test(`examples/${name} loads`, () => {
    const result = loadConfigFile(new URL(name, examples).pathname, { env: { read } });
    assert.deepEqual(result.ok ? [] : result.problems.map(formatProblem), []);
  });
}

test('the text of every role of init loads by itself, and no other word is a role', () => {
  for (const role of initRoles) {
    const written = initConfig(role);
    assert.ok(written.ok);
    const loaded = loadConfig(written.text, { file: '/etc/posthouse/posthouse.yaml', env: { read } });
    assert.deepEqual(loaded.ok ? [] : loaded.problems.map(formatProblem), []);
  }
  assert.ok(!initConfig('constructor').ok);
});

const keys = optionTree().flatMap((node) => [node.key, ...node.children.map(({ key }) => key)]);
const value: fc.Arbitrary<unknown> = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom(
      '5m',
      '10MB',
      '*',
      'capture',
      '0.0.0.0/0',
      '127.0.0.1:25',
      null,
      true,
      0,
      -1,
      'mx',
      'verify',
    ),
    fc.string(),
    fc.array(tie('value'), { maxLength: 3 }),
    fc.dictionary(fc.oneof(fc.constantFrom(...keys), fc.string({ maxLength: 5 })), tie('value'), {
      maxKeys: 6,
    }),
  ),
})).value;

test('random values of known keys are judged without an exception, each problem with a line', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.constantFrom(...keys), value, { maxKeys: 8 }), (document) => {
      const result = load(JSON.stringify(document, undefined, 1));
      assert.ok(result.ok || (result.problems.length > 0 && result.problems.every(({ line }) => line >= 1)));
    }),
    { numRuns: 300 },
  );
});

test('random text is judged without an exception', () => {
  const piece = fc.oneof(
    fc.constantFrom(
      '\n',
      ': ',
      '- ',
      '[',
      ']',
      '{',
      '}',
      '&a ',
      '*a',
      '? ',
      '|',
      '"',
      '#',
      '!!x ',
      '%',
      '\t',
      '---\n',
    ),
    fc.constantFrom(...keys.map((key) => `${key}: `)),
    fc.string({ unit: 'binary', maxLength: 4 }),
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => {
      const result = load(pieces.join(''));
      assert.ok(result.ok || result.problems.length > 0);
    }),
    { numRuns: 300 },
  );
});
