/** Mail clients as people use them: what they say, what they are told, how they exit. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Peers, type Posthouse, peerTest, readMaildir, run, type SmtpSink, until } from './support.ts';

async function relaying(
  peers: Peers,
  extra: Readonly<Record<string, unknown>> = {},
): Promise<{
  readonly posthouse: Posthouse;
  readonly sink: SmtpSink;
}> {
  const sink = await peers.sink();
  const certificate = await peers.certificate();
  const posthouse = await peers.posthouse({
    tls: certificate,
    routes: [{ to: '*', via: `smtp://127.0.0.1:${sink.port}` }],
    ...extra,
  });
  return { posthouse, sink };
}

async function swaks(posthouse: Posthouse, ...options: readonly string[]) {
  const where = ['--server', `127.0.0.1:${posthouse.port()}`, '--helo', 'client.test'];
  const outcome = await run('swaks', [...where, '--from', 'a@client.test', ...options]);
  return { ...outcome, text: outcome.stdout + outcome.stderr };
}

const swaksNeeds = ['root', 'swaks', 'smtp-sink', 'openssl'];

peerTest('swaks is offered every extension that is built', swaksNeeds, async (peers) => {
  const { posthouse } = await relaying(peers);
  const { code, text } = await swaks(posthouse, '--quit-after', 'EHLO');
  assert.equal(code, 0, text);
  const offered = [
    'PIPELINING',
    'SIZE',
    '8BITMIME',
    'SMTPUTF8',
    'CHUNKING',
    'DSN',
    'ENHANCEDSTATUSCODES',
    'STARTTLS',
  ];
  for (const keyword of offered) assert.match(text, new RegExp(`250[- ]${keyword}`), keyword);
});

peerTest(
  'swaks delivers plainly, pipelined, over STARTTLS and from the null reverse-path',
  swaksNeeds,
  async (peers) => {
    const { posthouse, sink } = await relaying(peers);
    const ways: Readonly<Record<string, readonly string[]>> = {
      plain: [],
      pipelined: ['--pipeline'],
      starttls: ['--tls'],
      'tls-pipelined': ['--tls', '--pipeline'],
      null: ['--from', '<>'],
      helo: ['--protocol', 'SMTP'],
    };
    for (const [name, options] of Object.entries(ways)) {
      const { code, text } = await swaks(posthouse, '--to', `${name}@peer.test`, ...options);
      assert.equal(code, 0, `${name}: ${text}`);
      if (options.includes('--tls')) assert.match(text, /TLS started with cipher TLSv1\.[23]/);
      const [got] = await sink.received(`<${name}@peer.test>`);
      assert.match(got?.mail ?? '', name === 'null' ? /^<>/ : /^<a@client\.test>/);
    }
  },
);

peerTest(
  'swaks gets no second EHLO answer with STARTTLS in it after TLS began',
  swaksNeeds,
  async (peers) => {
    const { posthouse } = await relaying(peers);
    const { text } = await swaks(posthouse, '--tls', '--quit-after', 'EHLO');
    assert.match(text, /<~\s+250[- ]PIPELINING/);
    assert.doesNotMatch(text, /<~\s+250[- ]STARTTLS/);
  },
);

peerTest('swaks is refused relaying with 550 5.7.1 when nothing grants it', swaksNeeds, async (peers) => {
  const { posthouse, sink } = await relaying(peers, { relay: {} });
  const { code, text } = await swaks(posthouse, '--to', 'someone@elsewhere.test');
  assert.equal(code, 24, text);
  assert.match(text, /550 5\.7\.1 /);
  assert.equal((await sink.captured()).length, 0);
});

peerTest(
  'swaks is refused an unknown user of ours with 550 5.1.1, and a known one is taken',
  swaksNeeds,
  async (peers) => {
    const folder = await peers.folder('users');
    await writeFile(join(folder, 'users.txt'), 'known\n');
    const sink = await peers.sink();
    const posthouse = await peers.posthouse({
      relay: {},
      domains: [
        {
          name: 'ours.test',
          deliver: `smtp://127.0.0.1:${sink.port}`,
          recipients: { file: join(folder, 'users.txt') },
        },
      ],
    });
    const unknown = await swaks(posthouse, '--to', 'nobody-here@ours.test');
    assert.equal(unknown.code, 24, unknown.text);
    assert.match(unknown.text, /550 5\.1\.1 /);
    const known = await swaks(posthouse, '--to', 'known@ours.test');
    assert.equal(known.code, 0, known.text);
    await sink.received('known@ours.test');
  },
);

peerTest(
  'swaks may say by XCLIENT that it is a stranger, and is refused as one',
  swaksNeeds,
  async (peers) => {
    const { posthouse } = await relaying(peers, { xclientFrom: ['127.0.0.1/32'] });
    const stranger = await swaks(posthouse, '--to', 'x@elsewhere.test', '--xclient-addr', '192.0.2.7');
    assert.equal(stranger.code, 24, stranger.text);
    assert.match(stranger.text, /550 5\.7\.1 /);
    assert.equal((await swaks(posthouse, '--to', 'x@elsewhere.test')).code, 0);
  },
);

peerTest('msmtp sends, and over STARTTLS', ['root', 'msmtp', 'smtp-sink', 'openssl'], async (peers) => {
  const { posthouse, sink } = await relaying(peers);
  for (const tls of ['off', 'on']) {
    const options = [
      '--host=127.0.0.1',
      `--port=${posthouse.port()}`,
      '--from=a@client.test',
      `--tls=${tls}`,
    ];
    const outcome = await run(
      'msmtp',
      ['-C', '/dev/null', ...options, '--tls-certcheck=off', `tls-${tls}@peer.test`],
      {
        input: 'Subject: from msmtp\n\n.a line with a dot\nHello.\n',
      },
    );
    assert.equal(outcome.code, 0, outcome.stderr);
    const [got] = await sink.received(`tls-${tls}@peer.test`);
    assert.ok(got?.message.endsWith('\n.a line with a dot\nHello.\n'));
  }
  const refused = await run(
    'msmtp',
    [
      '-C',
      '/dev/null',
      '--host=127.0.0.1',
      `--port=${posthouse.port()}`,
      '--from=a@b.test',
      'not an address',
    ],
    { input: 'x\n' },
  );
  assert.notEqual(refused.code, 0);
});

const python = `
import smtplib, ssl, sys
from email.message import EmailMessage
port, tls, to = int(sys.argv[1]), sys.argv[2] == 'tls', sys.argv[3]
message = EmailMessage()
message['From'], message['To'], message['Subject'] = 'jürgen@client.test', to, 'Grüße'
message.set_content('π\\n.dot\\n')
with smtplib.SMTP('127.0.0.1', port, local_hostname='client.test', timeout=20) as client:
    client.ehlo()
    if tls:
        context = ssl.create_default_context(cafile=sys.argv[4])
        client._host = 'localhost'
        client.starttls(context=context)
        client.ehlo()
    assert client.has_extn('smtputf8')
    assert client.send_message(message) == {}
`;

peerTest(
  "Python's smtplib sends internationalised mail, and verifies our certificate",
  ['root', 'python3', 'postfix', 'openssl'],
  async (peers) => {
    const { postfix, maildir } = await peers.mailbox();
    const certificate = await peers.certificate();
    const posthouse = await peers.posthouse({
      tls: certificate,
      routes: [{ to: '*', via: `smtp://127.0.0.1:${postfix.port}` }],
    });

    for (const [i, mode] of ['plain', 'tls'].entries()) {
      const args = ['-c', python, `${posthouse.port()}`, mode, `${mode}-δ@peer.test`, certificate.cert];
      const outcome = await run('python3', args, { env: { PYTHONIOENCODING: 'utf-8' } });
      assert.equal(outcome.code, 0, outcome.stderr);
      await until('the mail', async () => (await readMaildir(maildir)).length > i);
    }
    const mails = (await readMaildir(maildir)).map((one) => one.toString('utf8'));
    assert.ok(
      mails.every((mail) => mail.includes('with UTF8SMTP')),
      'RFC 6531 §4.3: the Received type',
    );
    assert.ok(
      mails.some((mail) => /with UTF8SMTPS/.test(mail)),
      'RFC 6531 §4.3: the Received type over TLS',
    );
  },
);

peerTest('curl sends, and over STARTTLS', ['root', 'curl', 'smtp-sink', 'openssl'], async (peers) => {
  const { posthouse, sink } = await relaying(peers);
  for (const [name, options] of Object.entries({ plain: [], tls: ['--ssl-reqd', '--insecure'] })) {
    const where = [`smtp://127.0.0.1:${posthouse.port()}/client.test`, '--mail-from', 'a@client.test'];
    const args = [
      '--silent',
      '--show-error',
      ...where,
      '--mail-rcpt',
      `${name}@peer.test`,
      '--upload-file',
      '-',
      ...options,
    ];
    const outcome = await run('curl', args, { input: 'Subject: curl\r\n\r\nHello.\r\n' });
    assert.equal(outcome.code, 0, outcome.stderr);
    await sink.received(`${name}@peer.test`);
  }
});

peerTest('an LMTP server gets mail for a domain of ours', ['root', 'swaks', 'smtp-sink'], async (peers) => {
  const sink = await peers.sink(['-L']);
  const posthouse = await peers.posthouse({
    relay: {},
    domains: [{ name: 'ours.test', deliver: `lmtp://127.0.0.1:${sink.port}` }],
  });
  const { code, text } = await swaks(posthouse, '--to', 'one@ours.test,two@ours.test');
  assert.equal(code, 0, text);
  await sink.received('one@ours.test');
  await sink.received('two@ours.test');
});
