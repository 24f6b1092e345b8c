import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ControlError } from '../admin/index.ts';
import { fakeRelay, queueItem, run } from './testing.ts';

/** Clears a screen, ends a line, turns the direction of writing, is invisible: by C0, C1 and above. */
const hostile = 'x\x1b[2J\x9b2J\x07\x7f\u0085\u2028\u202e\u200b\r\x00y';
/** Everything that may move a cursor; the ends of our own lines are all that is left. */
const harmful = /[\p{C}\p{Zl}\p{Zp}]/u;

test('nothing that a peer said speaks to the terminal, whichever command shows it', async (t) => {
  const item = queueItem('A1', {
    from: `${hostile}@b.example`,
    client: hostile,
    recipients: [
      {
        to: `${hostile}@d.example`,
        status: 'deferred',
        reply: `451 ${hostile}`,
        relay: hostile,
        held: hostile,
      },
      { to: 'e@d.example', status: 'deferred', suspended: { until: Date.now(), reply: hostile } },
    ],
  });
  const alarm = { kind: 'route', subject: hostile, since: 0, because: hostile, waiting: hostile } as const;
  const { data } = await fakeRelay(t, {
    async *list() {
      yield item;
    },
    async *shape() {
      yield { destination: hostile, counts: [1, 0, 0, 0, 0, 0, 0, 0, 0, 2] };
    },
    async *plan() {
      yield { id: 'A1', recipients: [hostile], unnamed: [hostile], left: [hostile] };
    },
    status: async () => ({
      ...{ version: '1', pid: 1, hostname: hostile, startedAt: 0, state: 'running', spool: 'ok' },
      ...{
        messages: 1,
        sessions: 0,
        listeners: [{ name: 'mx', role: 'mx', address: hostile }],
        alarms: [alarm],
      },
    }),
    reload: async () => ({ outcome: 'refused', problems: [hostile] }),
    explain: async () => {
      throw new ControlError('failed', hostile);
    },
  });
  const commands = [
    ['queue', 'list'],
    ['queue', 'list', '--json'],
    ['queue', 'show', 'A1'],
    ['queue', 'show', 'A1', '--json'],
    ['queue', 'shape'],
    ['queue', 'hold', '--to', 'd.example', '--dry-run'],
    ['status'],
    ['status', '--json'],
    ['reload'],
    ['explain', '--client', '192.0.2.1', '--to', 'a@b.example'],
    [hostile],
    ['queue', hostile],
    ['check', '--config', `/nowhere/${hostile}`],
  ];
  for (const command of commands) {
    const named = command.length > 2 || !command.includes(hostile);
    const argv = named && command[0] !== 'check' ? [...command, '--data', data] : command;
    const { out, err } = await run(argv);
    const text = out + err;
    assert.ok(text.includes('\\u009b'), `${command.join(' ')} shows it: ${text}`);
    assert.doesNotMatch(text.replaceAll('\n', ''), harmful, command.join(' '));
  }
});

test('JSON of a command means the same after it was made harmless', async (t) => {
  const item = queueItem('A1', { from: `${hostile}@b.example` });
  const { data } = await fakeRelay(t, {
    async *list() {
      yield item;
    },
  });
  const { out } = await run(['queue', 'list', '--json', '--data', data]);
  assert.deepEqual(JSON.parse(out), item);
});
