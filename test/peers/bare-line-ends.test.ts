/** Clients that put bare LF on the wire: what they are told, what they show of it, and that the cure is one. */
import assert from 'node:assert/strict';
import { copyFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Peers, type Posthouse, peerTest, run } from './support.ts';

const text = 'From: a@client.test\nTo: u@ours.test\nSubject: hello\n\none\n.profile\n..two\n\nlast\n';

async function prepared(peers: Peers): Promise<{ readonly posthouse: Posthouse; readonly file: string }> {
  const posthouse = await peers.posthouse({ routes: [{ to: '*', via: 'capture' }] });
  const file = join(await peers.folder('input'), 'letter.eml');
  await writeFile(file, text);
  return { posthouse, file };
}

function curl(posthouse: Posthouse, file: string, ...options: readonly string[]) {
  const envelope = ['--mail-from', 'a@client.test', '--mail-rcpt', 'u@ours.test', '--upload-file', file];
  return run('curl', [
    '--silent',
    '--show-error',
    ...options,
    ...envelope,
    `smtp://127.0.0.1:${posthouse.port()}`,
  ]);
}

const cure = /550 5\.5\.2 bare LF in the message; lines end with CRLF \(curl: --crlf/;

peerTest('curl shows the cure for bare LF with -v, and --crlf is one', ['curl'], async (peers) => {
  const { posthouse, file } = await prepared(peers);
  const refused = await curl(posthouse, file, '-v');
  assert.equal(refused.code, 8, refused.stderr);
  assert.match(refused.stderr, cure);
  // Without -v it says so much and no more; the how-to has it.
  assert.match((await curl(posthouse, file)).stderr, /\(8\) Weird server reply/);
  const cured = await curl(posthouse, file, '--crlf');
  assert.equal(cured.code, 0, cured.stderr);
});

peerTest('curl greets with the name of a file that has blanks and umlauts in it', ['curl'], async (peers) => {
  const { posthouse, file } = await prepared(peers);
  for (const name of ['my file (1).eml', 'b\u00fccher.eml']) {
    const odd = join(await peers.folder('odd'), name);
    await copyFile(file, odd);
    const { code, stderr } = await curl(posthouse, odd, '--crlf');
    assert.equal(code, 0, `${name}: ${stderr}`);
  }
  assert.equal(posthouse.log().filter(({ event }) => event === 'lenient').length, 1);
});

peerTest('smtplib shows the cure for bare LF in its error, and a str is one', ['python3'], async (peers) => {
  const { posthouse, file } = await prepared(peers);
  const script = (how: string) => `
import smtplib
octets = open(${JSON.stringify(file)}, 'rb').read()
with smtplib.SMTP('127.0.0.1', ${posthouse.port()}) as server:
    ${how}
`;
  const send = "server.sendmail('a@client.test', ['u@ours.test'],";
  const refused = await run('python3', ['-c', script(`${send} octets)`)]);
  assert.equal(refused.code, 1);
  assert.match(
    refused.stderr,
    /SMTPDataError: \(550, b'5\.5\.2 bare LF in the message; lines end with CRLF \(.*smtplib/,
  );
  for (const how of [
    `${send} octets.decode())`,
    'import email; server.send_message(email.message_from_bytes(octets))',
  ]) {
    const cured = await run('python3', ['-c', script(how)]);
    assert.equal(cured.code, 0, `${how}: ${cured.stderr}`);
  }
});
