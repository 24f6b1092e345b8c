import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { type SinkOptions, sinkCertificate } from './testing.ts';
import { bench, fates, only, sinkFor, to } from './testing-bench.ts';

test('opportunistic TLS is used when it is offered', async (t) => {
  const sink = await sinkFor(t, { tls: 'starttls' });
  const b = await bench(t, { routes: [{ via: `smtp://127.0.0.1:${sink.port}` }] });
  await b.send(to);
  assert.equal(sink.messages[0]?.isTls, true);
});

test('a failed handshake falls back to clear when TLS is opportunistic, never when it is required', async (t) => {
  const sink = await sinkFor(t, { tls: 'broken' });
  const via = `smtp://127.0.0.1:${sink.port}`;
  const opportunistic = await bench(t, { routes: [{ via }] });
  assert.deepEqual(fates(await opportunistic.send(to)), ['delivered 250 0.0']);
  assert.equal(sink.messages[0]?.isTls, false);
  const required = await bench(t, { routes: [{ via, tls: 'required' }] });
  assert.deepEqual(fates(await required.send(to)), ['pending 451 7.5']);
  assert.equal(sink.messages.length, 1);
});

test('TLS that is required and not offered is transient with 4.7.4', async (t) => {
  const sink = await sinkFor(t);
  const b = await bench(t, { routes: [{ via: `smtp://127.0.0.1:${sink.port}`, tls: 'required' }] });
  assert.deepEqual(fates(await b.send(to)), ['pending 451 7.4']);
});

test('a certificate that has to be valid and is not is transient with 4.7.5', async (t) => {
  const sink = await sinkFor(t, { tls: 'starttls' });
  const zone = { 'sink.test': { A: ['127.0.0.1'] } };
  const via = `smtp://sink.test:${sink.port}`;
  const strict = await bench(t, { routes: [{ via, verify: true }] }, zone);
  assert.deepEqual(fates(await strict.send(to)), ['pending 451 7.5']);
  const trusting = await bench(t, { routes: [{ via, verify: true, ca: sinkCertificate }] }, zone);
  assert.deepEqual(fates(await trusting.send(to)), ['delivered 250 0.0']);
});

test('credentials are sent over verified TLS, with STARTTLS or from the start', async (t) => {
  const keywords = ['PIPELINING', 'AUTH PLAIN'];
  for (const [scheme, tls] of [
    ['smtp', 'starttls'],
    ['smtps', 'implicit'],
  ] as const) {
    const sink = await sinkFor(t, { tls, keywords });
    const via = `${scheme}://me@sink.test:${sink.port}`;
    const routes = [{ via, password: 'pässword', ca: sinkCertificate }];
    const b = await bench(t, { routes }, { 'sink.test': { A: ['127.0.0.1'] } });
    assert.deepEqual(fates(await b.send(to)), ['delivered 250 0.0']);
    const expected = Buffer.from('\0me\0pässword').toString('base64');
    assert.ok(sink.commands.includes(`1 AUTH PLAIN ${expected}`));
  }
});

test('credentials are never sent in clear, nor to a server that cannot prove its name', async (t) => {
  const keywords = ['PIPELINING', 'AUTH PLAIN'];
  const clear = await sinkFor(t, { keywords });
  const zone = { 'sink.test': { A: ['127.0.0.1'] } };
  const first = await bench(
    t,
    { routes: [{ via: `smtp://me@sink.test:${clear.port}`, password: 'x' }] },
    zone,
  );
  assert.deepEqual(fates(await first.send(to)), ['pending 451 7.4']);
  const stranger = await sinkFor(t, { keywords, tls: 'starttls' });
  const second = await bench(
    t,
    { routes: [{ via: `smtp://me@sink.test:${stranger.port}`, password: 'x' }] },
    zone,
  );
  assert.deepEqual(fates(await second.send(to)), ['pending 451 7.5']);
  assert.ok([...clear.commands, ...stranger.commands].every((line) => !line.includes('AUTH')));
});

test('refused credentials are transient: the message is not to blame', async (t) => {
  const sink = await sinkFor(t, {
    tls: 'implicit',
    keywords: ['AUTH PLAIN'],
    answer: (command) => (command.startsWith('AUTH') ? '535 5.7.8 wrong' : undefined),
  });
  const routes = [{ via: `smtps://me@sink.test:${sink.port}`, password: 'x', ca: sinkCertificate }];
  const b = await bench(t, { routes }, { 'sink.test': { A: ['127.0.0.1'] } });
  const result = await b.send(to);
  assert.deepEqual(fates(result), ['pending 454 7.8']);
  assert.equal(result.health.kind, 'unavailable');
});

/** Servers that begin opportunistic TLS and fail. */
const broken: readonly (SinkOptions & { readonly name: string })[] = [
  { name: 'the handshake fails', tls: 'broken' },
  { name: 'a client certificate is demanded, which TLS 1.3 tells after the handshake', tls: 'certificate' },
  { name: 'STARTTLS is answered with a closed connection', ...at(false, 'STARTTLS', 'drop') },
  { name: 'STARTTLS is answered with 421', ...at(false, 'STARTTLS', '421 4.7.0 not now') },
  { name: 'it closes at EHLO under TLS', ...at(true, 'EHLO', 'drop') },
  { name: 'it refuses EHLO under TLS', ...at(true, /^EHLO|^HELO/, '554 5.7.0 no certificate') },
  { name: 'it puts EHLO under TLS off', ...at(true, /^EHLO|^HELO/, '421 4.7.0 no certificate') },
  { name: 'it closes at MAIL under TLS', ...at(true, 'MAIL', 'drop') },
];

