/** The clearinghouse, asked by the clients that people have: razor-agents, Pyzor, SpamAssassin's DCC module. */
import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { decodeEntries } from '../../src/clearinghouse/journal.ts';
import { asked, campaign, copy, dcc } from './campaign.ts';
import { freePort, type Peers, type Posthouse, peerTest, run, until } from './support.ts';

async function clearinghouse(peers: Peers, doors: readonly object[], data?: string): Promise<Posthouse> {
  return peers.posthouse({
    ...(data !== undefined && { data }),
    clearinghouse: { memory: '32MB', doors },
  });
}

peerTest(
  'a campaign whose copies all differ is bulk for SpamAssassin, by its DCC module',
  ['spamassassin'],
  async (peers) => {
    const posthouse = await clearinghouse(peers, [{ protocol: 'dccifd', address: '127.0.0.1:0' }]);
    const port = posthouse.port('dccifd');
    const folder = await peers.folder('spamassassin');
    const rules = `
loadplugin Mail::SpamAssassin::Plugin::Check
loadplugin Mail::SpamAssassin::Plugin::DCC
use_dcc 1
dcc_dccifd_path 127.0.0.1:${port}
dcc_body_max 10
dcc_fuz1_max 10
dcc_fuz2_max 10
full DCC_CHECK eval:check_dcc()
score DCC_CHECK 3
dns_available no
skip_rbl_checks 1
add_header all Tests _TESTS_
`;
    await writeFile(join(folder, 'own.cf'), rules);
    await writeFile(join(folder, 'prefs'), '');
    const spamassassin = (text: string) =>
      run(
        'spamassassin',
        ['-x', '-t', '-C', folder, `--siteconfigpath=${folder}`, '-p', join(folder, 'prefs')],
        {
          input: text,
          env: { HOME: folder },
        },
      );
    const text = campaign(1);
    const first = await spamassassin(copy(text, 1));
    assert.match(first.stdout, /X-Spam-Tests: none/, first.stderr);
    for (let n = 2; n < 16; n++) await dcc(port, copy(text, n), n);
    assert.match((await spamassassin(copy(text, 99))).stdout, /X-Spam-Tests: .*DCC_CHECK/);
    assert.match((await spamassassin(copy(campaign(7), 3))).stdout, /X-Spam-Tests: none/, 'another mail');
  },
);

peerTest('razor-agents register, check, report and revoke', ['razor-admin', 'razor-check'], async (peers) => {
  const port = await freePort();
  const posthouse = await clearinghouse(peers, [
    { protocol: 'razor', address: `127.0.0.1:${port}`, known: '127.0.0.1' },
    { protocol: 'rspamd-razor', address: '127.0.0.1:0' },
  ]);
  const home = await peers.folder('razor');
  await mkdir(join(home, 'home'));
  await writeFile(join(home, 'razor-agent.conf'), `razordiscovery = 127.0.0.1:${port}\nmin_cf = ac\n`);
  const razor = async (command: string, ...args: readonly string[]) =>
    run(command, [`-home=${home}`, ...args], { env: { HOME: join(home, 'home') } });
  const letter = join(home, 'letter');
  await writeFile(letter, copy(campaign(2), 1));
  assert.equal((await razor('razor-admin', '-create')).code, 0);
  const registered = await razor('razor-admin', '-register', '-user=anna', '-pass=secret1');
  assert.match(registered.stdout, /Register successful/, registered.stderr);
  assert.equal((await razor('razor-check', letter)).code, 1, 'nobody knows it');
  const reported = await razor('razor-report', '-f', letter);
  assert.equal(reported.code, 0, reported.stderr);
  assert.equal((await razor('razor-check', letter)).code, 0, 'it was reported');
  // The whole message was reported: another copy, which nobody reported, is known as well.
  const other = copy(campaign(2), 2);
  for (let n = 3; n < 16; n++) await asked(posthouse.port('rspamd-razor'), copy(campaign(2), n));
  assert.equal(await asked(posthouse.port('rspamd-razor'), other), 'spam');
  assert.equal(await asked(posthouse.port('rspamd-razor'), copy(campaign(3), 2)), 'ham');
  assert.equal((await razor('razor-revoke', '-f', letter)).code, 0);
  assert.equal((await razor('razor-check', letter)).code, 1, 'it was revoked');
});

