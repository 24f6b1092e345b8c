import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';

import fc from 'fast-check';
import { renderPostfix } from './log-postfix.ts';
import { renderPretty } from './log-pretty.ts';
import { harmlessText, keyValue } from './log-text.ts';
import { type LogFormat, openLog } from './log-writer.ts';

function capture(format: LogFormat, isTTY = false) {
  const stream = { text: '', isTTY, write: (part: string) => (stream.text += part) };
  return { log: openLog({ format, stream }), stream };
}

const hostile = [
  ['a line end', 'x\r\nrelay=ok', ['\r', '\nrelay']],
  ['an ANSI escape', 'x\x1b[2Jx', ['\x1b']],
  ['a C1 control', 'x\x9b31mx', ['\x9b']],
  ['DEL', 'x\x7f', ['\x7f']],
  ['a bidi override', 'moc.\u202eelpmaxe', ['\u202e']],
  ['a line separator', 'x\u2028y\u2029z', ['\u2028', '\u2029']],
  ['an unpaired surrogate', 'x\ud800y', ['\ud800']],
  ['an invisible tag character', 'x\u{e0041}y', ['\u{e0041}']],
  ['a long value with a bidi override', `${'x'.repeat(200)}\u2066`, ['\u2066']],
] as const;

for (const format of ['json', 'pretty', 'syslog-postfix'] as const) {
  for (const [what, value, raw] of hostile) {
    test(`${format}: ${what} in a peer's text does not reach the line raw`, () => {
      const { log, stream } = capture(format);
      log.info('refused', {
        helo: value,
        from: value,
        to: value,
        reply: `550 5.7.1 ${value}`,
        client: value,
      });
      log.warn('odd', { value });
      assert.equal(stream.text.split('\n').length, 3);
      for (const text of raw) assert.ok(!stream.text.includes(text));
      if (format === 'json') assert.equal(JSON.parse(stream.text.split('\n')[0] ?? '').helo, value);
    });
  }
}

test('harmless text above ASCII stays readable', () => {
  assert.equal(harmlessText('Grüße 你好 😀'), 'Grüße 你好 😀');
});

test('a JSON line has level, time and event first, and errors as text', () => {
  const { log, stream } = capture('auto');
  log.error('background-failed', { what: 'x', error: new TypeError('no') });
  const line = JSON.parse(stream.text);
  assert.deepEqual(Object.keys(line), ['level', 'time', 'event', 'what', 'error']);
  assert.match(line.time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  assert.deepEqual([line.level, line.event, line.error], ['error', 'background-failed', 'TypeError: no']);
});

test('a JSON line holds a value of any kind, leaves out what is undefined, and throws for none', () => {
  const { log, stream } = capture('json');
  const loop: Record<string, unknown> = {};
  loop.self = loop;
  log.info('kinds', {
    text: 'a "quoted" \\ text\twith Grüße',
    missing: undefined,
    nothing: null,
    yes: true,
    count: 1.5,
    endless: Number.POSITIVE_INFINITY,
    big: 2n,
    list: ['a', { b: '\u202e' }],
    gone: { toJSON: () => undefined },
    loop,
    'odd "key"\n': 1,
  });
  assert.ok(!stream.text.includes('\u202e'));
  const { level: _level, time: _time, event: _event, ...fields } = JSON.parse(stream.text);
  assert.deepEqual(fields, {
    text: 'a "quoted" \\ text\twith Grüße',
    nothing: null,
    yes: true,
    count: 1.5,
    endless: null,
    big: '2',
    list: ['a', { b: '\u202e' }],
    gone: '[unprintable]',
    loop: '[unprintable]',
    'odd "key"\n': 1,
  });
});

test('auto is pretty on a terminal', () => {
  const { log, stream } = capture('auto', true);
  log.info('listening', { address: '127.0.0.1:2525' });
  assert.match(stream.text, /listening .*address=.*127\.0\.0\.1:2525/);
});

test('a pretty line quotes values with spaces and has colour only when asked', () => {
  const record = {
    at: new Date(2026, 10, 3, 8, 5, 9, 7),
    level: 'warn',
    event: 'x',
    fields: { a: 'b c', d: 1 },
  };
  const level = 'warn' as const;
  assert.equal(renderPretty(false)({ ...record, level }), '08:05:09.007 x              a="b c" d=1\n');
  assert.ok(renderPretty(true)({ ...record, level }).includes('\x1b[33m'));
});

/** Reads `key=value …` back, as a program would that knows the format. */
function fieldsOf(text: string): [string, string][] {
  const pattern = / ([\w.-]+)=(?:("(?:[^"\\]|\\.)*")|([^\s"'`=\\]+))(?= |$)/gy;
  const found = [...` ${text}`.matchAll(pattern)];
  assert.equal(found.map(([all]) => all).join(''), ` ${text}`, 'nothing is left over');
  return found.map(([, key = '', quoted, word = '']) => [
    key,
    quoted === undefined ? word : JSON.parse(quoted),
  ]);
}

const breakouts = [
  ...[
    '\\',
    '\\" b=c',
    'x\\',
    'a\\\\" b="c',
    '"',
    "'",
    'a=b',
    ' ',
    '',
    '\\u001b',
    '\x1b',
    '\n b=c',
    '\u2028b=c',
  ],
  ...['\u0085', '\u00a0b=c', '\u3000b=c', '\u202e', '\u{e0001}', '\ud800', '`id`', '{"a":"b\\\\"}'],
];
for (const value of breakouts) {
  test(`pretty and syslog-postfix: ${JSON.stringify(value)} stays in its field`, () => {
    const given = { first: value, second: 'x', third: value };
    const expected = Object.entries(given);
    const pretty = renderPretty(false)({ at, level: 'info', event: 'odd-event-of-ours', fields: given });
    assert.deepEqual(fieldsOf(pretty.trimEnd().split('odd-event-of-ours ')[1] ?? ''), expected);
    const render = renderPostfix({ host: 'mx1', pid: 7 });
    const [line = ''] = render({ at, level: 'info', event: 'odd-event-of-ours', fields: given });
    assert.deepEqual(fieldsOf(line.trimEnd().split('odd-event-of-ours ')[1] ?? ''), expected);
  });
}

test('whatever the values and keys are, as many fields are read as were written', () => {
  const unit = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.string({ unit: fc.constantFrom(...'\\"= \'\n\u2028ab') }),
  );
  fc.assert(
    fc.property(fc.array(unit), (values) => {
      const line = values.map((value) => keyValue('k', value)).join(' ');
      assert.deepEqual(line === '' ? [] : fieldsOf(line).map(([, value]) => value), values);
    }),
  );
  assert.equal(keyValue('a b="c\x1b', 1), 'a_b__c_=1');
});

