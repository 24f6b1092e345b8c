/** Tests of checks in a session: what they say before the message comes, and that they never grant relaying. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { manualClock, memoryLog } from '../src/base/index.ts';
import { parseMailbox, type Reply, reply } from '../src/mail/index.ts';
import {
  type Authenticator,
  type Check,
  createScreening,
  type Later,
  type Policy,
  type Stage,
  type Verdict,
} from '../src/receiver/index.ts';
import { MemoryPeer } from './support/peer.ts';
import { type MemoryOptions, networks, testPolicy, testSettings } from './support/server.ts';

const later = reply(450, '7.1', 'later');
const never = reply(550, '7.1', 'never');

function screeningOf(...checks: readonly Check[]) {
  return createScreening(checks, { clock: manualClock(), log: memoryLog() });
}

/** A peer that has heard nothing yet, behind these checks. */
function behind(checks: readonly Check[], options: MemoryOptions = {}): MemoryPeer {
  return new MemoryPeer({ ...options, settings: { ...options.settings, screening: screeningOf(...checks) } });
}

/** A check of one stage. */
function at(stage: Stage, verdict: Verdict, isLater = false): Check {
  const answer = () => (isLater ? Promise.resolve(verdict) : verdict);
  return { name: 'x', [stage]: answer };
}

function refusing(answer: Reply): Verdict {
  return { kind: answer.code < 500 ? 'defer' : 'refuse', reply: answer, because: 'x' } as Verdict;
}

test('a client that is refused when it connects hears a code that stands for a greeting, and the session ends', async () => {
  for (const isLater of [false, true])
    for (const [answer, said] of [
      [later, /^421 4\.7\.1 later/],
      [never, /^554 5\.7\.1 never/],
    ] as const) {
      await using peer = behind([at('connect', refusing(answer), isLater)]);
      assert.match(await peer.reply(), said);
      await peer.over();
      const [line] = peer.log.lines.filter(({ event }) => event === 'refused');
      assert.deepEqual([line?.fields?.stage, line?.fields?.because], ['connect', 'x']);
    }
});

test('what came before the greeting waits for the checks, and its answers follow in order', async () => {
  const connected = Promise.withResolvers<Verdict>();
  await using peer = behind([{ name: 'x', connect: () => connected.promise }]);
  peer.send('NOOP\r\nRSET\r\n');
  assert.equal(peer.unread, '');
  connected.resolve({ kind: 'pass' });
  assert.match(await peer.reply(), /^220 /);
  assert.match(await peer.reply(), /^250 /);
  assert.match(await peer.reply(), /^250 /);
  assert.equal(peer.writes, 1, 'in one write');
});

test('a refused EHLO leaves the session where it began', async () => {
  for (const isLater of [false, true]) {
    const names: string[] = [];
    const hello: Check = {
      name: 'x',
      hello({ client: { helo } }) {
        names.push(helo);
        const verdict: Verdict = helo === 'bad.example' ? refusing(never) : { kind: 'pass' };
        return isLater ? Promise.resolve(verdict) : verdict;
      },
    };
    await using peer = behind([hello]);
    await peer.reply();
    await peer.expect(['EHLO bad.example', 550], ['MAIL FROM:<>', 503]);
    await peer.expect(['EHLO good.example', 250], ['EHLO bad.example', 550], ['MAIL FROM:<>', 503]);
    await peer.upTo('DATA');
    peer.send('x\r\n.\r\n');
    assert.match(await peer.reply(), /^250 /);
    assert.deepEqual(names, ['bad.example', 'good.example', 'bad.example', 'client.example']);
  }
});

test('MAIL and RCPT are refused and deferred with the reply of the check, and the transaction goes on', async () => {
  for (const isLater of [false, true])
    for (const answer of [later, never]) {
      await using mail = behind([at('sender', refusing(answer), isLater)]);
      await mail.reply();
      await mail.upTo('EHLO');
      await mail.expect(['MAIL FROM:<a@b.example>', answer.code], ['RCPT TO:<u@example.org>', 503]);
      await using rcpt = behind([at('recipient', refusing(answer), isLater)]);
      await rcpt.reply();
      await rcpt.upTo('MAIL');
      await rcpt.expect(['RCPT TO:<u@example.org>', answer.code], ['DATA', 554]);
    }
});

test('a 421 of a check ends the session', async () => {
  await using peer = behind([at('sender', refusing(reply(421, '7.0', 'go away')))]);
  await peer.reply();
  await peer.upTo('EHLO');
  assert.match(await peer.command('MAIL FROM:<>'), /^421 /);
  await peer.over();
});

