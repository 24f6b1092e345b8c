import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Background, manualClock, memoryLog } from '../src/base/index.ts';
import type { Config } from '../src/config/index.ts';
import { loadConfig } from '../src/config/index.ts';
import { createGuard } from '../src/guard/index.ts';
import { envelope, TestMemory } from '../src/guard/testing.ts';
import { type Address, parseQueueId, reply } from '../src/mail/index.ts';
import { tellOfHold } from '../src/notices/index.ts';
import type { Destination } from '../src/policy/index.ts';
import { openBench } from '../src/queue/testing.ts';
import type { Intake } from '../src/receiver/index.ts';

function configOf(): Config {
  const keys = { hostname: 'relay.test', postmaster: 'keeper@relay.test', data: '/nowhere' };
  const loaded = loadConfig(JSON.stringify(keys), { file: '/nowhere/p.yaml' });
  assert.ok(loaded.ok);
  return loaded.config;
}

/** A guard whose letters are kept as text, by recipient. */
async function guardBench(isKnown: (to: string) => boolean = () => true) {
  const bench = await openBench();
  const log = memoryLog();
  const background = new Background(log);
  const letters = new Map<string, string>();
  const intake: Intake = {
    refusal: () => undefined,
    begin() {
      const pieces: Buffer[] = [];
      const id = parseQueueId('0000000000000000');
      assert.ok(id !== undefined);
      return {
        id,
        write(octets) {
          pieces.push(Buffer.from(octets));
          return undefined;
        },
        async commit({ recipients, reversePath, smtputf8 }) {
          assert.equal(reversePath, null);
          assert.equal(smtputf8, false, 'a letter asks nothing of the next hop');
          letters.set(recipients[0]?.address.text ?? '', Buffer.concat(pieces).toString());
          return reply(250, '0.0', 'ok');
        },
        discard() {},
      };
    },
  };
  const destinationOf = async (to: Address): Promise<Destination> =>
    isKnown(to.text)
      ? { kind: 'known', to: [to] }
      : { kind: 'refusal', reply: reply(550, '1.1', 'no such recipient here'), because: '' };
  const clock = manualClock();
  const config = configOf();
  const local = {
    intake,
    clock,
    log,
    destinationOf,
    isOurs: () => false,
    hostname: () => 'relay.test',
    maxMessageBytes: () => 1_000_000,
  };
  const guard = createGuard({
    spool: bench.spool,
    queue: bench.queue,
    operator: bench.operator,
    memory: new TestMemory(),
    clock,
    log,
    background,
    tell: (hold) => tellOfHold({ local: () => local, log, config: () => config }, hold),
    options: () => config.guard,
  });
  const abuse = async (identity: string) => {
    for (let n = 0; n < 41; n++)
      guard.judge(envelope({ ground: 'authenticated', identity, to: [`r${n}@x.test`] }));
    await background.drain();
    return guard.list()[0]?.id ?? '';
  };
  return { guard, letters, log, abuse };
}

test('the owner of an account that is a mail address is told, and what to do first', async () => {
  const { letters, abuse } = await guardBench();
  const id = await abuse('alice@relay.test');
  assert.deepEqual([...letters.keys()], ['keeper@relay.test', 'alice@relay.test']);
  const letter = letters.get('alice@relay.test') ?? '';
  assert.match(letter, /^Subject: Your mail is being held\r$/m);
  assert.match(letter, /somebody knows your password/);
  assert.ok(letter.includes(id));
  for (const line of letter.split('\r\n'))
    assert.ok(line.length <= 78 || line.startsWith('Message-ID'), line);
});

test('an identity that is no mail address has no owner to be told', async () => {
  const { letters, abuse } = await guardBench();
  await abuse('printer-3');
  assert.deepEqual([...letters.keys()], ['keeper@relay.test']);
});

test('a name beyond ASCII is written so that every next hop takes it', async () => {
  const { letters, abuse } = await guardBench();
  await abuse('Jörg aus Köln');
  const header = (letters.get('keeper@relay.test') ?? '').split('\r\n\r\n')[0] ?? '';
  assert.match(header, /^[\x20-\x7e\r\n\t]*$/);
  assert.match(header, /^Subject: =\?utf-8\?B\?/m);
});

test('a name with line ends in it adds no header', async () => {
  const { letters, abuse } = await guardBench();
  await abuse('mallory\r\nBcc: victim@x.test');
  assert.doesNotMatch(letters.get('keeper@relay.test') ?? '', /^Bcc:/im, 'nor a line of its own');
});

test('an owner who does not exist here keeps nothing from being held', async () => {
  const { log, abuse, guard } = await guardBench((to) => to !== 'gone@relay.test');
  await abuse('gone@relay.test');
  assert.equal(guard.list().length, 1);
  assert.equal(log.lines.filter(({ event }) => event === 'guard-notice-refused').length, 1);
});
