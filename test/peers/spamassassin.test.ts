/** The clearinghouse, asked by SpamAssassin with its Razor2, Pyzor and DCC plug-ins. */
import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { asked, campaign, copy, dcc } from './campaign.ts';
import { freePort, peerTest, run } from './support.ts';

peerTest(
  'SpamAssassin hears of a campaign by Razor2, Pyzor and DCC, the first two by signatures of copies seen elsewhere',
  ['spamassassin', 'razor-admin', 'pyzor'],
  async (peers) => {
    const razor = await freePort();
    const posthouse = await peers.posthouse({
      clearinghouse: {
        memory: '32MB',
        doors: [
          { protocol: 'razor', address: `127.0.0.1:${razor}` },
          { protocol: 'pyzor', address: '127.0.0.1:0' },
          { protocol: 'dccifd', address: '127.0.0.1:0', known: '127.0.0.1' },
        ],
      },
    });
    const folder = await peers.folder('spamassassin');
    const [home, pyzorHome] = [join(folder, 'razor'), join(folder, 'pyzor')];
    await mkdir(home);
    await mkdir(pyzorHome);
    await writeFile(join(pyzorHome, 'servers'), `127.0.0.1:${posthouse.port('pyzor')}\n`);
    const razorConfig = join(home, 'razor-agent.conf');
    await writeFile(razorConfig, `razorhome = ${home}\nrazordiscovery = 127.0.0.1:${razor}\nmin_cf = ac\n`);
    const created = await run('razor-admin', [`-home=${home}`, '-create'], { env: { HOME: home } });
    assert.equal(created.code, 0, created.stderr);
    const rules = `
loadplugin Mail::SpamAssassin::Plugin::Check
loadplugin Mail::SpamAssassin::Plugin::DCC
loadplugin Mail::SpamAssassin::Plugin::Razor2
loadplugin Mail::SpamAssassin::Plugin::Pyzor
use_dcc 1
dcc_dccifd_path 127.0.0.1:${posthouse.port('dccifd')}
full DCC_CHECK eval:check_dcc()
score DCC_CHECK 1
use_razor2 1
razor_config ${razorConfig}
full RAZOR2_CHECK eval:check_razor2()
full RAZOR2_CF_RANGE_51_100 eval:check_razor2_range('','51','100')
score RAZOR2_CHECK 1
score RAZOR2_CF_RANGE_51_100 1
use_pyzor 1
pyzor_options --homedir ${pyzorHome}
full PYZOR_CHECK eval:check_pyzor()
score PYZOR_CHECK 1
dns_available yes
skip_rbl_checks 1
add_header all Tests _TESTS_
`;
    await writeFile(join(folder, 'own.cf'), rules);
    await writeFile(join(folder, 'prefs'), '');
    const tests = async (text: string) => {
      const { stdout, stderr } = await run(
        'spamassassin',
        ['-x', '-t', '-C', folder, `--siteconfigpath=${folder}`, '-p', join(folder, 'prefs')],
        { input: text, env: { HOME: folder } },
      );
      const found = /^X-Spam-Tests: (.*)$/m.exec(stdout)?.[1];
      assert.ok(found !== undefined, stderr);
      return found.split(',');
    };
    const text = campaign(31);
    assert.deepEqual(await tests(copy(text, 1)), ['none']);
    // Others see whole copies, and one of them is reported; then ours is asked about by its signatures.
    const port = posthouse.port('dccifd');
    for (let n = 2; n < 16; n++) await dcc(port, copy(text, n), n);
    await asked(port, `spam\n192.0.2.1\nhelo\na@x.example\nu@ours.example\n\n${copy(text, 16)}`);
    const found = await tests(copy(text, 15));
    for (const name of ['DCC_CHECK', 'PYZOR_CHECK', 'RAZOR2_CHECK', 'RAZOR2_CF_RANGE_51_100'])
      assert.ok(found.includes(name), `${name} is not among ${found}`);
    // A copy that nobody has seen has signatures of its own: what is sent whole is what is recognised.
    assert.ok((await tests(copy(text, 99))).includes('DCC_CHECK'));
    assert.deepEqual(await tests(copy(campaign(32), 1)), ['none'], 'another mail');
  },
);