test('a check is asked about recipients that the policy grants, and told of those that it refuses', async () => {
  const asked: string[] = [];
  await using peer = behind([
    {
      name: 'x',
      recipient({ recipient, grant, session }) {
        asked.push(`${session} ${recipient.text} ${grant.ground}`);
        return { kind: 'pass' };
      },
      recipientRefused: ({ recipient, refusal }) =>
        void asked.push(`${recipient.text} ${refusal.reply.code}`),
    },
  ]);
  await peer.reply();
  await peer.upTo('MAIL');
  await peer.expect(['RCPT TO:<u@example.org>', 250], ['RCPT TO:<x@third.example>', 550]);
  assert.deepEqual(asked, ['s1 u@example.org recipient', 'x@third.example 550']);
});

test('hold and discard count for each message of the session from before MAIL, else for the transaction', async () => {
  const hold: Verdict = { kind: 'hold', because: 'odd' };
  const discard: Verdict = { kind: 'discard', because: 'odd' };
  const both: readonly Verdict[] = [hold, discard];
  for (const stage of ['connect', 'hello', 'sender', 'recipient'] as const)
    for (const verdict of both)
      for (const isLater of [false, true]) {
        await using peer = behind([at(stage, verdict, isLater)]);
        await peer.reply();
        await peer.upTo('DATA');
        for (const next of [true, false]) {
          peer.send('x\r\n.\r\n');
          assert.match(await peer.reply(), /^250 2\.0\.0 queued as /);
          if (next) await peer.expect(['MAIL FROM:<>', 250], ['RCPT TO:<u@example.org>', 250], ['DATA', 354]);
        }
        const held = peer.intake.messages.map((message) => message.held);
        assert.deepEqual(held, verdict.kind === 'hold' ? ['odd', 'odd'] : [], `${stage} ${verdict.kind}`);
      }
  let count = 0;
  const first: Check = { name: 'x', sender: () => (count++ === 0 ? discard : { kind: 'pass' }) };
  await using peer = behind([first]);
  await peer.reply();
  for (const last of [false, true]) {
    await peer.upTo('DATA');
    peer.send('x\r\n.\r\n');
    assert.match(await peer.reply(), /^250 /);
    assert.equal(peer.intake.messages.length, last ? 1 : 0);
  }
});

test('behind XCLIENT the checks are asked about the client, and nothing of the proxy counts', async () => {
  const seen: string[] = [];
  const check: Check = {
    name: 'x',
    connect({ client: { address } }) {
      seen.push(address);
      if (address === '198.51.100.8') return refusing(never);
      return address === '127.0.0.1' ? { kind: 'hold', because: 'proxy' } : { kind: 'pass' };
    },
  };
  const settings = { xclientFrom: networks('127.0.0.1') };
  await using peer = behind([check], { settings });
  await peer.reply();
  await peer.expect(['XCLIENT ADDR=198.51.100.7', 220]);
  await peer.upTo('DATA');
  peer.send('x\r\n.\r\n');
  assert.match(await peer.reply(), /^250 /);
  assert.equal(peer.intake.messages[0]?.held, undefined);
  await using other = behind([check], { settings });
  await other.reply();
  assert.match(await other.command('XCLIENT ADDR=198.51.100.8'), /^554 /);
  await other.over();
  assert.deepEqual(seen, ['127.0.0.1', '198.51.100.7', '127.0.0.1', '198.51.100.8']);
});

test('checks of a new configuration are taken over at the next MAIL', async () => {
  const before = testSettings({});
  let current = before;
  await using peer = new MemoryPeer({ current: () => current });
  await peer.reply();
  await peer.upTo('EHLO');
  current = { ...before, screening: screeningOf(at('sender', refusing(never))) };
  await peer.expect(['MAIL FROM:<>', 550]);
  current = { ...before };
  await peer.expect(['MAIL FROM:<>', 250]);
});

test('a trap is not screened', async () => {
  const check: Check = { name: 'x', connect: () => assert.fail(), sender: () => assert.fail() };
  await using peer = behind([check], { listener: { role: 'trap' } });
  assert.match(await peer.reply(), /^220 /);
});

test('a session that ends while a check is asked begins no transaction', async () => {
  const answer = Promise.withResolvers<Verdict>();
  await using peer = behind([{ name: 'x', sender: () => answer.promise }]);
  await peer.reply();
  await peer.upTo('EHLO');
  peer.send('MAIL FROM:<>\r\n');
  peer.session.closed();
  answer.resolve({ kind: 'pass' });
  await peer.background.drain();
  assert.equal(peer.session.state.at, 'closed');
});

/** A check that notes at each stage whether the client is known. */
function knowing(found: string[]): Check {
  const note = (stage: Stage) => async (subject: { readonly isKnown: () => Later<boolean> }) => {
    found.push(`${stage} ${await subject.isKnown()}`);
    return { kind: 'pass' } as const;
  };
  const [connect, hello, sender] = [note('connect'), note('hello'), note('sender')];
  const [recipient, header, message] = [note('recipient'), note('header'), note('message')];
  return { name: 'x', connect, hello, sender, recipient, header, message };
}