test('syslog-postfix: an address, a name or a reply of a peer makes no field of its own', () => {
  const odd = '"x>, relay=mx[192.0.2.9]:25, status=sent (ok) <y"@d.example';
  const fields = { queueId: '0A status=sent', client: '192.0.2.1] x', name: 'a b', mechanism: 'PLAIN x=y' };
  const render = renderPostfix({ host: 'mx1', pid: 7 });
  const lines = (event: string, more: object) =>
    render({ at, level: 'info', event, fields: { ...fields, ...more } });
  const seen = [
    ...lines('accepted', { from: odd, messageId: `<${odd}>`, user: odd, size: 1, recipients: 1 }),
    ...lines('deferred', { to: odd, relay: odd, reply: '451 later', delayMs: 1 }),
    ...lines('refused', { from: odd, to: odd, helo: odd, reply: '550 5.7.1 no' }),
    ...lines('expired', { from: odd }),
  ];
  assert.equal(seen.length, 6);
  for (const line of seen) {
    assert.equal(
      [...line.matchAll(/[ ,]status=/g)].length,
      / (?:deferred|expired)/.test(line) || /status=(?:deferred|expired)/.test(line) ? 1 : 0,
      line,
    );
    assert.doesNotMatch(line, /<[^>]*</);
  }
});

