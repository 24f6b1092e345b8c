import assert from 'node:assert/strict';
import { test } from 'node:test';
import { attack } from './attack.ts';
import { unionCases } from './cases.ts';
import { attackOptions, closedScript, gather, openScript, type Script, ScriptedServer } from './testing.ts';
import { findTokens } from './token.ts';
import { overall } from './verdict.ts';

const all = unionCases();
const plain = all.filter(({ id }) => ['r01s01h1', 'r01s03h1', 'r01s05h1', 'r02s05h1'].includes(id));

async function results(script: Script, over: Parameters<typeof attackOptions>[1] = {}, greeting?: string) {
  await using server = await ScriptedServer.start(script, greeting);
  const found = await gather(attack(attackOptions(server.port, { cases: plain, ...over })));
  return { found, server };
}

const verdicts = async (script: Script, greeting?: string) =>
  (await results(script, {}, greeting)).found.map(({ verdict }) => verdict);

test('a server that refuses every recipient is closed, by the whole battery', async () => {
  const { found, server } = await results(closedScript, { cases: all });
  assert.equal(found.length, all.length);
  // Lawful to accept, or refused at RCPT, whatever else the session form does.
  const others = found.filter(({ verdict }) => verdict !== 'refused');
  assert.deepEqual(
    others.map(({ one, evidence }) => [one.id, evidence]),
    [],
  );
  assert.equal(
    overall(
      found.map(({ verdict }) => ({ verdict, isLawful: false })),
      all.length,
    ).verdict,
    'closed',
  );
  assert.ok(!server.lines.includes('DATA'), 'nothing is sent unless it was asked for');
});

test('octets go out as the form says: NUL, octets beyond ASCII, a bare CR', async () => {
  const { server } = await results(closedScript, {
    cases: all.filter(({ recipient }) => /^r5[2-7]$/.test(recipient.id)),
  });
  const said = server.lines.join('\n');
  for (const octets of ['\0@target.test>', '\xfc@third.test', '\xc3\xbc@third.test', '\r@target.test>']) {
    assert.ok(said.includes(octets), JSON.stringify(octets));
  }
});

test('an open relay gets one marked message for each case, in the recipient and in the header', async () => {
  const { found, server } = await results(openScript(), { sending: 'accepted' });
  assert.deepEqual(
    found.map(({ verdict, isTaken }) => [verdict, isTaken]),
    plain.map(() => ['accepted-unconfirmed', true]),
  );
  const tokens = findTokens(server.lines.join('\n'), ['target'], Buffer.from('secret'));
  assert.deepEqual(new Set(tokens.map(({ caseId }) => caseId)), new Set(plain.map(({ id }) => id)));
  for (const { token } of found) {
    assert.ok(server.lines.includes(`X-Relay-Test: ${token}`));
    assert.ok(server.lines.some((line) => line.startsWith('RCPT TO:') && line.includes(token)));
  }
});

test('the whole battery is also sent to the end where everything is taken', async () => {
  const { found } = await results(openScript(), { sending: 'any', cases: all });
  assert.equal(found.length, all.length);
  const lost = found.filter(({ verdict }) => verdict !== 'accepted-unconfirmed');
  // BDAT is content without 354: the script takes its lines for commands.
  assert.deepEqual(
    lost.map(({ one }) => one.id),
    [],
  );
});

test('a refusal for reasons of login, of the tester and of the moment is told apart', async () => {
  const answer =
    (text: string): Script =>
    (line) =>
      line.startsWith('RCPT') ? `${text}\r\n` : '250 ok\r\n';
  for (const [text, verdict] of [
    ['550 5.7.1 relaying denied', 'refused'],
    ['553 sorry', 'refused'],
    ['450 4.2.0 greylisted, come back', 'deferred'],
    ['530 5.7.0 must issue a STARTTLS first', 'auth-required'],
    ['550 5.7.1 Authentication required', 'auth-required'],
    ['554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.example', 'blocked'],
    ['421 4.7.0 too many errors', 'disconnected'],
    ['hello there', 'disconnected'],
    ['250 ok', 'accepted-unconfirmed'],
    ['251 will forward', 'accepted-unconfirmed'],
  ] as const) {
    assert.deepEqual(new Set(await verdicts(answer(text))), new Set([verdict]), text);
  }
});

