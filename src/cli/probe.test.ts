import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { Dialogue } from '../probe/index.ts';
import { closedScript, openScript, type Script, ScriptedServer } from '../probe/testing.ts';
import { ownFolder, run } from './testing.ts';

async function probe(t: TestContext, ...args: string[]) {
  return run(['probe', '--data', await ownFolder(t), '--helo', 'tester.test', ...args]);
}

/** A port that was free a moment ago. */
async function freePort(): Promise<number> {
  await using server = await ScriptedServer.start(closedScript);
  return server.port;
}

/** Accepts mail for any recipient and hands it over at a port of this machine, as an open relay would. */
function relayingTo(port: number): Script {
  const take = openScript();
  let lines: string[] = [];
  return (line, at) => {
    lines.push(line);
    const answer = take(line, at);
    if (line !== '.') {
      if (line.startsWith('EHLO') || line === 'RSET') lines = [];
      return answer;
    }
    const said = lines;
    lines = [];
    void (async () => {
      const signal = AbortSignal.timeout(5000);
      const { dialogue } = await Dialogue.open({ host: '127.0.0.1', port, replyMs: 5000, signal });
      const content = said.indexOf('DATA');
      for (const command of ['EHLO relay.test', ...said.slice(0, content + 1)]) await dialogue.say(command);
      for (const text of said.slice(content + 1, -1)) dialogue.write(`${text}\r\n`);
      await dialogue.say('.');
      await dialogue.quit();
    })();
    return answer;
  };
}

test('a host that refuses is closed: exit 0', async (t) => {
  await using server = await ScriptedServer.start(closedScript, '220 target.test ESMTP\r\n');
  const { code, out } = await probe(t, `127.0.0.1:${server.port}`);
  assert.equal(code, 0, out);
  assert.match(out, /closed: nothing arrived at the third party; (\d+) of \1 forms tried/);
  assert.ok(
    server.lines.some((line) => line.endsWith('%tester.test@target.test>')),
    'the greeting names its domain',
  );
  assert.ok(!server.lines.includes('DATA'));
});

test('a host that accepts is not called open until something arrives: exit 75', async (t) => {
  await using server = await ScriptedServer.start(openScript());
  const { code, out } = await probe(t, `127.0.0.1:${server.port}`);
  assert.equal(code, 75, out);
  assert.match(out, /inconclusive: \d+ accepted, and not seen to arrive/);
});

test('a host that relays is open by what arrives: exit 1, with who handed it over', async (t) => {
  const port = await freePort();
  await using server = await ScriptedServer.start(relayingTo(port));
  const to = ['--deliver', 'box@third.test', '--listen', `127.0.0.1:${port}`, '--wait', '2', '--json'];
  const { code, out } = await probe(t, `127.0.0.1:${server.port}`, ...to);
  assert.equal(code, 1, out);
  const lines = out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  const plain = lines.find((line) => line.case === 'r01s03h1');
  assert.equal(plain.verdict, 'relayed');
  assert.equal(plain.hops, 'single');
  assert.equal(lines.at(-1).verdict, 'open');
});

test('a host of somebody else is not tested without his word: exit 77', async (t) => {
  const data = await ownFolder(t);
  const ask = (...args: string[]) => run(['probe', '--data', data, ...args]);
  const without = await ask('192.0.2.1');
  assert.equal(without.code, 77);
  assert.match(without.err, /say with --authorised who allowed the test/);
});

test('who opted out stays out', async (t) => {
  const data = await ownFolder(t);
  await using server = await ScriptedServer.start(closedScript);
  assert.equal((await run(['probe', '--data', data, '--opt-out', '127.0.0.0/8'])).code, 0);
  const { code, err } = await run([
    'probe',
    '--data',
    data,
    '--helo',
    'tester.test',
    `127.0.0.1:${server.port}`,
  ]);
  assert.equal(code, 77);
  assert.match(err, /opted out/);
  assert.equal(server.connections, 0);
});

test('a host that turns us away is not asked again: exit 75', async (t) => {
  await using server = await ScriptedServer.start(closedScript, '554 your address is blocked\r\n');
  const { code, out } = await probe(t, '--domain', 'target.test', `127.0.0.1:${server.port}`);
  assert.equal(code, 75, out);
  assert.equal(server.connections, 1);
});

test('what makes no sense is a usage error', async (t) => {
  for (const args of [
    [],
    ['--listen', '127.0.0.1:1', 'h'],
    ['--deliver', 'x', 'h'],
    ['--tls', 'maybe', 'h'],
  ]) {
    assert.equal((await probe(t, ...args)).code, 64, args.join(' '));
  }
  assert.equal((await probe(t, '--wait', '-1', '127.0.0.1')).code, 64);
});
