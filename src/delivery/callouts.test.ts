import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { noSuchRecipient } from '../mail/index.ts';
import { judgeAnswer } from './callout-verdict.ts';
import { recipientOf, type SinkOptions } from './testing.ts';
import { bench, sinkFor } from './testing-bench.ts';

const unknown = new Set(noSuchRecipient);

/** The verdict on a reply as it stands on the wire. */
function judge(to: 'mail' | 'rcpt', line: string) {
  const match = /^(\d{3}) (?:[245]\.(\d+\.\d+) )?(.*)$/.exec(line);
  const [, code, detail, text = ''] = match ?? [];
  const reply = { code: Number(code), lines: [text], ...(detail === undefined ? {} : { detail }) };
  return judgeAnswer({ to, reply }, unknown);
}

test('only a refusal that is about the recipient says that it does not exist', () => {
  const table: readonly (readonly [ReturnType<typeof judge>, readonly string[]])[] = [
    [
      'unknown',
      [
        '550 5.1.1 <x>: Recipient address rejected: User unknown in local recipient table',
        '550 5.1.0 Address rejected',
        '550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup',
        '550 5.1.6 moved',
        '550 5.2.1 mailbox disabled',
        '553 5.1.3 bad address syntax',
        '550 User unknown',
        '550 Unknown user',
        '550 No such user here',
        '550 Requested action not taken: mailbox unavailable',
        '550 #5.1.0 Address rejected.',
        '551 User not local; please try elsewhere',
        '553 sorry, no mailbox here by that name',
        '550 <full@greyhound.example>: User unknown',
        '550 no such user - policy@space.example',
      ],
    ],
    [
      'unavailable',
      [
        '550 5.7.1 Relay access denied',
        '554 5.7.1 <x>: Recipient address rejected: Access denied',
        '530 5.7.0 Authentication required',
        '530 Must issue a STARTTLS command first',
        '535 5.7.8 no',
        '503 5.5.1 Error: need MAIL command',
        '503 bad sequence of commands',
        '501 5.5.2 syntax error',
        '502 not implemented',
        '550 5.4.1 Recipient address rejected: Access denied',
        '550 5.1.2 host unknown',
        '553 5.1.8 sender domain does not exist',
        '550 5.3.4 message too big',
        '550 relay not permitted',
        '550 Administrative prohibition',
        '550 authentication required',
        '550 Sender verify failed',
        "553 sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)",
        '554 no',
        '450 4.1.1 unverified',
        '450 4.7.1 Greylisted',
        '451 4.3.0 try again',
        '421 4.3.2 closing',
        '452 4.5.3 too many recipients',
        '452 insufficient system storage',
      ],
    ],
    [
      'known',
      [
        '250 2.1.5 ok',
        '251 will forward',
        '252 2.0.0 will try',
        '552 5.2.2 mailbox full',
        '452 4.2.2 mailbox full',
        '552 Requested mail action aborted: exceeded storage allocation',
        '552 5.2.3 too long for this mailbox',
      ],
    ],
  ];
  for (const [expected, lines] of table)
    for (const line of lines) assert.equal(judge('rcpt', line), expected, line);
  for (const line of [
    '550 5.1.1 unknown',
    '550 5.7.1 no',
    '530 5.7.0 log in',
    '550 5.1.8 bad sender',
    '451 later',
  ])
    assert.equal(judge('mail', line), 'unavailable', line);
});

/** A delivery whose domain is asked at a sink. */
async function asking(
  t: TestContext,
  options: SinkOptions,
  callouts: { readonly connections?: number; readonly unknown?: readonly string[] } = {},
) {
  const sink = await sinkFor(t, options);
  const domains = [{ name: 'd.test', deliver: `smtp://127.0.0.1:${sink.port}` }];
  const { delivery, clock, log } = await bench(t, { domains, callouts });
  const ask = (text: string) => delivery.verify(recipientOf(text).address);
  return { sink, log, delivery, clock, ask };
}

const answering = (verb: string, text: string) => (command: string) =>
  command.startsWith(verb) ? text : undefined;

test('a backend that takes no null reverse-path says of nobody that they do not exist', async (t) => {
  for (const text of ['550 5.7.1 no bounces', '550 5.1.1 no', '501 5.1.7 bad sender', '530 5.7.0 log in']) {
    const { ask } = await asking(t, { answer: answering('MAIL', text) });
    assert.equal(await ask('u@d.test'), 'unavailable', text);
  }
});

test('a backend that refuses greeting, EHLO, STARTTLS or the login says of nobody that they do not exist', async (t) => {
  for (const verb of ['CONNECT', 'EHLO', 'HELO']) {
    const refusesBoth = (command: string) =>
      command.startsWith(verb) || (verb === 'EHLO' && command.startsWith('HELO'))
        ? '550 5.1.1 go away'
        : undefined;
    const { ask } = await asking(t, {
      answer: verb === 'HELO' ? answering('EHLO', '550 5.1.1 no') : refusesBoth,
    });
    assert.equal(await ask('u@d.test'), verb === 'HELO' ? 'known' : 'unavailable', verb);
  }
});

