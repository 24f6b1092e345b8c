import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { MemoryPeer, SocketPeer } from './support/peer.ts';
import { networks, TestServer, testPolicy } from './support/server.ts';

/** The third party that nobody relays to, our own address, and the tester's. */
const d = 'third.example';
const ip = '[192.0.2.1]';
const outside = '198.51.100.7';

/** Every form of a recipient that open-relay testers use, against our domain `t`. None of them is ours. */
function battery(t: string): readonly string[] {
  return [
    `<u@${d}>`,
    `<u%${d}@${t}>`,
    `<u%${d}@${ip}>`,
    `<u%${d}@localhost>`,
    `<u%${d}>`,
    `<"u%${d}">`,
    `<"u%${d}"@${t}>`,
    `<"u@${d}">`,
    `<"u@${d}"@${t}>`,
    `<"u@${d}"@${ip}>`,
    `<u@${d}@${t}>`,
    `<u@${d}@${ip}>`,
    `<u@${d}@>`,
    `<u@${d}@localhost>`,
    `<@${t}:u@${d}>`,
    `<@${ip}:u@${d}>`,
    `<@${t},@${d}:u@${d}>`,
    `<@:u@${d}>`,
    `<@${t}:u%${d}@${t}>`,
    `<${d}!u>`,
    `<${d}!u@${t}>`,
    `<${d}!u@${ip}>`,
    `<"${d}!u"@${t}>`,
    `<${t}!${d}!u>`,
    `<${d}!u%${d}@${t}>`,
    `<u%${d}%${t}@${t}>`,
    `<u%${d}@second.example@${t}>`,
    `<u@${d}.>`,
    `<u@${t}.>`,
    '<u@[203.0.113.9]>',
    '<u@[IPv6:2001:db8::9]>',
    '<u@3405803785>',
    '<u@203.0.113.9>',
    `<u@${d}%${t}>`,
    `< u@${d}>`,
    `<u@${d} >`,
    `<<u@${d}>>`,
    `u@${d}`,
    ` <u@${d}>`,
    `<u@${d}> NOTIFY=NEVER`,
    `<u@${d}> ORCPT=rfc822;u@${t}`,
    `<u\\@${d}@${t}>`,
    `<"u\\@${d}"@${t}>`,
    `<"u\\%${d}"@${t}>`,
    `<u@${t},u@${d}>`,
    `<u@${t}><u@${d}>`,
    `<u@${t}> <u@${d}>`,
    `<u@sub.${t}>`,
    `<u@x${t}>`,
    `<u@${t}.${d}>`,
    `<u@${t}(comment)@${d}>`,
    `<u(comment)@${d}>`,
    `<u@${d}\0@${t}>`,
    `<u@${t}\0.${d}>`,
    `<u@${t}\n>`,
    `<u@\u0131${t}>`,
    `<ü@${d}>`,
    `<postmaster@${d}>`,
    `<user+u%${d}@${t}>`,
    `<"gw::smtp%\\"u@${d}\\""@${t}>`,
    `<"u@${d}\\""@${t}>`,
    `<"<u@${d}>"@${t}>`,
    '<>',
    '<@>',
    '',
  ];
}
/** Forms of gateways that are ordinary names where there is no gateway: refused where the user is unknown. */
const gateways = [`<"/dd.rfc-822=u(a)${d}/"@example.net>`, `<u=${d}@example.net>`, `<u#${d}@example.net>`];

const senders = [
  '<>',
  `<u@${d}>`,
  '<u@random.example>',
  '<u@example.org>',
  `<u@${ip}>`,
  '<u@[IPv6:2001:db8::1]>',
  '<u@localhost>',
  '<u@localhost.localdomain>',
  '<u@[127.0.0.1]>',
  '<postmaster@example.org>',
  '<known@example.net>',
];
const helos = ['example.org', 'relay.example.org', 'localhost', '[127.0.0.1]', ip, d, '10.0.0.1'];

const limits = { commandErrors: 1e9, idleCommands: 1e9, transactions: 1e9 };
/** A network is trusted, but not that of the tester. */
const settings = { policy: testPolicy(['127.0.0.0/8', '10.0.0.0/8', '192.0.2.1']) };

function tester(): MemoryPeer {
  return new MemoryPeer({ address: outside, limits, settings });
}

test('no form of the union battery is taken, whatever HELO and reverse-path say', async () => {
  await using peer = tester();
  await peer.reply();
  const forms = [...battery('example.org'), ...battery('example.net'), ...gateways];
  for (const helo of helos) {
    await peer.expect([`EHLO ${helo}`, 250]);
    for (const sender of senders) {
      await peer.expect([`MAIL FROM:${sender}`, 250]);
      for (const form of forms) {
        const reply = await peer.command(`RCPT TO:${form}`);
        assert.match(reply, /^5\d\d /, `${helo}, ${sender} → ${form}: ${reply}`);
      }
      await peer.expect(['DATA', 554], ['RSET', 250]);
    }
  }
  assert.equal(peer.intake.begun, 0, 'nothing reaches the intake');
});

