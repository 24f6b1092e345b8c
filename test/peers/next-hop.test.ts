/** Posthouse and next hops that are busy, slow, old-fashioned, or break off. */
import assert from 'node:assert/strict';
import { peerTest, simpleMessage, submit, until } from './support.ts';

const needs = ['root', 'smtp-sink'];

peerTest('mail waits while the next hop says 450, and goes once it says 250', needs, async (peers) => {
  const busy = await peers.sink(['-r', 'RCPT']);
  const posthouse = await peers.posthouse({ routes: [{ to: '*', via: `smtp://127.0.0.1:${busy.port}` }] });
  await submit({
    port: posthouse.port(),
    from: 'a@client.test',
    to: ['b@peer.test'],
    octets: simpleMessage('wait'),
  });
  const deferred = await until('a deferral', () =>
    posthouse.statuses('b@peer.test').find((line) => line.status === 'deferred'),
  );
  assert.match(String(deferred.reply), /^450 /);
  await busy[Symbol.asyncDispose]();
  const well = await peers.sink([], busy.port);
  await well.received('b@peer.test', 1, 60_000);
  await until('the end', () => posthouse.statuses('b@peer.test').some((line) => line.status === 'delivered'));
});

/** smtp-sink options after which mail has to wait, then arrive when the sink behaves. */
const transient: Readonly<Record<string, readonly string[]>> = {
  'q-connect': ['-q', 'CONNECT'],
  'q-ehlo': ['-q', 'EHLO,HELO'],
  'q-mail': ['-q', 'MAIL'],
  'q-rcpt': ['-q', 'RCPT'],
  'q-data': ['-q', 'DATA'],
  'q-dot': ['-q', '.'],
  '421-ehlo': ['-Q', 'EHLO,HELO'],
  '421-mail': ['-Q', 'MAIL'],
  '421-rcpt': ['-Q', 'RCPT'],
  '421-data': ['-Q', 'DATA'],
  '421-dot': ['-Q', '.'],
  '4xx-connect': ['-r', 'CONNECT'],
  '4xx-ehlo': ['-r', 'EHLO,HELO'],
  '4xx-mail': ['-r', 'MAIL'],
  '4xx-rcpt': ['-r', 'RCPT'],
  '4xx-data': ['-r', 'DATA'],
  '4xx-dot': ['-r', '.'],
};

peerTest(
  'a next hop that breaks off or defers at any step delays mail and loses none',
  needs,
  async (peers) => {
    const names = Object.keys(transient);
    const bad = await Promise.all(names.map((name) => peers.sink(transient[name] ?? [])));
    const posthouse = await peers.posthouse({
      routes: names.map((name, i) => ({ to: `${name}.test`, via: `smtp://127.0.0.1:${bad[i]?.port}` })),
    });
    const to = (name: string): string => `b@${name}.test`;
    for (const name of names)
      await submit({
        port: posthouse.port(),
        from: 'a@client.test',
        to: [to(name)],
        octets: simpleMessage(name),
      });
    for (const name of names)
      await until(
        `${name} deferred`,
        () => posthouse.statuses(to(name)).some((line) => line.status === 'deferred'),
        60_000,
      );
    for (const [i, name] of names.entries()) {
      const sink = bad[i];
      assert.ok(sink !== undefined);
      await sink[Symbol.asyncDispose]();
      const well = await peers.sink([], sink.port);
      await well.received(to(name), 1, 60_000);
      await until(`${name} delivered`, () =>
        posthouse.statuses(to(name)).some((line) => line.status === 'delivered'),
      );
      assert.equal((await well.captured()).length, 1, `${name} came more than once after the recovery`);
      assert.ok(!posthouse.statuses(to(name)).some((line) => line.status === 'bounced'), `${name} bounced`);
    }
  },
);

/** smtp-sink options after which a message is returned at once. */
const permanent: Readonly<Record<string, readonly string[]>> = {
  '5xx-mail': ['-f', 'MAIL'],
  '5xx-rcpt': ['-f', 'RCPT'],
  '5xx-data': ['-f', 'DATA'],
  '5xx-dot': ['-f', '.'],
};

