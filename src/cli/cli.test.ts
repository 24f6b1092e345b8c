import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

import { prepareMaildrop } from '../maildrop/index.ts';
import { formatSize, formatSpan } from './table.ts';
import { fakeIo, fakeRelay, ownFolder, queueItem, run } from './testing.ts';

const mistakes: [string[], RegExp][] = [
  [['strat'], /did you mean "posthouse start"/],
  [['queue', 'relase', 'X'], /did you mean "posthouse queue release"/],
  [['queue'], /needs a subcommand: see "posthouse queue --help"/],
  [['help', 'strat'], /did you mean "posthouse start"/],
  [['frobnicate'], /see "posthouse --help"/],
  [['constructor'], /unknown command "constructor"/],
  [['__proto__', 'x'], /unknown command "__proto__"/],
  [['sendmail', '-bconstructor'], /modes are -bm/],
  [['init', 'constructor'], /unknown role "constructor"/],
  [
    ['check', '--conifg', 'x'],
    /Unknown option '--conifg' \(did you mean "--config"\?\)\nusage: posthouse check/,
  ],
  [['check', '--config'], /usage/],
  [['check', '--config', 'a', '--config', 'b'], /--config is given twice/],
  [['check', 'extra'], /unexpected argument "extra"/],
  [['init'], /an argument is missing\nusage: posthouse init \[options\] local\|/],
  [['init', 'emperor'], /unknown role "emperor"/],
  [['queue', 'remove'], /say which messages/],
  [['queue', 'remove', 'A1', '--all'], /not both/],
  [['queue', 'redirect', 'A1'], /--recipient is missing/],
  [['queue', 'redirect', 'A1', '--recipient', 'x@@y'], /is not an address/],
  [['send'], /--to is missing/],
  [['send', '--to', 'nobody at all'], /is not an address/],
];
for (const [argv, expected] of mistakes) {
  test(`posthouse ${argv.join(' ')} is exit 64 and says what is wrong`, async () => {
    const { code, out, err } = await run(argv, fakeIo({ folder: tmpdir() }));
    assert.equal(code, 64);
    assert.match(err, expected);
    assert.equal(out, '');
  });
}

test('every command explains itself', async () => {
  const { out } = await run(['--help']);
  const names = [...out.matchAll(/^ {2}(\S+(?: \S+)?) {2}/gm)].map(([, name = '']) => name.split(' '));
  assert.ok(names.length > 12);
  for (const name of names) {
    const help = await run([...name, '--help']);
    assert.equal(help.code, 0);
    assert.match(help.out, new RegExp(`usage: posthouse ${name.join(' ')}`));
    assert.equal((await run(['help', ...name])).out, help.out);
  }
});

test('sizes and spans are short', () => {
  assert.deepEqual([0, 999, 1000, 12_345, 999_600, 5e9].map(formatSize), [
    '0 B',
    '999 B',
    '1.0 kB',
    '12.3 kB',
    '1.0 MB',
    '5.0 GB',
  ]);
  assert.deepEqual([0, 59_000, 60_000, 7_200_000, 3 * 86_400_000].map(formatSpan), [
    '0s',
    '59s',
    '1m',
    '2h',
    '3d',
  ]);
});

test('what a peer said speaks to no terminal, as text and as JSON', async (t) => {
  const said = 'a\u009b2J\u202eb\u0007c';
  const recipients = [{ to: said, status: 'deferred', reply: said } as const];
  const { data } = await fakeRelay(t, {
    async *list() {
      yield queueItem('A1', { from: `${said}@example.org`, recipients });
    },
  });
  for (const words of [['list'], ['list', '--json'], ['show', 'A1'], ['show', 'A1', '--json']]) {
    const { out } = await run(['queue', ...words, '--data', data]);
    assert.match(out, /2J/, words.join(' '));
    assert.doesNotMatch(out, /[^\n -~]/, words.join(' '));
  }
  const json = await run(['queue', 'list', '--json', '--data', data]);
  assert.equal(JSON.parse(json.out).recipients[0].reply, said, 'it reads as it was said');
});

