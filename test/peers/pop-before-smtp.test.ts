/** POP before SMTP with real clients: a proxy in front of Dovecot, reports of Dovecot, and the embedded server. */
import assert from 'node:assert/strict';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { startDovecot } from './dovecot.ts';
import { join as joinByVeth, Netns, netnsNeeds, relayAndStranger } from './netns.ts';
import { type Peers, peerTest, until } from './support.ts';

const needs = [...netnsNeeds, 'openssl', 'python3', 'dovecot', '/usr/lib/dovecot/pop3-login'];

/** Reads mail: `read_mail HOST PORT HOW CA USER PASSWORD`; prints what the server says, and the messages. */
const readMail = `
import poplib, ssl, sys
host, port, how, ca, user, password = sys.argv[1:7]
context = ssl.create_default_context(cafile=ca)
context.check_hostname = False
if how == "pop3s":
    pop = poplib.POP3_SSL(host, int(port), timeout=20, context=context)
else:
    pop = poplib.POP3(host, int(port), timeout=20)
    print("capa", sorted(pop.capa()))
    if how == "stls":
        pop.stls(context)
try:
    if how == "apop":
        pop.apop(user, password)
    else:
        pop.user(user)
        pop.pass_(password)
except poplib.error_proto as error:
    print("refused", error)
    sys.exit(0)
count, octets = pop.stat()
print("messages", count)
for number in range(1, count + 1):
    reply, lines, size = pop.retr(number)
    sys.stdout.flush()
    sys.stdout.buffer.write(b"\\r\\n".join(lines) + b"\\r\\n")
if len(sys.argv) > 7:
    for number in range(1, count + 1):
        pop.dele(number)
pop.quit()
`;

/** Sends mail without a login: `send HOST SENDER RECIPIENT`; prints the code and words of the last reply. */
const send = `
import smtplib, sys
host, sender, recipient = sys.argv[1:4]
server = smtplib.SMTP(host, 25, timeout=20)
server.ehlo("client.test")
server.mail(sender)
code, words = server.rcpt(recipient)
if code == 250:
    code, words = server.data(("From: %s\\nTo: %s\\nSubject: hello\\n\\nHello.\\n" % (sender, recipient)))
print(code, words.decode())
server.quit()
`;

const relayAddress = '192.0.2.1';
const homeAddress = '198.51.100.7';

/** A relay, somebody at home who has a mailbox there, and a stranger, each at an address of their own. */
async function place(peers: Peers) {
  const { relay, stranger } = await relayAndStranger(peers, {
    relay: `${relayAddress}/24`,
    stranger: '192.0.2.9/24',
  });
  const home = await Netns.make(peers, 'home');
  await joinByVeth(
    { netns: relay, address: '198.51.100.1/24', device: 'eth1' },
    { netns: home, address: `${homeAddress}/24` },
  );
  await home.ip('route', 'add', 'default', 'via', '198.51.100.1');
  const certificate = await peers.certificate();
  const read = async (
    from: Netns,
    how: 'stls' | 'pop3s' | 'plain' | 'apop',
    user: string,
    password: string,
    ...more: readonly string[]
  ) => {
    const port = how === 'pop3s' ? '995' : '110';
    const words = [relayAddress, port, how, certificate.cert, user, password, ...more];
    const { stdout, stderr } = await from.run('python3', ['-c', readMail, ...words]);
    assert.equal(stderr, '');
    return stdout;
  };
  const relays = async (from: Netns, sender = 'anna@client.test', to = 'u@away.test') => {
    const { stdout, stderr } = await from.run('python3', ['-c', send, relayAddress, sender, to]);
    if (stdout === '') throw new Error(stderr);
    return Number(stdout.split(' ')[0]);
  };
  return { relay, stranger, home, certificate, read, relays };
}

const listeners = [{ role: 'mx', address: `${relayAddress}:25` }];
const away = { routes: [{ to: '*', via: 'capture' }] };

