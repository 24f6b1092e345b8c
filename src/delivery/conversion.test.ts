import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bench, fates, sinkFor, to } from './testing-bench.ts';

test('eight-bit mail is converted for a server without 8BITMIME, and only then', async (t) => {
  const plain = await sinkFor(t, { keywords: ['PIPELINING'] });
  const able = await sinkFor(t);
  const routes = [
    { to: 'plain.test', via: `smtp://127.0.0.1:${plain.port}` },
    { via: `smtp://127.0.0.1:${able.port}` },
  ];
  const b = await bench(t, { routes });
  const eight =
    'MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nthe caf\u00e9 is open today\r\n';
  const envelope = { body: '8bitmime' as const };
  assert.deepEqual(fates(await b.send(['a@plain.test'], { text: eight, envelope })), ['delivered 250 0.0']);
  const sent = plain.messages[0]?.octets.toString() ?? '';
  assert.match(sent, /Content-Transfer-Encoding: quoted-printable\r\n\r\nthe caf=C3=A9 is open today\r\n$/);
  assert.ok(!plain.commands.some((line) => line.includes('BODY=')));
  await b.send(['a@able.test'], { text: eight, envelope });
  assert.equal(able.messages[0]?.octets.toString(), eight);
});

test('eight-bit mail that cannot be converted is bounced with 5.6.3', async (t) => {
  const sink = await sinkFor(t, { keywords: ['PIPELINING'] });
  const b = await bench(t, { routes: [{ via: `smtp://127.0.0.1:${sink.port}` }] });
  const raw = 'Subject: caf\u00e9\r\n\r\nbody\r\n';
  assert.deepEqual(fates(await b.send(to, { text: raw })), ['failed 554 6.3']);
  const big = await bench(t, {
    routes: [{ via: `smtp://127.0.0.1:${sink.port}` }],
    limits: { conversionBytes: 10 },
  });
  assert.deepEqual(fates(await big.send(to, { text: 'A: b\r\n\r\ncaf\u00e9\r\n' })), ['failed 554 6.3']);
});

test('binary mail goes by BDAT where it may, else it is converted', async (t) => {
  const able = await sinkFor(t, { keywords: ['PIPELINING', 'CHUNKING', 'BINARYMIME', '8BITMIME'] });
  const plain = await sinkFor(t);
  const routes = [
    { to: 'plain.test', via: `smtp://127.0.0.1:${plain.port}` },
    { via: `smtp://127.0.0.1:${able.port}` },
  ];
  const b = await bench(t, { routes });
  const binary =
    'MIME-Version: 1.0\r\nContent-Type: image/x\r\nContent-Transfer-Encoding: binary\r\n\r\na\0b\nc';
  const envelope = { body: 'binarymime' as const };
  await b.send(['a@able.test'], { text: binary, envelope });
  assert.equal(able.messages[0]?.octets.toString('latin1'), binary);
  assert.deepEqual(fates(await b.send(['a@plain.test'], { text: binary, envelope })), ['delivered 250 0.0']);
  const sent = plain.messages[0]?.octets.toString() ?? '';
  assert.match(sent, /Content-Transfer-Encoding: base64\r\n\r\nYQBiCmM=\r\n$/);
});

test('SMTPUTF8 mail that is all ASCII goes without it, with A-labels for U-labels', async (t) => {
  const sink = await sinkFor(t, { keywords: ['PIPELINING', '8BITMIME'] });
  const b = await bench(t, { routes: [{ via: `smtp://127.0.0.1:${sink.port}` }] });
  const envelope = { smtputf8: true };
  assert.deepEqual(fates(await b.send(['a@b\u00fccher.test'], { envelope })), ['delivered 250 0.0']);
  assert.deepEqual(sink.messages[0]?.rcpts, ['a@xn--bcher-kva.test']);
  assert.ok(!sink.commands.some((line) => line.includes('SMTPUTF8')));
});

test('SMTPUTF8 mail that needs it is bounced where it is lacking, and sent where it is not', async (t) => {
  const plain = await sinkFor(t, { keywords: ['PIPELINING', '8BITMIME'] });
  const able = await sinkFor(t);
  const routes = [
    { to: 'plain.test', via: `smtp://127.0.0.1:${plain.port}` },
    { via: `smtp://127.0.0.1:${able.port}` },
  ];
  const b = await bench(t, { routes });
  const envelope = { smtputf8: true };
  const mixed = await b.send(['j\u00fcrgen@plain.test', 'a@plain.test'], { envelope });
  assert.deepEqual(fates(mixed), ['failed 553 6.7', 'delivered 250 0.0']);
  const header = await b.send(['a@plain.test'], {
    envelope,
    text: 'Subject: caf\u00e9\r\n\r\nx\r\n',
    pieceSize: 5,
  });
  assert.deepEqual(fates(header), ['failed 554 6.9']);
  assert.deepEqual(fates(await b.send(['j\u00fcrgen@able.test'], { envelope })), ['delivered 250 0.0']);
});
