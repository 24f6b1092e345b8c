/** Tests of asking checks in order: verdicts, deadlines, and checks that fail. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { manualClock, memoryLog } from '../base/index.ts';
import { type Envelope, parseMailbox, parseQueueId, reply } from '../mail/index.ts';
import type { Grant, Later } from './ask.ts';
import { createScreening } from './create-screening.ts';
import {
  type Asking,
  type Check,
  defaultDeadlineMs,
  type Fate,
  type MessageVerdict,
  type Ruling,
  type ScreenedMessage,
  type ScreenedSender,
  type WhenUnavailable,
} from './screening.ts';

const later = reply(451, '7.1', 'later');
const never = reply(550, '7.1', 'never');
const recipient = parseMailbox('u@example.org', { smtputf8: false }) ?? assert.fail();
const sender = { session: 's1', reversePath: null, recipient } as unknown as ScreenedSender;
const envelope = { recipients: [] } as unknown as Envelope;
const id = parseQueueId('0000000000000000') ?? assert.fail();
const isKnown = () => false;
const message: ScreenedMessage = {
  id,
  isKnown,
  envelope,
  beginning: Buffer.alloc(0),
  edits: [],
  held: undefined,
};

type Answer = MessageVerdict | Error | (() => Later<MessageVerdict>);

/** A check with one answer at every stage. */
function check(name: string, answer: Answer, asked: string[], more: Partial<Check> = {}): Check {
  const say = (stage: string) => () => {
    asked.push(`${name} ${stage}`);
    if (answer instanceof Error) throw answer;
    return typeof answer === 'function' ? answer() : answer;
  };
  const stages = ['connect', 'hello', 'sender', 'recipient', 'header', 'message'] as const;
  return { name, ...Object.fromEntries(stages.map((stage) => [stage, say(stage)])), ...more };
}

function bench(answers: Readonly<Record<string, Answer>>, more: Partial<Check> = {}) {
  const asked: string[] = [];
  const clock = manualClock();
  const log = memoryLog();
  const checks = Object.entries(answers).map(([name, answer]) => check(name, answer, asked, more));
  return { screening: createScreening(checks, { clock, log }), asked, clock, log };
}

const pass = { kind: 'pass' } as const;
const hold = { kind: 'hold', because: 'odd' } as const;

test('a stage without members is not there, and one with members is', () => {
  const { clock, log } = bench({});
  const none = createScreening([{ name: 'idle' }], { clock, log });
  assert.deepEqual(Object.values(none), [...Array(7).fill(undefined), 0]);
  const one = createScreening([{ name: 'one', sender: () => pass }], { clock, log });
  assert.equal(one.message, undefined);
  assert.deepEqual(one.sender?.(sender), pass, 'at once, and not as a promise');
});

test('each stage asks its members in the order of the list, each about the stage', async () => {
  const { screening, asked } = bench({ a: pass, b: async () => pass });
  const grant = {} as unknown as Grant;
  const rulings: Ruling[] = [
    await screening.connect?.(sender),
    await screening.hello?.(sender),
    await screening.sender?.(sender),
    await screening.recipient?.({ ...sender, recipient, grant }),
    await screening.header?.({ id, isKnown, envelope, header: Buffer.alloc(0) }),
    await screening.message?.(message),
  ].map((each) => each ?? assert.fail());
  assert.deepEqual(rulings, Array(6).fill(pass));
  const stages = ['connect', 'hello', 'sender', 'recipient', 'header', 'message'];
  assert.deepEqual(
    asked,
    stages.flatMap((stage) => [`a ${stage}`, `b ${stage}`]),
  );
});

test('what refuses, defers, discards or finally passes ends the stage, and a hold does not', async () => {
  const cases: readonly (readonly [MessageVerdict, Ruling, boolean])[] = [
    [pass, pass, true],
    [{ ...pass, isFinal: true }, pass, false],
    [hold, hold, true],
    [{ kind: 'defer', reply: later, because: 'x' }, { kind: 'refuse', reply: later, because: 'x' }, false],
    [{ kind: 'refuse', reply: never, because: 'x' }, { kind: 'refuse', reply: never, because: 'x' }, false],
    [{ kind: 'discard', because: 'x' }, { kind: 'discard', because: 'x' }, false],
  ];
  for (const [verdict, ruling, goesOn] of cases)
    for (const answer of [verdict, async () => verdict]) {
      const { screening, asked } = bench({ first: answer, second: pass });
      assert.deepEqual(await screening.sender?.(sender), ruling);
      assert.deepEqual(asked, goesOn ? ['first sender', 'second sender'] : ['first sender']);
    }
});

