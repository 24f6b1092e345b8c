import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bench, fates, sinkFor, to } from './test-bench.ts';
import { sinkCertificate } from './testing.ts';

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
