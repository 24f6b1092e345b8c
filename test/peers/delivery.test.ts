/** Posthouse as a client of Postfix: TLS, AUTH, DSN, refusals, and every way to break off. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type Peers,
  type Postfix,
  type Posthouse,
  peerTest,
  readMaildir,
  run,
  searchPath,
  simpleMessage,
  submit,
  Tap,
  until,
} from './support.ts';

const needs = ['root', 'postfix', 'smtp-sink', 'openssl'];

async function tlsMailbox(
  peers: Peers,
  settings: Readonly<Record<string, string>> = {},
  files: Readonly<Record<string, string>> = {},
) {
  const certificate = await peers.certificate();
  const mailbox = await peers.mailbox(
    {
      smtpd_tls_security_level: 'may',
      smtpd_tls_chain_files: `${certificate.key}, ${certificate.cert}`,
      smtpd_tls_received_header: 'yes',
      ...settings,
    },
    files,
  );
  return { ...mailbox, certificate };
}

/** Why the mail to b@peer.test was deferred the first time. */
async function deferral(posthouse: Posthouse): Promise<string> {
  const line = await until('a deferral', () =>
    posthouse.statuses('b@peer.test').find((one) => one.status === 'deferred'),
  );
  return String(line.reply);
}

async function firstMail(maildir: string): Promise<string> {
  return await until('a mail in the Maildir', async () =>
    (await readMaildir(maildir))[0]?.toString('latin1'),
  );
}