test('queue list is a table of harmless text, or JSON', async (t) => {
  const { data, asked } = await fakeRelay(t);
  const { code, out } = await run(['queue', 'list', '--data', data, '--from', 'b.example', '--held']);
  assert.equal(code, 0);
  assert.deepEqual(asked, [{ match: { from: 'b.example', held: true } }]);
  const [title, row] = out.split('\n');
  assert.match(title ?? '', /^ID +AGE +SIZE +STATUS +NEXT +FROM +TO$/);
  assert.match(
    row ?? '',
    /^A1 +2h +12\.3 kB +deferred +1m +a@b\.example +c@d\.example \(451 \\u001b\[2Jlater\)$/,
  );
  const json = await run(['queue', 'list', '--data', data, '--json']);
  assert.equal(JSON.parse(json.out).id, 'A1');
});

test('on a terminal no row is wider than it', async (t) => {
  const { data } = await fakeRelay(t);
  const io = fakeIo({ columns: 60, isTerminal: { stdin: true, stdout: true, stderr: true } });
  const { out } = await run(['queue', 'list', '--data', data], io);
  assert.ok(
    out
      .trimEnd()
      .split('\n')
      .every((line) => line.length <= 60),
  );
});

test('queue show prints envelope and header, made harmless; --message the octets', async (t) => {
  const { data } = await fakeRelay(t);
  const shown = await run(['queue', 'show', 'a1', '--data', data]);
  assert.match(shown.out, /to +c@d\.example: deferred/);
  assert.match(shown.out, /\nSubject: x\\u001b\[2J\n$/);
  assert.equal(
    (await run(['queue', 'show', 'A1', '--message', '--data', data])).out,
    'Subject: x\x1b[2J\r\n\r\nbody\r\n',
  );
  for (const more of [[], ['--message']]) {
    const { code, err } = await run(['queue', 'show', 'B2', ...more, '--data', data]);
    assert.deepEqual([code, err], [66, 'posthouse: no message "B2" in the queue\n']);
  }
});

test('queue changes take ids, conditions, and ids from a list on standard input', async (t) => {
  const { data, asked } = await fakeRelay(t);
  assert.equal((await run(['queue', 'hold', 'a1', '--because', 'x', '--data', data])).out, 'A1\n');
  assert.equal((await run(['queue', 'bounce', '--to', 'd.example', '--data', data])).code, 0);
  assert.equal(
    (await run(['queue', 'redirect', '--all', '--recipient', 'n@d.example', '--data', data])).code,
    0,
  );
  const list = `${Array.from({ length: 1500 }, (_, i) => `X${i} 2h 1 kB`).join('\n')}\n\nA1  3h`;
  assert.equal((await run(['queue', 'remove', '-', '--data', data], fakeIo({ stdin: list }))).out, 'A1\n');
  const none = await run(['queue', 'flush', 'NONE', '--data', data]);
  assert.deepEqual([none.code, none.out, none.err], [66, '', 'posthouse: no message "NONE" in the queue\n']);
  assert.deepEqual(asked.slice(0, 3), [
    [{ verb: 'hold', because: 'x' }, { ids: ['A1'] }],
    [{ verb: 'bounce', because: '' }, { match: { to: 'd.example' } }],
    [{ verb: 'redirect', to: 'n@d.example' }, { match: {} }],
  ]);
  assert.equal(asked.length, 3 + 2 + 1 + 1);
  assert.deepEqual(asked.at(-1), { ids: ['NONE'] }, 'only ids that were not found are looked up');
});

test('an id without a message is named, also beside others, and in a dry run', async (t) => {
  const { data } = await fakeRelay(t);
  for (const verb of ['hold', 'release', 'flush', 'remove', 'bounce']) {
    const some = await run(['queue', verb, 'a1', 'nosuch', '--data', data]);
    assert.deepEqual([some.code, some.out], [0, 'A1\n']);
    assert.equal(some.err, 'posthouse: no message "NOSUCH" in the queue\n');
  }
  const { code, err } = await run(['queue', 'remove', 'A1', 'B\x1b[2J', '--dry-run', '--data', data]);
  assert.deepEqual([code, err], [0, 'posthouse: no message "B\\u001b[2J" in the queue\n']);
});

test('a message that is there and is not changed is not called missing', async (t) => {
  const { data } = await fakeRelay(t, { async *change() {} });
  const { code, err } = await run(['queue', 'release', 'A1', '--data', data]);
  assert.deepEqual([code, err], [66, '']);
});

test('an empty list is one plain line, on a terminal and in a pipe; with --json it is nothing', async (t) => {
  const { data } = await fakeRelay(t, { async *list() {} });
  const lists: readonly (readonly [words: readonly string[], line: string])[] = [
    [['queue', 'list'], 'the queue is empty'],
    [['queue', 'list', '--held'], 'no such message is in the queue'],
    [['queue', 'list', 'NONE'], 'no such message is in the queue'],
    [['pop-before-smtp', 'list'], 'no window is open'],
    [['session', 'list'], 'no client is connected'],
    [['guard', 'list'], 'no sender is held'],
    [['trap', 'list'], 'the trap is empty'],
  ];
  for (const [words, line] of lists)
    for (const stdout of [true, false]) {
      const io = () => fakeIo({ isTerminal: { stdin: false, stdout, stderr: false } });
      const plain = await run([...words, '--data', data], io());
      assert.deepEqual(plain, { code: 0, out: `${line}\n`, err: '' }, words.join(' '));
      const json = await run([...words, '--json', '--data', data], io());
      assert.deepEqual(json, { code: 0, out: '', err: '' }, words.join(' '));
    }
  const file = ['--file', `${data}/users`];
  assert.equal((await run(['user', 'list', ...file])).out, 'there are no users\n');
  assert.equal((await run(['user', 'list', '--json', ...file])).out, '');
});

const suspended = { until: Date.UTC(2026, 0, 1), reply: '451 4.4.1 refused\x1b[2J' };

test('mail for a suspended destination is listed and shown with the reason', async (t) => {
  const waiting = queueItem('A1', { recipients: [{ to: 'c@d.example', status: 'pending', suspended }] });
  const { data } = await fakeRelay(t, {
    async *list() {
      yield waiting;
    },
  });
  const why = 'suspended until 2026-01-01T00:00:00Z: 451 4.4.1 refused\\u001b[2J';
  assert.ok((await run(['queue', 'list', '--data', data])).out.includes(`c@d.example (${why})\n`));
  assert.ok((await run(['queue', 'show', 'A1', '--data', data])).out.includes(`waits     ${why}\n`));
  const json = await run(['queue', 'list', '--json', '--data', data]);
  assert.deepEqual(JSON.parse(json.out).recipients[0].suspended, suspended);
});

test('queue flush names the destinations that take nothing', async (t) => {
  const { data } = await fakeRelay(t, {
    async *change() {
      yield 'A1';
      yield { lane: 'mx:d.example', ...suspended };
    },
  });
  const { code, out, err } = await run(['queue', 'flush', '--all', '--data', data]);
  assert.deepEqual([code, out], [0, 'A1\n']);
  assert.match(
    err,
    /^mx:d\.example: .* not tried now, suspended until 2026-01-01T00:00:00Z: 451 4\.4\.1 refused/,
  );
  const json = await run(['queue', 'flush', '--all', '--json', '--data', data]);
  assert.deepEqual(
    json.out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line)),
    ['A1', { lane: 'mx:d.example', ...suspended }],
  );
});

