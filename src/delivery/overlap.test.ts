/** Tests of attempts that begin behind the content of another on its session (RFC 2920 §3.1). */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { laneName } from '../mail/index.ts';
import type { AttemptResult } from '../queue/index.ts';
import type { DeliveryOptions } from './index.ts';
import { type AttemptChanges, attemptFor, type SinkMoment, type SinkOptions } from './testing.ts';
import { type Bench, bench, fates, never, only, sinkFor, text } from './testing-bench.ts';

const textOf = (name: number) => `Subject: m${name}\r\n\r\nbody\r\n`;

/** Attempts of one lane, each of which begins as soon as the one before lets it, or has ended. */
async function chain(
  b: Bench,
  count: number,
  changes: (name: number) => AttemptChanges & { readonly text?: string | Buffer } = () => ({}),
): Promise<readonly AttemptResult[]> {
  const begun: Promise<AttemptResult>[] = [];
  const begin = () => {
    const name = begun.length;
    if (name >= count) return;
    const to = [`r${name}@dest.test`];
    const attempt = attemptFor(changes(name).text ?? textOf(name), to, changes(name));
    const lane = laneName(b.delivery.assignLanes(attempt.envelope)[0]?.lane ?? '');
    begun.push(new Promise<never>(() => {}));
    begun[name] = b.delivery.deliver({ ...attempt, lane, follow: begin }, never);
  };
  for (let name = 0; name < count; name++) {
    if (begun.length === name) begin();
    await begun[name];
  }
  return await Promise.all(begun);
}

async function benchFor(t: TestContext, sinkOptions: SinkOptions, options: Partial<DeliveryOptions> = {}) {
  const sink = await sinkFor(t, sinkOptions);
  const b = await bench(t, { routes: [{ via: `smtp://127.0.0.1:${sink.port}` }], ...options });
  return { sink, b };
}

/** The messages that the sink took, by the subject. */
function taken({ messages }: { readonly messages: readonly { readonly octets: Buffer }[] }): string[] {
  return messages.map(({ octets }) => /^Subject: (\S+)/.exec(octets.toString())?.[1] ?? 'empty');
}

const all = (count: number) => Array.from({ length: count }, (_, name) => `m${name}`);

test('messages that wait go out one behind the other on one session, each with its own fate', async (t) => {
  const { sink, b } = await benchFor(t, {
    answer: (command) => (command.startsWith('RCPT TO:<r3@') ? '550 5.1.1 unknown' : undefined),
  });
  const results = await chain(b, 6);
  assert.deepEqual(
    results.map((result) => fates(result)[0]),
    [0, 1, 2, 3, 4, 5].map((name) => (name === 3 ? 'failed 550 1.1' : 'delivered 250 0.0')),
  );
  assert.deepEqual(taken(sink), ['m0', 'm1', 'm2', 'm4', 'm5']);
  assert.equal(sink.sessions, 1);
  assert.deepEqual(only(results[5] ?? assert.fail()).relay, `127.0.0.1[127.0.0.1]:${sink.port}`);
});

/** The replies of a server to a message and the one behind it. */
const points = ['.', 'MAIL', 'RCPT', 'DATA', 'end of the second'] as const;
const faults = ['drop', '421 4.3.2 bye', '451 4.3.0 later', '554 5.7.1 no', '503 5.5.1 what'];

/** The fate of the one that is asked about at this point, where it is the server's last word. */
const words: Readonly<Record<string, string>> = {
  '421 4.3.2 bye': 'pending 421 3.2',
  '451 4.3.0 later': 'pending 451 3.0',
  '554 5.7.1 no': 'failed 554 7.1',
  '503 5.5.1 what': 'failed 503 5.1',
  drop: 'pending 451 4.2',
};

function isAt(
  point: (typeof points)[number],
  command: string,
  { session, taken: count }: SinkMoment,
): boolean {
  if (session !== 1) return false;
  if (point === '.') return command === '.' && count === 1;
  if (point === 'end of the second') return command === '.' && count === 2;
  return command.startsWith(point) && count === 2;
}

for (const point of points) {
  for (const fault of faults) {
    test(`"${fault}" to ${point}, with a message behind, loses none and sends none twice`, async (t) => {
      let isDone = false;
      const { sink, b } = await benchFor(t, {
        answer: (command, moment) => {
          if (isDone || !isAt(point, command, moment)) return undefined;
          isDone = true;
          return fault;
        },
      });
      const results = await chain(b, 4);
      assert.ok(isDone);
      const got = results.map((result) => fates(result)[0]);
      // What MAIL is answered on a session that has carried others is asked again on a fresh one.
      const isEnd = point === '.' || point === 'end of the second';
      const isFinal = isEnd ? fault !== '421 4.3.2 bye' : point !== 'MAIL' && !/^(drop|421)/.test(fault);
      const struck = point === '.' ? 1 : 2;
      const expected = all(4).map((_, name) =>
        isFinal && name === struck ? words[fault] : 'delivered 250 0.0',
      );
      assert.deepEqual(got, expected);
      assert.deepEqual(
        taken(sink).toSorted(),
        all(4).filter((_, name) => expected[name]?.startsWith('delivered')),
      );
    });
  }
}