test('a sender without a domain begins no transaction', async () => {
  await using peer = tester();
  await peer.reply();
  await peer.expect([`EHLO ${d}`, 250]);
  for (const sender of ['<u>', '<postmaster>', '<u@>', 'u']) {
    await peer.expect([`MAIL FROM:${sender}`, 501], [`RCPT TO:<u@${d}>`, 503], ['DATA', 503]);
  }
});

test('the battery is refused in a transaction that has a lawful recipient, which alone gets the message', async () => {
  await using peer = tester();
  await peer.reply();
  await peer.expect(
    ['EHLO client.example', 250],
    ['MAIL FROM:<a@b.example>', 250],
    ['RCPT TO:<u@example.org>', 250],
  );
  for (const form of [...battery('example.org'), ...battery('example.net'), ...gateways]) {
    assert.match(await peer.command(`RCPT TO:${form}`), /^5\d\d /, form);
  }
  await peer.expect(['DATA', 354], ['x\r\n.', 250]);
  const [kept] = peer.intake.messages;
  assert.deepEqual(
    kept?.envelope.recipients.map(({ address }) => address.text),
    ['u@example.org'],
  );
});

test('nothing that comes before makes a third party lawful', async () => {
  const openings: readonly (readonly (readonly [string, number])[])[] = [
    [
      ['MAIL FROM:<u@example.org>', 250],
      ['RCPT TO:<u@example.org>', 250],
      ['RSET', 250],
    ],
    [
      ['AUTH PLAIN AGEAYg==', 502],
      ['AUTH LOGIN', 502],
    ],
    [['XCLIENT ADDR=127.0.0.1', 550]],
    [
      ['XFORWARD ADDR=127.0.0.1', 502],
      ['PROXY TCP4 127.0.0.1 127.0.0.1 25 25', 500],
    ],
    [
      [`SEND FROM:<u@${d}>`, 502],
      [`SOML FROM:<u@${d}>`, 502],
      [`SAML FROM:<u@${d}>`, 502],
      ['TURN', 502],
      [`ETRN ${d}`, 502],
      [`ATRN ${d}`, 502],
      [`VRFY u@${d}`, 252],
      [`EXPN u@${d}`, 502],
    ],
    [
      ['STARTTLS', 220],
      ['EHLO example.org', 250],
    ],
  ];
  for (const opening of openings) {
    await using peer = tester();
    await peer.reply();
    await peer.expect(['EHLO client.example', 250], ...opening);
    await peer.expect(['MAIL FROM:<u@example.org>', 250], [`RCPT TO:<u@${d}>`, 550], ['DATA', 554]);
  }
});

test('the decision is the same for every HELO and every reverse-path', async () => {
  await using peer = tester();
  await peer.reply();
  const word = fc.stringMatching(/^[!-~]{1,60}$/);
  const localPart = fc.stringMatching(/^[a-z0-9!#$%&'*+/=?^_`{|}~-]{1,30}$/);
  const name = fc.oneof(fc.constantFrom('example.org', 'example.net', 'localhost', d), fc.domain());
  const sender = fc.oneof(
    fc.constantFrom(...senders),
    fc.tuple(localPart, name).map(([local, of]) => `<${local}@${of}>`),
  );
  const cases = [
    [`<u@${d}>`, '550 5.7.1 relaying denied'],
    ['<u@example.org>', '250 2.1.5 recipient ok'],
    ['<u@example.net>', '550 5.1.1 no such recipient here'],
  ] as const;
  await fc.assert(
    fc.asyncProperty(fc.constantFrom('EHLO', 'HELO'), word, sender, async (verb, helo, from) => {
      await peer.expect([`${verb} ${helo}`, 250]);
      if (!(await peer.command(`MAIL FROM:${from}`)).startsWith('250')) return;
      for (const [to, expected] of cases) assert.equal(await peer.command(`RCPT TO:${to}`), expected);
    }),
    { numRuns: 500 },
  );
});

test('over a socket, an untrusted address relays nothing and a trusted one does', async () => {
  for (const [trusted, code] of [
    ['192.0.2.0/24', 550],
    ['127.0.0.0/8', 250],
  ] as const) {
    await using server = await TestServer.start({ settings: { policy: testPolicy([trusted]) } });
    await using peer = await SocketPeer.greeted(server.port);
    await peer.expect(
      ['EHLO 192.0.2.1', 250],
      ['MAIL FROM:<u@example.org>', 250],
      [`RCPT TO:<u@${d}>`, code],
    );
  }
});

test('a trusted proxy does not lend its address to the clients behind it', async () => {
  await using server = await TestServer.start({
    listener: { proxyProtocolFrom: networks('127.0.0.1') },
    settings: { policy: testPolicy(['127.0.0.0/8']) },
  });
  await using peer = await SocketPeer.connect(server.port);
  peer.send(`PROXY TCP4 ${outside} 192.0.2.1 4711 25\r\n`);
  await peer.reply();
  await peer.expect(['EHLO localhost', 250], ['MAIL FROM:<>', 250], [`RCPT TO:<u@${d}>`, 550]);
});