test('queue shape has a column for each age and a total', async (t) => {
  const { data } = await fakeRelay(t);
  const { out } = await run(['queue', 'shape', '--data', data]);
  const rows = out
    .trimEnd()
    .split('\n')
    .map((line) => line.split(/ +/));
  assert.deepEqual(rows[1], ['d.example', '3', '1', ...Array(8).fill('0'), '2']);
  assert.equal(rows[2]?.[0], 'TOTAL');
});

test('without a relay queue commands are 69', async (t) => {
  const data = await ownFolder(t);
  for (const argv of [
    ['queue', 'list'],
    ['queue', 'flush', '--all'],
    ['queue', 'shape'],
    ['status'],
    ['reload'],
    ['send', '--to', 'a@b.example'],
  ]) {
    const { code, err } = await run([...argv, '--data', data], fakeIo({ folder: data }));
    assert.equal(code, 69);
    assert.match(err, /no relay listens at/);
  }
});

const fates: [string, string[], number][] = [
  ['delivered', ['a@b.example'], 0],
  ['deferred', ['a@b.example', 'slow@b.example'], 75],
  ['bounced', ['bad@b.example', 'slow@b.example'], 69],
];
for (const [what, to, expected] of fates) {
  test(`send ends with ${expected} when a recipient is ${what}`, async (t) => {
    const { data, asked } = await fakeRelay(t);
    const argv = [
      'send',
      '--data',
      data,
      '--from',
      's@b.example',
      '--subject',
      'Grüße',
      '--body',
      '-',
      '--json',
    ];
    const io = fakeIo({ stdin: '.hello\nworld', folder: data });
    const { code, out } = await run([...argv, ...to.flatMap((address) => ['--to', address])], io);
    assert.equal(code, expected);
    assert.equal(out.trimEnd().split('\n').length, 1 + to.length);
    assert.deepEqual(asked[0], { from: 's@b.example', to, follow: true });
    assert.match(
      String(asked[1]),
      /\r\nSubject: =\?utf-8\?B\?R3LDvMOfZQ==\?=\r\n[\s\S]*\r\n\r\n\.hello\r\nworld\r\n$/,
    );
  });
}

test('send tells a pipe at the end what it tells a terminal as it happens', async (t) => {
  const { data } = await fakeRelay(t);
  const argv = ['send', '--data', data, '--to', 'a@b.example'];
  const piped = await run(argv, fakeIo({ folder: data }));
  assert.equal(piped.out, 'A1 a@b.example: delivered by mx: 250 ok\n');
  const terminal = fakeIo({ folder: data, isTerminal: { stdin: false, stdout: true, stderr: true } });
  assert.equal((await run(argv, terminal)).out, 'accepted as A1\na@b.example: delivered by mx: 250 ok\n');
});

