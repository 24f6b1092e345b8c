import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';

import fc from 'fast-check';
import { renderPretty } from './log-pretty.ts';
import { harmlessText, keyValue } from './log-text.ts';
import { breakouts, capture, fieldsOf, hostile, hostileLines } from './testing-log.ts';

for (const format of ['json', 'pretty'] as const) {
  for (const [what, value, raw] of hostile) {
    test(`${format}: ${what} in a peer's text does not reach the line raw`, () => {
      const { text } = hostileLines(format, value, raw);
      if (format === 'json') assert.equal(JSON.parse(text.split('\n')[0] ?? '').helo, value);
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

for (const value of breakouts) {
  test(`pretty: ${JSON.stringify(value)} stays in its field`, () => {
    const given = { first: value, second: 'x', third: value };
    const expected = Object.entries(given);
    const pretty = renderPretty(false)({ at, level: 'info', event: 'odd-event-of-ours', fields: given });
    assert.deepEqual(fieldsOf(pretty.trimEnd().split('odd-event-of-ours ')[1] ?? ''), expected);
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

const at = new Date(2026, 10, 3, 18, 0, 0);

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
