/** Posthouse as a client of Postfix: TLS, AUTH, DSN and refusals. */
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
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

peerTest('mail waits where Postfix insists on TLS and on a certificate of ours', needs, async (peers) => {
  const { postfix, maildir } = await tlsMailbox(peers, {
    smtpd_tls_security_level: 'encrypt',
    smtpd_tls_req_ccert: 'yes',
    smtpd_delay_reject: 'no',
  });
  const posthouse = await peers.posthouse({ routes: [{ to: '*', via: `smtp://127.0.0.1:${postfix.port}` }] });
  await submit({
    port: posthouse.port(),
    from: 'a@client.test',
    to: ['b@peer.test'],
    octets: simpleMessage('certificate'),
  });
  assert.match(await deferral(posthouse), /^4\d\d 4\.7\./);
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

peerTest(
  'hosts that accept and then defer, or refuse the login, hand over to the next in the same attempt',
  [...needs, 'saslpasswd2'],
  async (peers) => {
    const deferring = await peers.sink(['-r', '.']);
    const host = await smartHost(peers);
    const folder = await peers.folder('secret');
    for (const word of ['donkey', 'horse']) await writeFile(join(folder, word), `${word}\n`, { mode: 0o600 });
    const { port } = host.postfix;
    const posthouse = await peers.posthouse({
      routes: [
        {
          to: '*',
          // The same Postfix under two names: one login is wrong.
          via: [`smtp://127.0.0.1:${deferring.port}`, `smtp://office@127.0.0.1:${port}`],
          fallback: `smtp://office@localhost:${port}`,
          passwords: {
            '127.0.0.1': { file: join(folder, 'donkey') },
            localhost: { file: join(folder, 'horse') },
          },
          addresses: 'ipv4',
          ca: host.certificate.cert,
        },
      ],
    });
    await submit({
      port: posthouse.port(),
      from: 'a@client.test',
      to: ['b@peer.test'],
      octets: simpleMessage('fail-over'),
    });
    assert.match(await firstMail(host.maildir), /\(Authenticated sender: office/);
    // The mailbox has it before our own log says so.
    const statuses = await until('a status in the log', async () => {
      const found = posthouse.statuses('b@peer.test');
      return found.length > 0 ? found : undefined;
    });
    assert.deepEqual(
      statuses.map(({ status }) => status),
      ['delivered'],
    );
    assert.match(await host.postfix.log(), /authentication failed[\s\S]*sasl_username=office/);
  },
);

peerTest('a pinned certificate needs no authority', [...needs, 'saslpasswd2'], async (peers) => {
  const host = await smartHost(peers);
  const password = join(await peers.folder('secret'), 'password');
  await writeFile(password, 'horse\n', { mode: 0o600 });
  const fingerprint = new X509Certificate(await readFile(host.certificate.cert)).fingerprint256;
  const via = `smtp://office@127.0.0.1:${host.postfix.port}`;
  const route = { to: '*', via, password: { file: password }, fingerprint: `sha256:${fingerprint}` };
  const posthouse = await peers.posthouse({ routes: [route] });
  const octets = simpleMessage('pinned');
  await submit({ port: posthouse.port(), from: 'a@client.test', to: ['b@peer.test'], octets });
  assert.match(await firstMail(host.maildir), /\(Authenticated sender: office/);
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