test('reload tells the changes, or every problem with exit 78', async (t) => {
  const { data } = await fakeRelay(t, {
    reload: async () => ({ outcome: 'reloaded', changes: ['hostname changed'] }),
  });
  const done = await run(['reload', '--data', data]);
  assert.deepEqual([done.code, done.out], [0, 'hostname changed\n']);
  const problems = ['c.yaml:1:1: x', 'c.yaml:2:1: y'];
  const refusing = await fakeRelay(t, { reload: async () => ({ outcome: 'refused', problems }) });
  const refused = await run(['reload', '--data', refusing.data]);
  assert.deepEqual([refused.code, refused.out], [78, 'c.yaml:1:1: x\nc.yaml:2:1: y\n']);
  assert.match(refused.err, /^not reloaded, the configuration in force stays/);
  const unchanged = await run(['reload', '--data', (await fakeRelay(t)).data]);
  assert.deepEqual([unchanged.code, unchanged.out], [0, 'nothing changed\n']);
});

test('status is 0 when the relay takes mail and 75 when it takes none', async (t) => {
  const { data } = await fakeRelay(t);
  const { code, out } = await run(['status', '--data', data]);
  assert.equal(code, 0);
  assert.match(out, /^relay +h, posthouse 1, process 1\nstate +running for \d+d\nspool +ok\nmessages +1\n/);
  const json = JSON.parse((await run(['status', '--json', '--data', data])).out);
  const full = await fakeRelay(t, { status: async () => ({ ...json, spool: 'low' }) });
  assert.equal((await run(['status', '--data', full.data])).code, 75);
});

test('send attaches files, whatever their names', async (t) => {
  const { data, asked } = await fakeRelay(t);
  await writeFile(join(data, 'Bild ü.png'), Buffer.alloc(200, 1));
  await run(
    ['send', '--data', data, '--to', 'a@b.example', '--attach', 'Bild ü.png'],
    fakeIo({ folder: data }),
  );
  const message = String(asked[1]);
  assert.match(message, /filename\*=utf-8''Bild%20%C3%BC\.png/);
  assert.ok(message.split('\r\n').every((line) => line.length <= 78 && /^[ -~]*$/.test(line)));
  const missing = ['send', '--data', data, '--to', 'a@b.example', '--attach', 'none.txt'];
  const { code, err } = await run(missing, fakeIo({ folder: data }));
  assert.deepEqual([code, /cannot read the file to attach: .*none\.txt/.test(err)], [66, true]);
});

/** The program itself, for tests that need a process. */
async function program(argv: string[], options: { stdin?: string; folder: string; calledAs?: string }) {
  const main = new URL('./main.ts', import.meta.url).pathname;
  const child = spawn(process.execPath, [main, ...argv], {
    cwd: '/',
    env: { ...process.env, INIT_CWD: options.folder },
  });
  child.stdin.end(options.stdin ?? '');
  const text = { out: '', err: '' };
  child.stdout.on('data', (part) => {
    text.out += part;
  });
  child.stderr.on('data', (part) => {
    text.err += part;
  });
  const [code] = await once(child, 'close');
  return { code, ...text };
}

test('the program exits with the code of the command, and begins relative paths at INIT_CWD', async (t) => {
  const folder = await ownFolder(t);
  await writeFile(join(folder, 'p.yaml'), 'hostname: h.example\ndata: d\n');
  assert.equal((await program(['check', '-c', 'p.yaml'], { folder })).code, 0);
  assert.equal((await program(['nonsense'], { folder })).code, 64);
  await writeFile(join(folder, 'bad.yaml'), 'x: 1\n');
  const bad = await program(['start', '-c', 'bad.yaml'], { folder });
  assert.deepEqual([bad.code, bad.out], [78, '']);
  assert.match(bad.err, /bad\.yaml:1:/);
  const none = await program(['sendmail', '-C', 'p.yaml', 'a@b.example'], { folder, stdin: 'x\n' });
  assert.deepEqual([none.code, /has the relay ever run/.test(none.err)], [75, true]);
  await prepareMaildrop(join(folder, 'd', 'maildrop'));
  const sent = await program(['sendmail', '-C', 'p.yaml', 'root'], { folder, stdin: 'x\n' });
  assert.deepEqual(sent, { code: 0, out: '', err: '' });
  const [name = ''] = (await readdir(join(folder, 'd', 'maildrop'))).filter((entry) => entry !== 'bad');
  assert.match(
    await readFile(join(folder, 'd', 'maildrop', name), 'utf8'),
    /"to":\[{"address":"root@h\.example"}\]/,
  );
});