peerTest('a next hop that refuses for good gives one notice per message', needs, async (peers) => {
  const senders = await peers.sink();
  const names = Object.keys(permanent);
  const bad = await Promise.all(names.map((name) => peers.sink(permanent[name] ?? [])));
  const posthouse = await peers.posthouse({
    routes: [
      ...names.map((name, i) => ({ to: `${name}.test`, via: `smtp://127.0.0.1:${bad[i]?.port}` })),
      { to: '*', via: `smtp://127.0.0.1:${senders.port}` },
    ],
  });
  for (const name of names) {
    const octets = simpleMessage(name);
    await submit({ port: posthouse.port(), from: `${name}@client.test`, to: [`b@${name}.test`], octets });
  }
  for (const name of names) {
    const [notice] = await senders.received(`${name}@client.test`);
    assert.match(notice?.message ?? '', /^Status: 5\.\d+\.\d+/m, name);
    assert.match(notice?.message ?? '', new RegExp(`b@${name}\\.test`), name);
    await until(`${name} bounced`, () =>
      posthouse.statuses(`b@${name}.test`).some((line) => line.status === 'bounced'),
    );
  }
  assert.equal((await senders.captured()).length, names.length);
});

/** smtp-sink options that are odd or slow, and yet the mail is to arrive at the first attempt. */
const odd: Readonly<Record<string, readonly string[]>> = {
  'slow-greeting': ['-W', 'CONNECT:2'],
  // smtp-sink answers a pipelined RCPT before its own delayed reply to MAIL.
  'slow-mail': ['-p', '-W', 'MAIL:2'],
  'slow-data': ['-w', '2'],
  'slow-dot': ['-W', '.:2'],
  'no-esmtp': ['-e'],
  'no-pipelining': ['-p'],
  'no-dsn': ['-N'],
  'ehlo-refused': ['-f', 'EHLO'],
  'quit-refused': ['-f', 'QUIT'],
  'drops-at-quit': ['-q', 'QUIT'],
  pix: ['-P'],
};

peerTest(
  'a slow or old-fashioned next hop gets its mail once, at the first attempt',
  needs,
  async (peers) => {
    const names = Object.keys(odd);
    const sinks = await Promise.all(names.map((name) => peers.sink(odd[name] ?? [])));
    const posthouse = await peers.posthouse({
      routes: names.map((name, i) => ({ to: `${name}.test`, via: `smtp://127.0.0.1:${sinks[i]?.port}` })),
    });
    for (const name of names)
      await submit({
        port: posthouse.port(),
        from: 'a@client.test',
        to: [`b@${name}.test`],
        octets: simpleMessage(name),
      });
    for (const [i, name] of names.entries()) {
      await sinks[i]?.received(`b@${name}.test`, 1, 30_000);
      await until(`${name} delivered`, () =>
        posthouse.statuses(`b@${name}.test`).some((line) => line.status === 'delivered'),
      );
      assert.equal((await sinks[i]?.captured())?.length, 1, name);
      assert.ok(!posthouse.statuses(`b@${name}.test`).some((line) => line.status === 'deferred'), name);
    }
  },
);

peerTest('eight-bit mail reaches a next hop without 8BITMIME in seven bits', needs, async (peers) => {
  const sink = await peers.sink(['-8']);
  const posthouse = await peers.posthouse({ routes: [{ to: '*', via: `smtp://127.0.0.1:${sink.port}` }] });
  const octets = Buffer.from(
    'From: a@client.test\r\nSubject: 8\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nGrüße\r\n',
  );
  await submit({
    port: posthouse.port(),
    from: 'a@client.test',
    to: ['b@peer.test'],
    octets,
    mailParameters: 'BODY=8BITMIME',
  });
  const [got] = await sink.received('b@peer.test');
  assert.match(got?.message ?? '', /^Content-Transfer-Encoding: (?:quoted-printable|base64)/im);
  assert.doesNotMatch(got?.message ?? '', /[\u0080-\u00ff]/);
});
