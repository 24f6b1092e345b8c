/** `posthouse sendmail` beside Postfix's sendmail(1): the same calls name the same senders and recipients. */
import assert from 'node:assert/strict';
import { chmod, chown, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { prepareMaildrop } from '../../src/maildrop/index.ts';
import { isInstalled, peerTest, run } from './support.ts';

/** The result of a call of sendmail. */
interface Sent {
  readonly code: number;
  readonly from: string | undefined;
  readonly to: readonly string[];
}

const message = 'Subject: x\nTo: header@x.example, second@y.example\nBcc: hidden@z.example\n\nhi\n';

/** Calls of which both make the same, but for what Posthouse refuses. */
const calls: readonly (readonly string[])[] = [
  ['a@x.example'],
  ['a@x.example,b@y.example'],
  ['a@x.example', 'b@y.example'],
  ['Anna <a@x.example>'],
  ['"Smith, Anna" <a@x.example>'],
  ['a@x.example b@y.example'],
  ['a@x.example (comment)'],
  ['us: a@x.example, b@y.example;'],
  [' a@x.example '],
  ['-f', 'Anna <s@x.example>', 'a@x.example'],
  ['-f', '<s@x.example>', 'a@x.example'],
  ['-fs@x.example', 'a@x.example'],
  ['-r', 's@x.example', 'a@x.example'],
  ['-f', '', 'a@x.example'],
  ['-f', '<>', 'a@x.example'],
  ['-f', 's@x.example,t@y.example', 'a@x.example'],
  ['-f', 's@x.example', '-f', 't@y.example', 'a@x.example'],
  ['-t'],
  ['-t', 'a@x.example,b@y.example'],
  ['-it'],
  ['-oi', '-oem', '-odb', '-oo', '-oQ/x', '-o7', '-om', 'a@x.example'],
  ['-o', 'em', 'a@x.example'],
  ['-O', 'DeliveryMode=b', '-OFoo=bar', 'a@x.example'],
  ['-Am', '-h20', '-L', 'label', '-m', '-U', '-x', '-G', '-p', 'UUCP:host', '-em', 'a@x.example'],
  ['-N', 'success,failure', '-R', 'hdrs', '-V', 'env1', '-B', '8BITMIME', 'a@x.example'],
  ['-N', 'foo', '-R', 'foo', '-V', 'x'.repeat(200), 'a@x.example'],
  ['--', '-strange@x.example'],
  ['-bm', 'a@x.example'],
];

/** Calls that both refuse. Postfix says 75 where sysexits(3) has 64. */
const refused: readonly (readonly string[])[] = [
  [],
  ['-Z', 'a@x.example'],
  ['-f'],
  ['-B', 'foo', 'a@x.example'],
  ['-bt', 'a@x.example'],
  ['-bp', 'a@x.example'],
  ['-bi', 'a@x.example'],
  ['-q', 'a@x.example'],
  ['-qI'],
  ['-qSx'],
];

/** A queue of Postfix in which sendmail leaves its files; nothing of Postfix runs. */
async function postfixQueue(directory: string): Promise<string> {
  await chmod(directory, 0o755);
  const queue = join(directory, 'queue');
  const config = join(directory, 'etc');
  for (const folder of [config, join(queue, 'maildrop'), join(queue, 'public'), join(queue, 'pid')])
    await mkdir(folder, { recursive: true });
  const [user, group] = await Promise.all([idOf('passwd', 'postfix'), idOf('group', 'postdrop')]);
  await chown(join(queue, 'maildrop'), user, group);
  await chmod(join(queue, 'maildrop'), 0o1730);
  const settings = {
    queue_directory: queue,
    myhostname: 'h.example',
    myorigin: 'h.example',
    compatibility_level: '3.6',
  };
  const lines = Object.entries(settings).map(([key, value]) => `${key} = ${value}\n`);
  await writeFile(join(config, 'main.cf'), lines.join(''));
  await writeFile(join(config, 'dynamicmaps.cf'), '');
  return config;
}

async function idOf(file: 'passwd' | 'group', name: string): Promise<number> {
  const lines = (await readFile(`/etc/${file}`, 'utf8')).split('\n');
  return Number(lines.find((line) => line.startsWith(`${name}:`))?.split(':')[2]);
}

/** The records of a queue file: a type, a length in sevens of bits, the text. */
function* records(octets: Buffer): Generator<[string, string]> {
  for (let at = 0; at < octets.length; ) {
    const type = String.fromCharCode(octets[at++] ?? 0);
    let length = 0;
    for (let shift = 0; ; shift += 7) {
      const octet = octets[at++] ?? 0;
      length |= (octet & 0x7f) << shift;
      if ((octet & 0x80) === 0) break;
    }
    yield [type, octets.toString('latin1', at, at + length)];
    at += length;
  }
}

/** Postfix qualifies and removes repetitions when it takes the file in. */
function asTakenIn(names: readonly string[]): string[] {
  return [...new Set(names.map((name) => (name === '' || name.includes('@') ? name : `${name}@h.example`)))];
}

async function newest(folder: string): Promise<string | undefined> {
  const names = (await readdir(folder)).filter((name) => name !== 'bad');
  const times = await Promise.all(names.map(async (name) => (await stat(join(folder, name))).ctimeMs));
  const last = times.indexOf(Math.max(...times));
  return names[last] === undefined ? undefined : join(folder, names[last]);
}

async function byPostfix(config: string, args: readonly string[]): Promise<Sent> {
  const folder = join(config, '..', 'queue', 'maildrop');
  const before = new Set(await readdir(folder));
  const { code } = await run('/usr/sbin/sendmail', args, {
    input: message,
    env: { MAIL_CONFIG: config, NAME: '' },
  });
  const [made] = (await readdir(folder)).filter((name) => !before.has(name));
  if (made === undefined) return { code, from: undefined, to: [] };
  const found = [...records(await readFile(join(folder, made)))];
  const texts = (type: string) => found.filter(([kind]) => kind === type).map(([, text]) => text);
  return { code, from: asTakenIn(texts('S'))[0], to: asTakenIn(texts('R')) };
}

async function byPosthouse(directory: string, args: readonly string[]): Promise<Sent> {
  const folder = join(directory, 'maildrop');
  const file = await newest(folder);
  const command = [
    join(import.meta.dirname, '../../src/cli/main.ts'),
    'sendmail',
    '-C',
    join(directory, 'p.yaml'),
    ...args,
  ];
  const { code } = await run(process.execPath, command, { input: message, env: { NAME: '' } });
  const made = await newest(folder);
  if (made === undefined || made === file) return { code, from: undefined, to: [] };
  const line = (await readFile(made, 'utf8')).split('\n', 1)[0] ?? '';
  const { from, to } = JSON.parse(line);
  return { code, from, to: to.map(({ address }: { address: string }) => address) };
}

peerTest(
  'the same calls of sendmail name the same sender and recipients as with Postfix',
  ['postfix'],
  async (peers) => {
    assert.ok(isInstalled('/usr/sbin/sendmail'));
    const directory = await peers.folder('sendmail');
    const config = await postfixQueue(directory);
    await prepareMaildrop(join(directory, 'maildrop'));
    const keys = {
      hostname: 'h.example',
      data: directory,
      listeners: [{ role: 'mx', address: '127.0.0.1:0' }],
    };
    await writeFile(
      join(directory, 'p.yaml'),
      JSON.stringify({ ...keys, sendmail: { maildrop: join(directory, 'maildrop') } }),
    );
    for (const args of calls) {
      const theirs = await byPostfix(config, args);
      assert.deepEqual(await byPosthouse(directory, args), { ...theirs, code: 0 }, JSON.stringify(args));
      assert.equal(theirs.code, 0);
    }
    for (const args of refused) {
      assert.equal((await byPostfix(config, args)).code, 75, JSON.stringify(args));
      assert.deepEqual(
        await byPosthouse(directory, args),
        { code: 64, from: undefined, to: [] },
        JSON.stringify(args),
      );
    }
  },
);
