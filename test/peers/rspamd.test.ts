/** The clearinghouse, asked by a real rspamd: its modules dcc, razor, pyzor and fuzzy_check. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { asked, campaign, copy, dcc } from './campaign.ts';
import { startRspamd } from './rspamd.ts';
import { type Peers, type Posthouse, peerTest, run } from './support.ts';

const needs = ['rspamd', 'rspamc', 'rspamadm'];

async function clearinghouse(peers: Peers, doors: readonly object[]): Promise<Posthouse> {
  const local = doors.map((door) => ({ address: '127.0.0.1:0', known: '127.0.0.1', ...door }));
  return peers.posthouse({ clearinghouse: { memory: '32MB', doors: local } });
}

const has = (symbols: readonly string[], name: string) =>
  symbols.some((symbol) => symbol.startsWith(`${name} `));

peerTest(
  'a campaign whose copies all differ is caught by dcc, razor and pyzor of rspamd',
  needs,
  async (peers) => {
    const posthouse = await clearinghouse(peers, [
      { protocol: 'dccifd' },
      { protocol: 'rspamd-razor' },
      { protocol: 'rspamd-pyzor' },
    ]);
    const port = (name: string) => posthouse.port(name);
    const external = (type: string) =>
      `${type} { type = "${type}"; servers = "127.0.0.1:${port(`rspamd-${type}`)}"; scan_mime_parts = false; symbol = "${type.toUpperCase()}"; }`;
    await using rspamd = await startRspamd(
      peers,
      `dcc { enabled = true; servers = "127.0.0.1:${port('dccifd')}"; body_max = 10; fuz1_max = 10; fuz2_max = 10; }
external_services { ${external('razor')} ${external('pyzor')} }`,
    );
    const text = campaign(21);
    const first = await rspamd.scan(copy(text, 1));
    for (const name of ['DCC_REJECT', 'DCC_BULK', 'RAZOR', 'PYZOR'])
      assert.ok(!has(first, name), first.join('\n'));
    for (let n = 2; n < 16; n++) await dcc(port('dccifd'), copy(text, n), n);
    const bulk = await rspamd.scan(copy(text, 50));
    assert.ok(
      has(bulk, 'DCC_FAIL') === false && (has(bulk, 'DCC_REJECT') || has(bulk, 'DCC_BULK')),
      bulk.join('\n'),
    );
    assert.ok(has(bulk, 'PYZOR'), bulk.join('\n'));
    assert.ok(!has(bulk, 'RAZOR'), 'it is bulk, and nobody has said that it is spam');
    // Somebody reports one copy; razor says yes of all of them.
    await asked(port('dccifd'), `spam\n192.0.2.1\nhelo\na@x.example\nu@ours.example\n\n${copy(text, 60)}`);
    const reported = await rspamd.scan(copy(text, 70));
    assert.ok(has(reported, 'RAZOR'), reported.join('\n'));
    const other = await rspamd.scan(copy(campaign(22), 1));
    for (const name of ['DCC_REJECT', 'DCC_BULK', 'RAZOR', 'PYZOR'])
      assert.ok(!has(other, name), other.join('\n'));
  },
);

/** English that a language detector takes for English. */
const letter = (end: string) => `From: a@b.example
To: u@ours.example
Subject: about the house
Message-ID: <1@x.example>
Date: Tue, 24 Nov 2026 10:00:00 +0000
MIME-Version: 1.0
Content-Type: text/plain; charset=utf-8

Dear neighbours, the owners of the old mill have asked us to tell everybody that the road along the river will be
closed for three weeks while the bridge is being repaired. Please leave your cars at the market place during that time
and walk the last few hundred metres. The school bus stops at the church instead of the mill, ten minutes earlier than
usual, and the bakery delivers bread to those who cannot come. If you have any questions, ask at the town hall between
nine and twelve in the morning, or write to the office that is named below. We are sorry for the trouble and thank you
for your patience. ${end}
`;

peerTest(
  'fuzzy_add, a scan, fuzzy_del: with a storage in clear and one that is encrypted',
  needs,
  async (peers) => {
    const keys = (await run('rspamadm', ['keypair'])).stdout;
    const key = (name: string) => new RegExp(`${name} = "([^"]+)"`).exec(keys)?.[1] ?? '';
    const secret = join(await peers.folder('keys'), 'secret');
    await writeFile(secret, key('privkey'), { mode: 0o600 });
    for (const isEncrypted of [false, true]) {
      const posthouse = await clearinghouse(peers, [
        { protocol: 'rspamd-fuzzy', ...(isEncrypted && { secret: { file: secret } }) },
      ]);
      await using rspamd = await startRspamd(
        peers,
        `fuzzy_check { min_bytes = 100; rule "own" {
  servers = "127.0.0.1:${posthouse.port('rspamd-fuzzy')}"; algorithm = "mumhash"; symbol = "FUZZY_OTHER";
  ${isEncrypted ? `encryption_key = "${key('pubkey')}";` : ''}
  mime_types = ["*"]; read_only = false; skip_unknown = true; max_score = 20;
  fuzzy_map { FUZZY_OWN { max_score = 20; flag = 11; } } } }`,
      );
      assert.ok(!has(await rspamd.scan(letter('The council.')), 'FUZZY_OWN'));
      const added = await rspamd.control(['fuzzy_add', '-f', '11', '-w', '10'], letter('The council.'));
      assert.match(added.stdout, /success = true/, added.stderr);
      const found = await rspamd.scan(letter('The council.'));
      assert.ok(has(found, 'FUZZY_OWN'), found.join('\n'));
      const similar = await rspamd.scan(letter('Yours, the council of the town and its mayor.'));
      assert.ok(has(similar, 'FUZZY_OWN'), `by its shingles: ${similar.join('\n')}`);
      assert.ok(!has(await rspamd.scan(copy(campaign(23), 1)), 'FUZZY_OWN'), 'another mail');
      await rspamd.control(['fuzzy_del', '-f', '11'], letter('The council.'));
      assert.ok(!has(await rspamd.scan(letter('The council.')), 'FUZZY_OWN'), 'it was taken away');
    }
  },
);