test('which refusals mean an unknown recipient is configurable', async (t) => {
  const answer = answering('RCPT', '550 5.4.1 Recipient address rejected: Access denied');
  const { ask } = await asking(t, { answer }, { unknown: ['5.4.1'] });
  assert.equal(await ask('u@d.test'), 'unknown');
});

test('a server without SMTPUTF8 has no mailbox of a name beyond ASCII, and keeps the same domain for others', async (t) => {
  const { ask, sink } = await asking(t, { keywords: ['PIPELINING', '8BITMIME'] });
  assert.equal(await ask('j\u00fcrgen@d.test'), 'unknown');
  assert.equal(await ask('u@d.test'), 'known');
  assert.ok(!sink.commands.some((command) => /[^ -~]/.test(command)));
});

test('what a backend says instead of an answer is logged once, and told until it answers', async (t) => {
  let says = '530 5.7.0 log in first';
  const { ask, log, delivery, clock } = await asking(t, {
    answer: (c) => (c.startsWith('RCPT') ? says : undefined),
  });
  const begun = clock.now();
  for (const name of ['a', 'b', 'c']) assert.equal(await ask(`${name}@d.test`), 'unavailable');
  clock.advance(60_000);
  await ask('d@d.test');
  const said = () => log.lines.filter(({ event }) => event === 'callout-unanswered');
  assert.equal(said().length, 1);
  assert.match(String(said()[0]?.fields.because), /RCPT: 530 5\.7\.0 log in first/);
  const [trouble] = delivery.calloutTroubles;
  assert.deepEqual([trouble?.count, trouble?.since, trouble?.lastAt], [4, begun, begun + 60_000]);
  says = '451 4.3.0 other trouble';
  await ask('e@d.test');
  assert.equal(said().length, 2, 'other words are news');
  says = '550 5.1.1 unknown';
  assert.equal(await ask('f@d.test'), 'unknown');
  assert.deepEqual(delivery.calloutTroubles, []);
});

test('a trouble that nobody met for an hour is not told any more', async (t) => {
  const { ask, delivery, clock } = await asking(t, { answer: answering('RCPT', '451 4.3.0 later') });
  await ask('a@d.test');
  clock.advance(3_600_000);
  assert.deepEqual(delivery.calloutTroubles, []);
});

test('eighty questions at once are asked over four connections', async (t) => {
  let open = 0;
  let most = 0;
  const answer = (command: string) => {
    if (command === 'CONNECT') most = Math.max(most, ++open);
    if (command.startsWith('QUIT')) open--;
    return undefined;
  };
  const { ask, sink } = await asking(t, { answer });
  const answers = await Promise.all(Array.from({ length: 80 }, (_, n) => ask(`u${n}@d.test`)));
  assert.ok(answers.every((one) => one === 'known'));
  assert.equal(sink.sessions, 4);
  assert.equal(most, 4);
});

test('a kept connection that has grown too old is no answer: the question is asked again on a new one', async (t) => {
  const { ask, sink } = await asking(t, {
    answer: (command, { session }) =>
      session === 1 &&
      command.startsWith('MAIL') &&
      sink.commands.filter((c) => c.includes('MAIL')).length > 1
        ? '421 4.4.2 too old'
        : undefined,
  });
  assert.equal(await ask('a@d.test'), 'known');
  assert.equal(await ask('b@d.test'), 'known');
  assert.equal(sink.sessions, 2);
});

test('the next host is asked when one gives no answer', async (t) => {
  const first = await sinkFor(t, { answer: answering('RCPT', '550 5.7.1 relay access denied') });
  const second = await sinkFor(t, { answer: answering('RCPT', '550 5.1.1 unknown') });
  const via = [`smtp://127.0.0.1:${first.port}`, `smtp://127.0.0.1:${second.port}`];
  const { delivery } = await bench(t, { routes: [{ via }] });
  assert.equal(await delivery.verify(recipientOf('u@d.test').address), 'unknown');
});

test('LMTP: a full mailbox exists, and a refused LHLO says of nobody that they do not exist', async (t) => {
  for (const [verb, text, expected] of [
    ['RCPT', '552 5.2.2 over quota', 'known'],
    ['RCPT', '550 5.1.1 unknown', 'unknown'],
    ['LHLO', '550 5.1.1 no', 'unavailable'],
  ] as const) {
    const sink = await sinkFor(t, { protocol: 'lmtp', answer: answering(verb, text) });
    const domains = [{ name: 'd.test', deliver: `lmtp://127.0.0.1:${sink.port}` }];
    const { delivery } = await bench(t, { domains });
    assert.equal(await delivery.verify(recipientOf('u@d.test').address), expected, text);
  }
});