test('a hold is overruled by what comes behind it, and keeps its first reason', async () => {
  const second = { kind: 'hold', because: 'odder' } as const;
  assert.deepEqual(await bench({ a: hold, b: second }).screening.sender?.(sender), hold);
  const refused = bench({ a: hold, b: { kind: 'refuse', reply: never, because: 'x' } });
  assert.equal((await refused.screening.sender?.(sender))?.kind, 'refuse');
});

const counted: readonly (readonly [WhenUnavailable | undefined, Ruling])[] = [
  ['pass', pass],
  ['hold', { kind: 'hold', because: 'a: it could not be looked at' }],
  [
    'defer',
    {
      kind: 'refuse',
      reply: reply(451, '3.0', 'mail cannot be checked now, try again later'),
      because: 'a: it could not be looked at',
    },
  ],
];

test('a check that throws, rejects or answers in another class counts as what it says, by default as deferred', async () => {
  const failures: readonly Answer[] = [
    new Error('a bug'),
    async () => {
      throw new Error('a bug');
    },
    { kind: 'defer', reply: never, because: 'x' },
    async () => ({ kind: 'refuse', reply: later, because: 'x' }),
    { kind: 'refuse', reply: reply(250, undefined, 'ok'), because: 'x' },
  ];
  for (const failure of failures) {
    for (const [whenUnavailable, ruling] of counted) {
      const more = whenUnavailable === undefined ? {} : { whenUnavailable };
      const { screening, log } = bench({ a: failure }, more);
      assert.deepEqual(await screening.sender?.(sender), ruling);
      assert.deepEqual(await screening.message?.(message), ruling);
      assert.deepEqual(
        log.lines.map(({ event }) => event),
        ['check-skipped'],
        'said once a minute',
      );
    }
    const { screening } = bench({ a: failure, b: pass });
    assert.equal((await screening.sender?.(sender))?.kind, 'refuse');
  }
});

test('what a failing check counts as may depend on the message', async () => {
  const more: Partial<Check> = { unavailableFor: ({ held }) => (held === undefined ? 'pass' : undefined) };
  const { screening } = bench({ a: new Error('a bug') }, more);
  assert.deepEqual(await screening.message?.(message), pass);
  assert.equal((await screening.message?.({ ...message, held: 'odd' }))?.kind, 'refuse');
});

test('failures are told of once a minute, with their number', async () => {
  const { screening, clock, log } = bench({ a: new Error('a bug') }, { whenUnavailable: 'pass' });
  for (let count = 0; count < 5; count++) await screening.sender?.(sender);
  clock.advance(60_000);
  await screening.sender?.(sender);
  assert.deepEqual(
    log.lines.map(({ event, fields }) => ({ event, ...fields })),
    [
      { event: 'check-skipped', check: 'a', because: 'a bug', messages: 1, action: 'pass' },
      { event: 'check-skipped', check: 'a', because: 'a bug', messages: 5, action: 'pass' },
    ],
  );
});

test('a check that is late is skipped when its time is over, not before, and is told so', async () => {
  for (const deadlineMs of [undefined, 2000]) {
    let signal: AbortSignal | undefined;
    const waits = (_: unknown, asking: Asking) => {
      ({ signal } = asking);
      return new Promise<never>(() => {});
    };
    const clock = manualClock();
    const log = memoryLog();
    const late: Check = { name: 'slow', sender: waits, ...(deadlineMs && { deadlineMs }) };
    const asked: string[] = [];
    const screening = createScreening([late, check('next', pass, asked)], { clock, log });
    const ruling = screening.sender?.(sender);
    clock.advance((deadlineMs ?? defaultDeadlineMs) - 1);
    assert.ok(signal?.aborted === false && log.lines.length === 0);
    clock.advance(1);
    assert.equal((await ruling)?.kind, 'refuse');
    assert.equal(signal.aborted, true);
    assert.deepEqual(asked, []);
    assert.equal(log.lines[0]?.fields?.because, 'it did not answer in time');
  }
});