peerTest('STARTTLS is used where Postfix offers it, without being asked for', needs, async (peers) => {
  const { postfix, maildir } = await tlsMailbox(peers);
  const posthouse = await peers.posthouse({ routes: [{ to: '*', via: `smtp://127.0.0.1:${postfix.port}` }] });
  await submit({
    port: posthouse.port(),
    from: 'a@client.test',
    to: ['b@peer.test'],
    octets: simpleMessage('tls'),
  });
  assert.match(await firstMail(maildir), /\(using TLSv1\.[23] with cipher /);
});

peerTest(
  'required TLS with a trusted certificate delivers to a Postfix that insists on TLS',
  needs,
  async (peers) => {
    const { postfix, maildir, certificate } = await tlsMailbox(peers, {
      smtpd_tls_security_level: 'encrypt',
    });
    const posthouse = await peers.posthouse({
      routes: [
        {
          to: '*',
          via: `smtp://127.0.0.1:${postfix.port}`,
          tls: 'required',
          verify: true,
          ca: certificate.cert,
        },
      ],
    });
    await submit({
      port: posthouse.port(),
      from: 'a@client.test',
      to: ['b@peer.test'],
      octets: simpleMessage('tls'),
    });
    assert.match(await firstMail(maildir), /\(using TLSv1\.[23] with cipher /);
  },
);

peerTest(
  'required TLS defers, and sends nothing in the clear, where Postfix offers none',
  needs,
  async (peers) => {
    const { postfix, maildir } = await peers.mailbox();
    const wire = peers.use(await Tap.start(postfix.port));
    const posthouse = await peers.posthouse({
      routes: [{ to: '*', via: `smtp://127.0.0.1:${wire.port}`, tls: 'required' }],
    });
    await submit({
      port: posthouse.port(),
      from: 'a@client.test',
      to: ['b@peer.test'],
      octets: simpleMessage('tls'),
    });
    assert.match(await deferral(posthouse), /TLS/i);
    assert.deepEqual(wire.transactions(), []);
    assert.equal((await readMaildir(maildir)).length, 0);
  },
);

peerTest('an untrusted certificate is not accepted where it has to be valid', needs, async (peers) => {
  const { postfix, maildir } = await tlsMailbox(peers);
  const posthouse = await peers.posthouse({
    routes: [
      { to: '*', via: `smtp://127.0.0.1:${postfix.port}`, tls: 'required', verify: true, addresses: 'ipv4' },
    ],
  });
  await submit({
    port: posthouse.port(),
    from: 'a@client.test',
    to: ['b@peer.test'],
    octets: simpleMessage('tls'),
  });
  assert.match(await deferral(posthouse), /^451 4\.7\.5 .*CERT/);
  assert.equal((await readMaildir(maildir)).length, 0);
});

/** A Postfix that relays for nobody but the user `office`, over TLS, with the password `horse`. */
async function smartHost(peers: Peers) {
  const sasl = await peers.folder('sasl');
  const database = join(sasl, 'sasldb2');
  const made = await run('saslpasswd2', ['-p', '-c', '-f', database, '-u', 'smart.test', 'office'], {
    input: 'horse\n',
    env: { PATH: searchPath() },
  });
  assert.equal(made.code, 0, made.stderr);
  await run('chmod', ['644', database]);
  // Debian's Postfix looks for it in its configuration folder only.
  const conf = `pwcheck_method: auxprop\nauxprop_plugin: sasldb\nsasldb_path: ${database}\nmech_list: PLAIN LOGIN\n`;
  return await tlsMailbox(
    peers,
    {
      smtpd_tls_auth_only: 'yes',
      smtpd_sasl_auth_enable: 'yes',
      smtpd_sasl_local_domain: 'smart.test',
      smtpd_relay_restrictions: 'permit_sasl_authenticated, reject',
      smtpd_sasl_authenticated_header: 'yes',
      smtpd_client_restrictions: 'permit_sasl_authenticated, reject',
    },
    { 'sasl/smtpd.conf': conf },
  );
}

async function throughSmartHost(peers: Peers, password: string) {
  const host = await smartHost(peers);
  const secret = join(await peers.folder('secret'), 'password');
  await writeFile(secret, `${password}\n`, { mode: 0o600 });
  const posthouse = await peers.posthouse({
    routes: [
      {
        to: '*',
        via: `smtp://office@127.0.0.1:${host.postfix.port}`,
        password: { file: secret },
        ca: host.certificate.cert,
      },
    ],
  });
  await submit({
    port: posthouse.port(),
    from: 'a@client.test',
    to: ['b@peer.test'],
    octets: simpleMessage('auth'),
  });
  return { ...host, posthouse };
}

peerTest('a smart host takes mail after AUTH over TLS', [...needs, 'saslpasswd2'], async (peers) => {
  const { maildir, postfix } = await throughSmartHost(peers, 'horse');
  assert.match(await firstMail(maildir), /\(Authenticated sender: office/);
  assert.match(await postfix.log(), /sasl_username=office/);
});

peerTest('a wrong password defers the mail and loses nothing', [...needs, 'saslpasswd2'], async (peers) => {
  const { maildir, posthouse } = await throughSmartHost(peers, 'donkey');
  assert.match(await deferral(posthouse), /535 /);
  assert.ok(!posthouse.statuses('b@peer.test').some((line) => line.status === 'bounced'));
  assert.ok(!JSON.stringify(posthouse.log()).includes('donkey'), 'the password is in the log');
  assert.equal((await readMaildir(maildir)).length, 0);
});

peerTest(
  'Postfix as the next hop gets RET, ENVID, NOTIFY and ORCPT, and reports success',
  needs,
  async (peers) => {
    const senders = await peers.sink();
    const { postfix } = await peers.mailbox({
      relayhost: `[127.0.0.1]:${senders.port}`,
      virtual_mailbox_domains: 'peer.test',
    });
    const wire = peers.use(await Tap.start(postfix.port));
    const posthouse = await peers.posthouse({ routes: [{ to: '*', via: `smtp://127.0.0.1:${wire.port}` }] });
    await submit({
      port: posthouse.port(),
      from: 'a@client.test',
      to: ['b@peer.test'],
      octets: simpleMessage('dsn'),
      mailParameters: 'RET=HDRS ENVID=QQ+2B314159',
      rcptParameters: 'NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;B+40old.test',
    });
    const [report] = await senders.received('a@client.test');
    const [mail, rcpt] = wire.transactions()[0]?.commands ?? [];
    assert.match(mail ?? '', / RET=HDRS(?: |$)/);
    assert.match(mail ?? '', / ENVID=QQ\+2B314159(?: |$)/);
    assert.match(rcpt ?? '', / NOTIFY=SUCCESS,FAILURE(?: |$)/);
    assert.match(rcpt ?? '', / ORCPT=rfc822;B(?:@|\+40)old\.test(?: |$)/);
    // The report is Postfix's: it took over the duty, so there must be none from us beside it.
    assert.match(report?.message ?? '', /Action: delivered/);
    assert.match(report?.message ?? '', /Original-Envelope-Id: QQ\+(?:2B)?314159/i);
    assert.equal((await senders.received('a@client.test')).length, 1);
  },
);

peerTest('without DSN at the next hop we say `relayed` ourselves', needs, async (peers) => {
  const senders = await peers.sink();
  const plain = await peers.sink(['-N']);
  const posthouse = await peers.posthouse({
    routes: [
      { to: 'client.test', via: `smtp://127.0.0.1:${senders.port}` },
      { to: '*', via: `smtp://127.0.0.1:${plain.port}` },
    ],
  });
  await submit({
    port: posthouse.port(),
    from: 'a@client.test',
    to: ['b@peer.test'],
    octets: simpleMessage('dsn'),
    rcptParameters: 'NOTIFY=SUCCESS',
  });
  const [got] = await plain.received('b@peer.test');
  assert.doesNotMatch(got?.rcpts[0] ?? '', /NOTIFY/);
  const [report] = await senders.received('a@client.test');
  assert.match(report?.mail ?? '', /^<>/);
  assert.match(report?.message ?? '', /Action: relayed/);
});

peerTest(
  "what Postfix refuses comes back to the sender's Postfix as a multipart/report",
  needs,
  async (peers) => {
    const home: { readonly postfix: Postfix; readonly maildir: string } = await peers.mailbox();
    const refusing = await peers.mailbox({
      smtpd_recipient_restrictions: `check_recipient_access inline:{{ bad@peer.test = 550 5.1.1 no such user here }}, permit`,
    });
    const posthouse = await peers.posthouse({
      routes: [
        { to: 'client.test', via: `smtp://127.0.0.1:${home.postfix.port}` },
        { to: '*', via: `smtp://127.0.0.1:${refusing.postfix.port}` },
      ],
    });
    const octets = simpleMessage('to be refused');
    await submit({
      port: posthouse.port(),
      from: 'a@client.test',
      to: ['bad@peer.test', 'good@peer.test'],
      octets,
    });
    // Unfolded, so that a long field is one line.
    const notice = (await firstMail(home.maildir)).replace(/\n[ \t]+/g, ' ');
    assert.match(notice, /^Return-Path: <>/m);
    assert.match(notice, /^Content-Type: multipart\/report;[\s\S]*?report-type="?delivery-status/m);
    assert.match(notice, /^Final-Recipient: rfc822; ?bad@peer\.test/im);
    assert.match(notice, /^Action: failed/m);
    assert.match(notice, /^Status: 5\.1\.1/m);
    assert.match(notice, /^Diagnostic-Code: smtp; ?550 5\.1\.1 .*no such user here/im);
    assert.match(notice, /^Subject: to be refused/m);
    assert.doesNotMatch(notice, /Final-Recipient: rfc822; ?good@peer\.test/i);
    assert.match(await firstMail(refusing.maildir), /^Subject: to be refused/m);
  },
);

peerTest('mail waits while the next hop says 450, and goes once it says 250', needs, async (peers) => {
  const busy = await peers.sink(['-r', 'RCPT']);
  const posthouse = await peers.posthouse({ routes: [{ to: '*', via: `smtp://127.0.0.1:${busy.port}` }] });
  await submit({
    port: posthouse.port(),
    from: 'a@client.test',
    to: ['b@peer.test'],
    octets: simpleMessage('wait'),
  });
  assert.match(await deferral(posthouse), /^450 /);
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