peerTest(
  'a login through the proxy in front of Dovecot opens a window, and nothing else does',
  needs,
  async (peers) => {
    const { relay, stranger, home, certificate, read, relays } = await place(peers);
    const users = { 'anna@client.test': 'open sesame', 'bob@client.test': 'other' };
    const dovecot = await startDovecot(peers, users, { pop3Port: 1110, under: relay.prefix });
    const via = { server: 'pop3://127.0.0.1:1110' };
    const posthouse = await peers.posthouse(
      {
        ...away,
        relay: { popBeforeSmtp: { window: '20m' } },
        tls: certificate,
        listeners,
        pop3: {
          listeners: [
            { address: `${relayAddress}:110`, via },
            { address: `${relayAddress}:995`, via },
          ],
        },
      },
      relay.prefix,
    );
    assert.equal(await relays(home), 550, 'before any login');
    assert.match(await read(home, 'stls', 'anna@client.test', 'wrong'), /refused b'-ERR \[AUTH\]/);
    assert.match(await read(home, 'plain', 'anna@client.test', 'open sesame'), /refused .*TLS/);
    assert.equal(await relays(home), 550, 'after a login that failed');
    const session = await read(home, 'stls', 'anna@client.test', 'open sesame');
    assert.match(session, /^capa .*'STLS'/);
    assert.doesNotMatch(session, /capa .*'USER'/, 'no password in clear is asked for');
    assert.match(session, /^messages 0$/m);
    assert.equal(await relays(home), 250, 'after the login');
    assert.equal(await relays(home, 'bob@client.test'), 550, 'somebody else from the same address');
    assert.equal(await relays(stranger), 550, 'somebody at another address');
    await until('the mail', async () => posthouse.statuses('u@away.test').length > 0 || undefined);
    assert.match(await read(home, 'pop3s', 'bob@client.test', 'other'), /^messages 0$/m);
    assert.equal(await relays(home, 'bob@client.test'), 250);
    const windows = (await posthouse.command('pop-before-smtp', 'list', '--json')).trim().split('\n');
    assert.equal(windows.length, 1);
    const { address, names } = JSON.parse(windows[0] ?? '');
    assert.deepEqual([address, names], [homeAddress, ['anna@client.test', 'bob@client.test']]);
    const explained = await posthouse.command(
      ...['explain', '--client', homeAddress, '--from', 'anna@client.test', '--to', 'u@away.test'],
    );
    assert.match(explained, /→ pop-before-smtp +grants/);
    await posthouse.command('pop-before-smtp', 'revoke', 'anna@client.test');
    assert.equal(await relays(home), 550, 'after it was revoked');
    assert.equal(await relays(home, 'bob@client.test'), 250, 'the other one still has it');
    await dovecot.stop();
    assert.match(await read(home, 'plain', 'x', 'y').catch(String), /SYS\/TEMP|-ERR/, 'Dovecot is away');
    assert.equal(await relays(home), 550);
  },
);

peerTest('windows survive a restart, and end on the clock', needs, async (peers) => {
  const { relay, home, certificate, read, relays } = await place(peers);
  await startDovecot(peers, { anna: 'open sesame' }, { pop3Port: 1110, under: relay.prefix });
  const folder = await peers.folder('data');
  const configuration = (window: string) => ({
    ...away,
    data: folder,
    relay: { popBeforeSmtp: { window, maxLife: '1h' } },
    domains: [{ name: 'client.test', deliver: 'capture' }],
    tls: certificate,
    listeners,
    pop3: { listeners: [{ address: `${relayAddress}:110`, via: { server: 'pop3://127.0.0.1:1110' } }] },
  });
  const first = await peers.posthouse(configuration('20m'), relay.prefix);
  assert.match(await read(home, 'stls', 'anna', 'open sesame'), /^messages 0$/m);
  assert.equal(await relays(home), 250, 'a bare login sends as itself at a domain of ours');
  await first.stop();
  const second = await peers.posthouse(configuration('10s'), relay.prefix);
  assert.equal(await relays(home), 250, 'the window is there after a restart');
  await second.command('pop-before-smtp', 'revoke', homeAddress);
  assert.equal(await relays(home), 550);
  assert.match(await read(home, 'stls', 'anna', 'open sesame'), /^messages 0$/m);
  assert.equal(await relays(home), 250);
  await new Promise((resolve) => setTimeout(resolve, 10_500));
  assert.equal(await relays(home), 550, 'ten seconds later');
});

peerTest('Dovecot reports logins by itself', needs, async (peers) => {
  const { relay, stranger, home, certificate, relays } = await place(peers);
  const token = '0123456789abcdef0123456789abcdef';
  const file = join(await peers.folder('token'), 'token');
  await writeFile(file, `${token}\n`);
  const configuration = `
event_exporter posthouse {
  format = json
  format_args = time-rfc3339
  transport = http-post
  transport_args = http://dovecot:${token}@127.0.0.1:8110/windows
  transport_timeout = 5sec
}
metric posthouse_logins {
  exporter = posthouse
  filter = event=auth_request_finished
}
service pop3-login {
  inet_listener outside {
    address = ${relayAddress}
    port = 110
  }
}
`;
  await startDovecot(peers, { anna: 'open sesame' }, { pop3Port: 1110, under: relay.prefix, configuration });
  const posthouse = await peers.posthouse(
    {
      ...away,
      relay: { popBeforeSmtp: { window: '20m', events: { address: '127.0.0.1:8110', token: { file } } } },
      domains: [{ name: 'client.test', deliver: 'capture' }],
      tls: certificate,
      listeners,
    },
    relay.prefix,
  );
  const login = (from: Netns, password: string) =>
    from.run('python3', ['-c', readMail, relayAddress, '110', 'plain', certificate.cert, 'anna', password]);
  assert.match((await login(stranger, 'wrong')).stdout, /refused/);
  assert.match((await login(home, 'open sesame')).stdout, /^messages 0$/m);
  await until('the window', async () => {
    const listed = await posthouse.command('pop-before-smtp', 'list', '--json');
    return listed.includes(homeAddress) || undefined;
  });
  assert.equal(await relays(home), 250);
  assert.equal(await relays(stranger), 550);
  const curl = (...args: readonly string[]) =>
    relay.run('curl', ['-s', '-w', ' %{http_code}', ...args, 'http://127.0.0.1:8110/windows']);
  const authorized = ['-H', `Authorization: Bearer ${token}`];
  assert.match((await curl()).stdout, / 401$/);
  assert.match((await curl(...authorized)).stdout, /"dovecot pop3".* 200$/);
  const report = JSON.stringify({ address: '192.0.2.9', user: 'anna' });
  const json = ['-H', 'Content-Type: application/json', '-d', report];
  assert.match((await curl(...json)).stdout, / 401$/);
  assert.equal(await relays(stranger), 550);
  assert.match((await curl(...authorized, ...json)).stdout, /"opened".* 200$/);
  assert.equal(await relays(stranger), 250);
});

peerTest('the embedded server gives the mail octet for octet, and opens a window', needs, async (peers) => {
  const { relay, stranger, home, certificate, read, relays } = await place(peers);
  const mail = await peers.folder('mail');
  const users = join(await peers.folder('users'), 'users.yaml');
  const posthouse = await peers.posthouse(
    {
      relay: { popBeforeSmtp: { window: '20m' } },
      domains: [{ name: 'client.test', deliver: `maildir:${mail}/{local}`, recipients: ['anna', 'bob'] }],
      routes: [{ to: '*', via: 'capture' }],
      users: { file: users },
      tls: certificate,
      listeners,
      pop3: { listeners: [{ address: `${relayAddress}:110` }, { address: `${relayAddress}:995` }] },
    },
    relay.prefix,
  );
  await posthouse.input('open sesame\n', 'user', 'add', 'anna@client.test');
  await posthouse.input('open windows\n', 'user', 'add', 'bob@client.test');
  assert.equal(await relays(stranger, 'x@away.test', 'anna@client.test'), 250);
  const message =
    'From: x@away.test\r\nTo: anna@client.test\r\nSubject: dots\r\n\r\n.\r\n..\r\n.a\r\n\xe4\r\n\r\n';
  const letter = join(mail, 'letter.eml');
  await writeFile(letter, message, 'latin1');
  const curl = await stranger.run('curl', [
    ...['-s', '-S', `smtp://${relayAddress}:25/client.test`, '--mail-from', 'x@away.test'],
    ...['--mail-rcpt', 'anna@client.test', '-T', letter],
  ]);
  assert.equal(curl.stderr, '');
  const folder = join(mail, 'anna', 'new');
  const files = await until('the mail', async () => {
    const names = await readdir(folder).catch(() => []);
    return names.length === 2 ? names : undefined;
  });
  const stored = await Promise.all(files.map((name) => readFile(join(folder, name), 'latin1')));
  const asSent = stored.map((text) => text.replace(/\r?\n/g, '\r\n'));
  assert.ok(
    asSent.some((text) => text.endsWith(message)),
    'the Maildir has the message',
  );
  assert.equal(await relays(home), 550, 'before the login');
  assert.match(await read(home, 'stls', 'anna@client.test', 'wrong'), /refused b'-ERR \[AUTH\]/);
  assert.equal(await relays(home), 550);
  const session = await read(home, 'stls', 'anna@client.test', 'open sesame');
  assert.match(session, /^messages 2$/m);
  assert.equal(await relays(home), 250);
  assert.equal(await relays(stranger), 550);
  const listing = await home.run('curl', [
    ...['-s', '-S', '--cacert', certificate.cert, '--resolve', `localhost:995:${relayAddress}`],
    ...['--user', 'anna@client.test:open sesame', 'pop3s://localhost/'],
  ]);
  assert.match(listing.stdout, /^1 \d+\r?\n2 \d+\r?\n$/, listing.stderr);
  for (const number of ['1', '2']) {
    const { stdout } = await home.run('curl', [
      ...['-s', '-S', '--cacert', certificate.cert, '--resolve', `localhost:995:${relayAddress}`],
      ...['--user', 'anna@client.test:open sesame', `pop3s://localhost/${number}`],
      ...['-o', join(mail, `${number}.got`)],
    ]);
    assert.equal(stdout, '');
  }
  const got = await Promise.all(['1', '2'].map((number) => readFile(join(mail, `${number}.got`), 'latin1')));
  assert.deepEqual(got.sort(), asSent.sort());
  // Bob's mailbox is another one.
  assert.match(await read(stranger, 'pop3s', 'bob@client.test', 'open windows'), /^messages 0$/m);
  assert.match(await read(home, 'pop3s', 'anna@client.test', 'open sesame', 'delete'), /^messages 2$/m);
  assert.match(await read(home, 'pop3s', 'anna@client.test', 'open sesame'), /^messages 0$/m);
});