const at = new Date(2026, 10, 3, 18, 0, 0);
const postfixCases: [string, Record<string, unknown>, string[]][] = [
  [
    'accepted',
    {
      queueId: '0A',
      client: '192.0.2.1',
      name: 'a.example',
      from: 'a@b.example',
      size: 512,
      recipients: 2,
      messageId: '<m@b.example>',
    },
    [
      'postfix/smtpd[7]: 0A: client=a.example[192.0.2.1]',
      'postfix/cleanup[7]: 0A: message-id=<m@b.example>',
      'postfix/qmgr[7]: 0A: from=<a@b.example>, size=512, nrcpt=2 (queue active)',
    ],
  ],
  [
    'accepted',
    { queueId: '0B', ground: 'local', user: 'jane', from: 'jane@b.example', size: 99, recipients: 1 },
    [
      'postfix/pickup[7]: 0B: uid=jane from=<jane@b.example>',
      'postfix/qmgr[7]: 0B: from=<jane@b.example>, size=99, nrcpt=1 (queue active)',
    ],
  ],
  [
    'bounce-sent',
    { queueId: '0C', about: '0A', kind: 'ended', to: 'a@b.example' },
    ['postfix/bounce[7]: 0A: sender non-delivery notification: 0C'],
  ],
  [
    'bounce-sent',
    { queueId: '0C', about: '0A', kind: 'delayed', to: 'a@b.example' },
    ['postfix/bounce[7]: 0A: sender delay notification: 0C'],
  ],
  [
    'delivered',
    {
      queueId: '0A',
      to: 'c@d.example',
      relay: 'mx.d.example[192.0.2.9]:25',
      delayMs: 1234,
      delaysMs: [100, 0, 30, 1104],
      reply: '250 2.0.0 Ok: queued',
    },
    [
      'postfix/smtp[7]: 0A: to=<c@d.example>, relay=mx.d.example[192.0.2.9]:25, delay=1.2, delays=0.1/0/0.03/1.1, dsn=2.0.0, status=sent (250 2.0.0 Ok: queued)',
    ],
  ],
  [
    'deferred',
    { queueId: '0A', to: 'c@d.example', delayMs: 61_400, reply: '451 try later' },
    [
      'postfix/smtp[7]: 0A: to=<c@d.example>, relay=none, delay=61, delays=0/0/0/61, dsn=4.0.0, status=deferred (451 try later)',
    ],
  ],
  [
    'bounced',
    { queueId: '0A', to: 'c@d.example', transport: 'lmtp', delayMs: 50, reply: '550 5.1.1 no such user' },
    [
      'postfix/lmtp[7]: 0A: to=<c@d.example>, relay=none, delay=0.05, delays=0/0/0/0.05, dsn=5.1.1, status=bounced (550 5.1.1 no such user)',
    ],
  ],
  [
    'expired',
    { queueId: '0A', from: null },
    ['postfix/qmgr[7]: 0A: from=<>, status=expired, returned to sender'],
  ],
  ['removed', { queueId: '0A' }, ['postfix/qmgr[7]: 0A: removed']],
  [
    'refused',
    { client: '2001:db8::1', helo: 'x', from: '', to: 'a@b.example', reply: '550 5.7.1 Relay access denied' },
    [
      'postfix/smtpd[7]: NOQUEUE: reject: RCPT from unknown[2001:db8::1]: 550 5.7.1 <a@b.example>: Relay access denied; from=<> to=<a@b.example> proto=ESMTP helo=<x>',
    ],
  ],
  [
    'refused',
    {
      stage: 'data',
      client: '192.0.2.1',
      helo: 'x',
      from: 'a@b.example',
      reply: '552 5.3.4 message too big',
    },
    [
      'postfix/smtpd[7]: NOQUEUE: reject: DATA from unknown[192.0.2.1]: 552 5.3.4 <a@b.example>: message too big; from=<a@b.example> proto=ESMTP helo=<x>',
    ],
  ],
  [
    'refused',
    {
      client: '192.0.2.1',
      name: '[127.0.0.1]',
      helo: 'x',
      from: 'a@b.example',
      reply: '550 5.1.8 no such domain',
    },
    [
      'postfix/smtpd[7]: NOQUEUE: reject: MAIL from unknown[192.0.2.1]: 550 5.1.8 <a@b.example>: no such domain; from=<a@b.example> proto=ESMTP helo=<x>',
    ],
  ],
  [
    'auth-failed',
    { client: '192.0.2.1', mechanism: 'PLAIN', because: 'wrong password' },
    ['postfix/smtpd[7]: warning: unknown[192.0.2.1]: SASL PLAIN authentication failed: wrong password'],
  ],
  ['spool-low', { freeBytes: 5 }, ['posthouse[7]: spool-low freeBytes=5']],
];
for (const [event, fields, expected] of postfixCases) {
  test(`syslog-postfix writes "${event}" as Postfix does: ${expected[0]?.slice(0, 60)}`, () => {
    const lines = renderPostfix({ host: 'mx1', pid: 7 })({ at, level: 'info', event, fields });
    assert.deepEqual(
      lines,
      expected.map((line) => `Nov  3 18:00:00 mx1 ${line}\n`),
    );
  });
}

const child = `
import { openLog } from '${new URL('./log-writer.ts', import.meta.url).href}';
const log = openLog({ format: 'json' });
for (let i = 0; i < 2000; i++) log.info('line', { i });
`;
const endings: [string, string, number | null, NodeJS.Signals | null][] = [
  ['process.exit', 'process.exit(3);', 3, null],
  ['an uncaught exception', 'throw new Error("x");', 1, null],
  ['disposal', 'await log[Symbol.asyncDispose]();', 0, null],
  [
    'a signal nobody listens for',
    'process.kill(process.pid, "SIGTERM"); setTimeout(() => {}, 9e4);',
    null,
    'SIGTERM',
  ],
];
for (const [what, ending, code, signal] of endings) {
  test(`lines that wait are written at ${what}`, async () => {
    const running = spawn(process.execPath, ['--input-type=module', '-e', child + ending], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let text = '';
    running.stderr.on('data', (part) => {
      text += part;
    });
    assert.deepEqual(await once(running, 'close'), [code, signal]);
    assert.equal(text.split('\n').filter((line) => line.includes('"event":"line"')).length, 2000);
  });
}

test('a reader that stops reading neither stops the writer nor fills its memory', async () => {
  const script = `${child}
    for (let i = 0; i < 60_000; i++) log.info('flood', { i, filler: 'x'.repeat(100) });
    process.stdout.write('written\\n');
    await log[Symbol.asyncDispose]();
  `;
  const running = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  await once(running.stdout, 'data');
  let text = '';
  running.stderr.on('data', (part) => {
    text += part;
  });
  await once(running, 'close');
  const lines = text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  const dropped = lines.find((line) => line.event === 'log-lines-dropped');
  assert.ok(dropped.count > 0);
  assert.equal(lines.length - 1 + dropped.count, 62_000);
});
