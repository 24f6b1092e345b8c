import assert from 'node:assert/strict';
import { test } from 'node:test';
import { breakouts, fieldsOf, hostile, hostileLines } from '../base/testing-log.ts';
import { renderPostfix } from './log-postfix.ts';

for (const [what, value, raw] of hostile) {
  test(`syslog-postfix: ${what} in a peer's text does not reach the line raw`, () => {
    hostileLines(renderPostfix(), value, raw);
  });
}

for (const value of breakouts) {
  test(`syslog-postfix: ${JSON.stringify(value)} stays in its field`, () => {
    const fields = { first: value, second: 'x', third: value };
    const render = renderPostfix({ host: 'mx1', pid: 7 });
    const [line = ''] = render({ at, level: 'info', event: 'odd-event-of-ours', fields });
    assert.deepEqual(fieldsOf(line.trimEnd().split('odd-event-of-ours ')[1] ?? ''), Object.entries(fields));
  });
}

test('syslog-postfix: a refused POP3 connection is no rejection of an SMTP command', () => {
  const render = renderPostfix({ host: 'mx1', pid: 7 });
  const fields = { client: '192.0.2.1', stage: 'connect', because: 'too many connections' };
  assert.deepEqual(render({ at, level: 'info', event: 'refused', fields }), [
    'Nov  3 18:00:00 mx1 posthouse[7]: refused client=192.0.2.1 stage=connect because="too many connections"\n',
  ]);
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