const stages: readonly Stage[] = ['connect', 'hello', 'sender', 'recipient', 'header', 'message'];

test('a check hears at each stage whether the client is known, also where the ground is that of the recipient', async () => {
  for (const [trusted, isKnown] of [
    [[], false],
    [['192.0.2.0/24'], true],
  ] as const) {
    const found: string[] = [];
    await using peer = behind([knowing(found)], {
      address: '192.0.2.1',
      settings: { policy: testPolicy(trusted) },
    });
    await peer.reply();
    await peer.upTo('DATA');
    peer.send('A: b\r\n\r\nx\r\n.\r\n');
    assert.match(await peer.reply(), /^250 /);
    assert.deepEqual(
      found,
      stages.map((stage) => `${stage} ${isKnown}`),
    );
    assert.equal(peer.intake.messages[0]?.envelope.origin.ground, 'recipient');
  }
});

test('a client is known from its login on, and not when a trusted proxy says that it is somebody else', async () => {
  const found: string[] = [];
  const policy: Policy = { ...testPolicy(), knows: ({ identity }) => identity !== undefined };
  const authenticator: Authenticator = {
    mechanisms: () => ['ASK'],
    renew: (identity) => identity,
    begin: () => ({
      takesInitial: true,
      cancel() {},
      step: async () => ({ kind: 'success', identity: { name: 'anna', mechanism: 'ASK', senders: [] } }),
    }),
  };
  await using user = behind([knowing(found)], {
    listener: { tls: 'none', offersAuth: true },
    settings: { policy, authenticator },
  });
  await user.reply();
  await user.expect(['EHLO c.example', 250], ['AUTH ASK eA==', 235], ['MAIL FROM:<>', 250]);
  assert.deepEqual(found.splice(0), ['connect false', 'hello false', 'sender true']);
  await using proxied = behind([knowing(found)], {
    address: '192.0.2.1',
    settings: { policy: testPolicy(['192.0.2.0/24']), xclientFrom: networks('192.0.2.1') },
  });
  await proxied.reply();
  await proxied.expect(['EHLO c.example', 250], ['XCLIENT ADDR=203.0.113.9', 220], ['EHLO d.example', 250]);
  const before = ['connect true', 'hello true'];
  assert.deepEqual(found, [...before, 'connect false', 'hello false']);
});

test('whatever checks say, nothing is relayed that the policy alone refuses', async () => {
  const targets = ['u@example.org', 'known@example.net', 'x@example.net', 'u@third.example'];
  const address = (text: string) => parseMailbox(text, { smtputf8: false }) ?? assert.fail(text);
  const verdict = fc.oneof(
    fc.constantFrom<Verdict>(
      { kind: 'pass' },
      { kind: 'pass', isFinal: true },
      { kind: 'hold', because: 'x' },
      { kind: 'discard', because: 'x' },
      refusing(never),
      refusing(later),
      // What no check may say.
      { kind: 'refuse', reply: reply(250, '0.0', 'ok'), because: 'x' },
    ),
  );
  const check = fc
    .tuple(fc.constantFrom(...stages), verdict, fc.boolean(), fc.constantFrom(...targets))
    .map(([stage, said, isLater, added]): Check => {
      const envelopeEdits = [{ kind: 'add-recipient', address: address(added) }] as const;
      const answer = stage === 'message' ? { ...said, envelopeEdits } : said;
      return {
        name: 'x',
        beginningOctets: 10,
        whenUnavailable: 'pass',
        [stage]: () => (isLater ? Promise.resolve(answer) : answer),
      };
    });
  const policy = testPolicy([]);
  let kept = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(check, { maxLength: 4 }),
      fc.constantFrom(...targets),
      async (checks, target) => {
        await using peer = behind(checks, { settings: { policy } });
        for (const line of ['EHLO c.example', 'MAIL FROM:<>', `RCPT TO:<${target}>`, 'DATA']) {
          peer.send(`${line}\r\n`);
          await peer.background.drain();
        }
        if (peer.session.state.at === 'content') peer.send('A: b\r\n\r\nx\r\n.\r\n');
        await peer.background.drain();
        kept += peer.intake.messages.length;
        for (const { envelope } of peer.intake.messages)
          for (const recipient of envelope.recipients) {
            const { client } = peer.session;
            const alone = await policy.decide({ client, reversePath: null, recipient: recipient.address });
            assert.equal(alone.kind, 'grant', recipient.address.text);
          }
      },
    ),
  );
  assert.ok(kept > 0, 'some mail came through');
});