test('a session is kept once when the one that follows ends in the same breath as the one before', async (t) => {
  const { sink, b } = await benchFor(t, {
    answer: (command, { accepted }) => {
      if (command.startsWith('RCPT TO:<r2@')) return '550 5.1.1 unknown';
      return command === 'DATA' && accepted === 0 ? '503 5.5.1 nobody' : undefined;
    },
  });
  const results = await chain(b, 3);
  assert.deepEqual(
    results.map((result) => fates(result)[0]),
    ['delivered 250 0.0', 'delivered 250 0.0', 'failed 550 1.1'],
  );
  assert.equal(sink.sessions, 1);
  const lane = laneName(`smtp:127.0.0.1:${sink.port}`);
  const sent = ['x', 'y'].map((name) =>
    b.delivery.deliver(attemptFor(text, [`${name}@dest.test`], { lane }), never),
  );
  for (const result of await Promise.all(sent)) assert.deepEqual(fates(result), ['delivered 250 0.0']);
  assert.equal(sink.sessions, 2);
});

test('a server that keeps its transaction open after refused content bounces nothing, and gets no empty message', async (t) => {
  let isOpen = false;
  const { sink, b } = await benchFor(t, {
    answer: (command, { session, taken: count }) => {
      if (session !== 1) return undefined;
      if (command === '.' && count === 1) {
        isOpen = true;
        return '554 5.7.1 spam';
      }
      if (isOpen && command.startsWith('MAIL')) return '503 5.5.1 nested';
      if (isOpen && command.startsWith('RCPT')) return '250 2.1.5 ok';
      if (isOpen && command === 'DATA') return '354 go on';
      return undefined;
    },
  });
  const results = await chain(b, 3);
  assert.deepEqual(
    results.map((result) => fates(result)[0]),
    ['delivered 250 0.0', 'failed 554 7.1', 'delivered 250 0.0'],
  );
  assert.deepEqual(taken(sink), ['m0', 'm2']);
});

test('where one that followed came to nothing none follows in the lane for ten minutes', async (t) => {
  const { sink, b } = await benchFor(t, {
    answer: (command, { session, taken: count }) =>
      session === 1 && count === 2 && command.startsWith('MAIL') ? 'drop' : undefined,
  });
  let followers = 0;
  const send = async (count: number) => {
    followers = 0;
    const lane = laneName(`smtp:127.0.0.1:${sink.port}`);
    for (let i = 0; i < count; i++) {
      const attempt = attemptFor(text, ['a@dest.test'], { lane });
      const begun: Promise<AttemptResult>[] = [];
      const follow = () => {
        followers++;
        begun.push(b.delivery.deliver(attemptFor(text, ['b@dest.test'], { lane }), never));
      };
      assert.deepEqual(fates(await b.delivery.deliver({ ...attempt, follow }, never)), ['delivered 250 0.0']);
      for (const one of begun) assert.deepEqual(fates(await one), ['delivered 250 0.0']);
    }
  };
  await send(2);
  assert.equal(followers, 1);
  await send(5);
  assert.equal(followers, 0);
  b.clock.advance(600_000);
  await send(3);
  assert.equal(followers, 2);
});

test('a message that has to be converted does not wait behind another, and both arrive', async (t) => {
  const { sink, b } = await benchFor(t, { keywords: ['PIPELINING'] });
  const wide = { text: Buffer.from('Subject: m2\r\nContent-Type: text/plain\r\n\r\n\xe4\r\n', 'latin1') };
  const results = await chain(b, 4, (name) => (name === 2 ? wide : {}));
  for (const result of results) assert.deepEqual(fates(result), ['delivered 250 0.0']);
  assert.deepEqual(taken(sink).toSorted(), all(4));
  assert.match(
    sink.messages.find(({ octets }) => octets.includes('m2'))?.octets.toString() ?? '',
    /\r\n5A0K\r\n/,
  );
});

test('limits of a session hold for those that follow', async (t) => {
  for (const [keywords, limits] of [
    [['PIPELINING', 'LIMITS MAILMAX=3'], {}],
    [['PIPELINING'], { messagesPerSession: 3 }],
  ] as const) {
    const { sink, b } = await benchFor(t, { keywords }, { limits });
    for (const result of await chain(b, 7)) assert.deepEqual(fates(result), ['delivered 250 0.0']);
    assert.deepEqual(
      sink.messages.map(({ session }) => session),
      [1, 1, 1, 2, 2, 2, 3],
    );
  }
});

test('routes with a choice of hosts choose for each message, so that none follows', async (t) => {
  const one = await sinkFor(t);
  const other = await sinkFor(t);
  const via = [`smtp://127.0.0.1:${one.port}`, `smtp://127.0.0.1:${other.port}`];
  for (const route of [
    { via, balance: 'weighted', weights: [1, 1] },
    { via: via[0] ?? '', fallback: via[1] ?? '' },
  ] as const) {
    const b = await bench(t, { routes: [route as never] });
    let followers = 0;
    for (let i = 0; i < 6; i++) {
      const attempt = attemptFor(text, ['a@dest.test']);
      const lane = laneName(b.delivery.assignLanes(attempt.envelope)[0]?.lane ?? '');
      const follow = () => followers++;
      await b.delivery.deliver({ ...attempt, lane, follow }, never);
    }
    assert.equal(followers, 0);
  }
});

test('a reload between two messages keeps what follows off the old sessions', async (t) => {
  const { sink, b } = await benchFor(t, {});
  const options = { hostname: 'relay.test', routes: [{ via: `smtp://127.0.0.1:${sink.port}` }] };
  const lane = laneName(`smtp:127.0.0.1:${sink.port}`);
  let followers = 0;
  const follow = () => followers++;
  for (let i = 0; i < 2; i++) {
    const sent = b.delivery.deliver({ ...attemptFor(text, ['a@dest.test'], { lane }), follow }, never);
    if (i === 1) b.delivery.prepare(options)();
    assert.deepEqual(fates(await sent), ['delivered 250 0.0']);
  }
  assert.equal(followers, 0);
});