/** STARTTLS, and an answer to a command that comes under TLS or in clear. */
function at(isTls: boolean, command: string | RegExp, said: string): SinkOptions {
  const fits = (line: string) =>
    typeof command === 'string' ? line.startsWith(command) : command.test(line);
  return {
    tls: 'starttls',
    answer: (line, moment) => (moment.isTls === isTls && fits(line) ? said : undefined),
  };
}

for (const { name, ...options } of broken) {
  test(`mail goes in clear where ${name}, and nowhere where TLS is required`, async (t) => {
    const sink = await sinkFor(t, options);
    const via = `smtp://127.0.0.1:${sink.port}`;
    const limits = { messagesPerSession: 1 };
    const b = await bench(t, { routes: [{ via }], limits });
    assert.deepEqual(fates(await b.send(to)), ['delivered 250 0.0']);
    assert.deepEqual(
      sink.messages.map(({ isTls }) => isTls),
      [false],
    );
    assert.equal(sink.sessions, 2);
    // It is remembered for a while.
    assert.deepEqual(fates(await b.send(to)), ['delivered 250 0.0']);
    assert.equal(sink.sessions, 3);
    b.clock.advance(3_600_000);
    await b.send(to);
    assert.equal(sink.sessions, 5);
    assert.ok(
      b.log.lines.some(({ event, fields }) => event === 'tls-fallback' && String(fields.because).length > 10),
    );
    const required = await bench(t, { routes: [{ via, tls: 'required' }] });
    assert.doesNotMatch(fates(await required.send(to)).join(), /delivered/);
    assert.equal(sink.messages.length, 3);
  });
}

test('a server that takes nothing in clear does not bounce the mail whose TLS broke', async (t) => {
  for (const said of [
    '530 5.7.0 Must issue a STARTTLS command first',
    '550 5.7.1 Session encryption is required',
    '554 5.7.10 Encryption needed',
  ]) {
    for (const verb of ['MAIL', 'RCPT']) {
      let isBroken = true;
      const sink = await sinkFor(t, {
        tls: 'starttls',
        answer: (line, { isTls }) => {
          if (isTls) return isBroken && line.startsWith('EHLO') ? 'drop' : undefined;
          return line.startsWith(verb) ? said : undefined;
        },
      });
      const b = await bench(t, { routes: [{ via: `smtp://127.0.0.1:${sink.port}` }] });
      const result = await b.send(to);
      assert.deepEqual(fates(result), ['pending 451 7.5'], said);
      assert.match(only(result).reply.lines[0] ?? '', /^TLS broke, and in clear: 5/);
      // It is not remembered as one for clear, so that the mail goes as soon as TLS works.
      isBroken = false;
      assert.deepEqual(fates(await b.send(to)), ['delivered 250 0.0'], said);
      assert.equal(sink.messages[0]?.isTls, true);
    }
  }
});

test('STARTTLS that is declined goes on in clear, also where the server closes behind its refusal', async (t) => {
  for (const said of ['454 4.7.0 TLS not available', '502 5.5.1 no such command']) {
    const sink = await sinkFor(t, at(false, 'STARTTLS', said));
    const b = await bench(t, { routes: [{ via: `smtp://127.0.0.1:${sink.port}` }] });
    assert.deepEqual(fates(await b.send(to)), ['delivered 250 0.0']);
    assert.equal(sink.sessions, 1);
    const { answer } = at(false, 'STARTTLS', said);
    let hasSaid = 0;
    const closing = await sinkFor(t, {
      tls: 'starttls',
      answer: (line, moment) => {
        if (line === 'STARTTLS') hasSaid = moment.session;
        return line.startsWith('MAIL') && hasSaid === moment.session ? 'drop' : answer?.(line, moment);
      },
    });
    const c = await bench(t, { routes: [{ via: `smtp://127.0.0.1:${closing.port}` }] });
    assert.deepEqual(fates(await c.send(to)), ['delivered 250 0.0']);
    assert.equal(closing.sessions, 2);
  }
});

test('TLS that stalls goes on in clear when its time is up', async (t) => {
  for (const stalling of [at(false, 'STARTTLS', 'silence'), at(true, 'EHLO', 'silence')]) {
    const sink = await sinkFor(t, stalling);
    const timeouts = { quit: 500, ehlo: 60_000, starttls: 60_000 };
    const b = await bench(t, { routes: [{ via: `smtp://127.0.0.1:${sink.port}` }], timeouts });
    const sending = b.send(to);
    while (sink.sessions < 2) {
      b.clock.advance(10_000);
      await setImmediate();
    }
    assert.deepEqual(fates(await sending), ['delivered 250 0.0']);
    assert.equal(sink.messages[0]?.isTls, false);
  }
});

test('a host that is down is not taken for one whose TLS is broken', async (t) => {
  const sink = await sinkFor(t, {
    tls: 'starttls',
    answer: (command, { session }) => (session === 1 && command.startsWith('EHLO') ? 'drop' : undefined),
  });
  const b = await bench(t, { routes: [{ via: `smtp://127.0.0.1:${sink.port}` }] });
  assert.deepEqual(fates(await b.send(to)), ['pending 451 4.2']);
  await b.send(to);
  assert.equal(sink.messages[0]?.isTls, true);
});