peerTest('pyzor reports, checks and hears of what others saw whole', ['pyzor'], async (peers) => {
  const key = 'a'.repeat(40);
  const accounts = join(await peers.folder('accounts'), 'pyzord.passwd');
  await writeFile(accounts, `anna : ${key}\n`);
  const posthouse = await clearinghouse(peers, [
    { protocol: 'pyzor', address: '127.0.0.1:0', accounts },
    { protocol: 'dccifd', address: '127.0.0.1:0', known: '127.0.0.1' },
  ]);
  const port = posthouse.port('pyzor');
  const home = await peers.folder('pyzor');
  await writeFile(join(home, 'servers'), `127.0.0.1:${port}\n`);
  const pyzor = async (command: string, text = '') =>
    (await run('pyzor', ['--homedir', home, command], { input: text })).stdout;
  assert.match(await pyzor('ping'), /\(200, 'OK'\)/);
  const letter = copy(campaign(4), 1);
  assert.match(await pyzor('check', letter), /\(200, 'OK'\)\t0\t0/);
  assert.match(await pyzor('report', letter), /\(200, 'OK'\)/);
  assert.match(await pyzor('check', letter), /\(200, 'OK'\)\t1\t0/);
  assert.match(await pyzor('info', letter), /Count: 1/);
  assert.match(await pyzor('whitelist', letter), /\(403, 'Forbidden'\)/, 'nobody may without an account');
  // The bridge: copies that were seen whole count for the digest of one of them.
  const text = campaign(5);
  for (let n = 0; n < 15; n++) await dcc(posthouse.port('dccifd'), copy(text, n), n);
  const bridged = /\t(\d+)\t0/.exec(await pyzor('check', copy(text, 14)));
  assert.ok(Number(bridged?.[1]) >= 13, `count ${bridged?.[1]}`);
  assert.match(await pyzor('check', 'Subject: empty\n\n'), /\t0\t0/, 'an empty message is nobody’s');
  await writeFile(join(home, 'accounts'), `127.0.0.1 : ${port} : anna : ,${key}\n`);
  assert.match(await pyzor('whitelist', letter), /\(200, 'OK'\)/);
  await writeFile(join(home, 'accounts'), `127.0.0.1 : ${port} : anna : ,${'b'.repeat(40)}\n`);
  assert.match(await pyzor('check', letter), /\(401, 'Unauthorized'\)/);
});

/** The count of what is bulk. */
function bulkIn(answer: string): number {
  return Number(/; bulk Body=(\d+) /.exec(answer)?.[1]);
}

/** How many copies the journals of the clearinghouse tell of. */
async function copiesIn(data: string): Promise<number> {
  const folder = join(data, 'clearinghouse');
  let copies = 0;
  for (const name of (await readdir(folder)).filter((one) => one.startsWith('journal'))) {
    const journal = await readFile(join(folder, name));
    // Behind what it is (4 octets) and what it is of (a SHA-256).
    for (const { entry } of decodeEntries(journal.subarray(36))) if (entry.kind === 'copy') copies++;
  }
  return copies;
}

peerTest('counts that are on disk are there after kill -9', [], async (peers) => {
  const data = await peers.folder('data');
  const door = { protocol: 'dccifd', address: '127.0.0.1:0', known: '127.0.0.1' };
  const first = await clearinghouse(peers, [door], data);
  const text = campaign(6);
  let answer = '';
  for (let n = 0; n < 15; n++) answer = await dcc(first.port('dccifd'), copy(text, n), n);
  // Recipients are counted nearly: one more is one more, or none, or two.
  const before = bulkIn(answer);
  assert.ok(before >= 10, answer);
  await until('what was counted is on disk', async () => (await copiesIn(data)) >= 15 || undefined);
  process.kill(first.pid, 'SIGKILL');
  await first.stop();
  const second = await clearinghouse(peers, [door], data);
  const after = bulkIn(await dcc(second.port('dccifd'), copy(text, 50), 50));
  assert.ok(after >= before && after <= before + 2, `${before} before, ${after} after`);
});