test('a 4yz that refuses relaying in words is a refusal, and greylisting is none', async () => {
  const answer =
    (text: string): Script =>
    (line) =>
      line.startsWith('RCPT') ? `${text}\r\n` : '250 ok\r\n';
  for (const [text, verdict] of [
    // Postfix, as it comes
    ['454 4.7.1 <later@third.example>: Relay access denied', 'refused'],
    ['554 5.7.1 <b@third.example>: Relay access denied', 'refused'],
    ['451 4.7.1 <b@third.example>: Relay access denied', 'refused'],
    // Exim
    ['550 relay not permitted', 'refused'],
    ['451 relay not permitted', 'refused'],
    ['550-Please turn on SMTP Authentication in your mail client\r\n550 relay not permitted!', 'refused'],
    // Sendmail; the second one may end when the name is found
    ['550 5.7.1 <b@third.example>... Relaying denied. IP name lookup failed [192.0.2.1]', 'refused'],
    ['450 4.7.1 <b@third.example>... Relaying temporarily denied. Cannot resolve PTR record', 'deferred'],
    ['550 5.7.1 <b@third.example>... Relaying denied. Proper authentication required.', 'auth-required'],
    // Exchange
    ['550 5.7.54 SMTP; Unable to relay recipient in non-accepted domain', 'refused'],
    ['550 5.7.1 Unable to relay for b@third.example', 'refused'],
    ['450 4.7.1 Unable to relay', 'refused'],
    // qmail, OpenSMTPD, qpsmtpd, chasquid, mailfront, Haraka
    ["553 sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)", 'refused'],
    ["451 sorry, that domain isn't in my list of allowed rcpthosts (#4.7.1)", 'refused'],
    ['550 Invalid recipient: <b@third.example>', 'refused'],
    ['550 Relaying denied (#5.7.1)', 'refused'],
    ['503 5.7.1 Relay not allowed', 'refused'],
    ['550 5.1.0 Mail system is not configured to accept that recipient', 'refused'],
    ['450 I cannot deliver mail for <b@third.example>', 'refused'],
    // Replies that may be different later.
    ['450 4.2.0 <b@third.example>: Recipient address rejected: Greylisted', 'deferred'],
    ['451 4.7.1 Greylisting in action, please come back later', 'deferred'],
    ['450 4.7.1 relay access denied temporarily, you are greylisted', 'deferred'],
    ['451 4.3.0 <b@third.example>: Temporary lookup failure', 'deferred'],
    ['451 4.7.0 Temporary server error. Please try again later. PRX2', 'deferred'],
    ['450 4.1.1 <b@third.example>: Recipient address rejected: unverified address', 'deferred'],
    ['421 Temporary failure', 'disconnected'],
    // It is the tester
    ['554 5.7.1 Relaying denied: 192.0.2.1 is listed by zen.spamhaus.org', 'blocked'],
    ['554 5.7.1 your address is listed as an open relay', 'blocked'],
    ['450 4.7.1 Client host rejected: cannot find your reverse hostname', 'blocked'],
    ['454 4.7.0 Authentication required', 'auth-required'],
  ] as const) {
    assert.deepEqual(new Set(await verdicts(answer(text))), new Set([verdict]), text);
  }
});

test('a greeting that turns us away ends the test, and nothing is called closed', async () => {
  for (const [greeting, verdict] of [
    ['554 no service for you\r\n', 'blocked'],
    ['521 go away\r\n', 'blocked'],
    ['421 busy\r\n', 'disconnected'],
    ['450 later\r\n', 'deferred'],
  ] as const) {
    const { found, server } = await results(closedScript, {}, greeting);
    assert.deepEqual(
      found.map((one) => one.verdict),
      [verdict],
      greeting,
    );
    assert.ok(!server.lines.some((line) => line.startsWith('MAIL')));
    assert.equal(overall([{ verdict, isLawful: false }], 4).verdict, 'inconclusive');
  }
});

test('a session that an error limit ends is begun anew, and what it cut off is tried again', async () => {
  const limited: Script = (line, { number }) => {
    if (number > 8) return 'close';
    return closedScript(line, { connection: 1, number });
  };
  const { found, server } = await results(limited, {
    cases: all.filter(({ session, helo }) => session === undefined && helo.id === 'h1'),
  });
  assert.deepEqual(new Set(found.map(({ verdict }) => verdict)), new Set(['refused']));
  assert.ok(server.connections > 10);
});

test('a server that closes at RCPT every time has refused nothing', async () => {
  assert.deepEqual(
    new Set(await verdicts((line) => (line.startsWith('RCPT') ? 'close' : '250 ok\r\n'))),
    new Set(['disconnected']),
  );
});

test('a server that says nothing, or never ends, costs no more than the time for a reply', async () => {
  for (const script of [
    () => undefined,
    (line: string) => (line.startsWith('RCPT') ? `550-${'x'.repeat(100_000)}` : '250 ok\r\n'),
  ]) {
    await using server = await ScriptedServer.start(script);
    const { Dialogue } = await import('./dialogue.ts');
    const options = attackOptions(server.port, { cases: plain.slice(0, 1) });
    const open = () =>
      Dialogue.open({
        host: '127.0.0.1',
        port: server.port,
        replyMs: 100,
        signal: new AbortController().signal,
      });
    const [result] = await gather(attack({ ...options, open }));
    assert.equal(result?.verdict, 'disconnected');
  }
});

test('no server at all is a lost connection, not an error', async () => {
  const server = await ScriptedServer.start(closedScript);
  const { port } = server;
  await server[Symbol.asyncDispose]();
  const found = await gather(attack(attackOptions(port, { cases: plain })));
  assert.deepEqual(
    found.map(({ verdict }) => verdict),
    ['disconnected'],
  );
});

test('an aborted attack ends', async () => {
  await using server = await ScriptedServer.start(() => undefined);
  const { Dialogue } = await import('./dialogue.ts');
  const stop = new AbortController();
  const open = () =>
    Dialogue.open({ host: '127.0.0.1', port: server.port, replyMs: 60_000, signal: stop.signal });
  const running = gather(attack({ ...attackOptions(server.port, { cases: plain }), open }));
  stop.abort();
  for (const { verdict } of await running) assert.equal(verdict, 'disconnected');
});

test('evidence is escaped, so that nothing a server says reaches a terminal', async () => {
  const { found } = await results((line) => (line.startsWith('RCPT') ? '550 \x1b[2Jno\r\n' : '250 ok\r\n'));
  const evidence = found.flatMap((one) => one.evidence).join('\n');
  assert.ok(evidence.includes('\\u001b'));
  assert.ok(!evidence.includes('\x1b'));
});