test('a late check that has counted the message hears of its fate when it answers', async () => {
  const fates: Fate[] = [];
  const answer = Promise.withResolvers<MessageVerdict>();
  const settled = (fate: Fate) => void fates.push(fate);
  const { screening, clock } = bench({ slow: () => answer.promise }, { whenUnavailable: 'hold' });
  const asked = screening.message?.(message);
  clock.advance(defaultDeadlineMs);
  const ruling = await asked;
  assert.equal(ruling?.kind, 'hold');
  ruling.settled?.('held');
  assert.deepEqual(fates, []);
  answer.resolve({ kind: 'pass', settled });
  await answer.promise;
  assert.deepEqual(fates, ['held']);
});

test('later checks see what earlier ones hold and edit, and edits of all come together', async () => {
  const edit = (name: string) => ({ kind: 'add', name, value: ' x' }) as const;
  const gone = { kind: 'delete-recipient', address: recipient } as const;
  const subjects: ScreenedMessage[] = [];
  const clock = manualClock();
  const log = memoryLog();
  const a: Check = { name: 'a', message: () => ({ ...hold, edits: [edit('A')] }) };
  const b: Check = {
    name: 'b',
    async message(subject) {
      subjects.push(subject);
      return { kind: 'edit', because: 'b', edits: [edit('B')], envelopeEdits: [gone] };
    },
  };
  const c: Check = {
    name: 'c',
    message(subject) {
      subjects.push(subject);
      return pass;
    },
  };
  const ruling = await createScreening([a, b, c], { clock, log }).message?.(message);
  const edits = [edit('A'), edit('B')];
  assert.deepEqual(ruling, { ...hold, edits, envelopeEdits: [gone] });
  assert.deepEqual(
    subjects.map(({ held, edits: seen }) => [held, seen.length]),
    [
      ['odd', 1],
      ['odd', 2],
    ],
  );
  const later = await createScreening([a, c], { clock, log }).message?.({ ...message, held: 'before' });
  assert.equal(later?.kind, 'hold');
  assert.equal(subjects.at(-1)?.held, 'before');
});

test('everybody who asked to be told of the fate is, also when one of them throws and when others refuse', async () => {
  const fates: string[] = [];
  const tells = (name: string): MessageVerdict => ({
    kind: 'pass',
    settled: (fate) => {
      fates.push(`${name} ${fate}`);
      if (name === 'a') throw new Error('a bug');
    },
  });
  const refuse = { kind: 'refuse', reply: never, because: 'x' } as const;
  const { screening, log } = bench({ a: tells('a'), b: tells('b'), c: refuse, d: tells('d') });
  const ruling = await screening.message?.(message);
  assert.equal(ruling?.kind, 'refuse');
  ruling.settled?.('refused');
  assert.deepEqual(fates, ['a refused', 'b refused']);
  assert.equal(log.lines[0]?.event, 'check-skipped');
});

test('recipients that the policy refuses are told to those who want to know, and a check that throws harms nobody', () => {
  const told: string[] = [];
  const clock = manualClock();
  const log = memoryLog();
  const tells = (name: string): Check => ({
    name,
    recipientRefused: ({ recipient: { text } }) => {
      told.push(`${name} ${text}`);
      if (name === 'a') throw new Error('a bug');
    },
  });
  const screening = createScreening([tells('a'), { name: 'b' }, tells('c')], { clock, log });
  const refusal = { kind: 'refusal', reply: never, because: 'x' } as const;
  screening.recipientRefused?.({ ...sender, recipient, refusal });
  assert.deepEqual(told, ['a u@example.org', 'c u@example.org']);
  assert.equal(log.lines[0]?.event, 'check-skipped');
});

test('the most octets that a check of the whole message looks at are withheld', () => {
  const parts = { clock: manualClock(), log: memoryLog() };
  const whole = (beginningOctets: number): Check => ({ name: 'x', beginningOctets, message: () => pass });
  assert.equal(createScreening([whole(10), whole(30), whole(20)], parts).beginningOctets, 30);
  assert.equal(createScreening([{ name: 'x', beginningOctets: 5 }], parts).beginningOctets, 0);
});
