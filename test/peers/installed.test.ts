/**
 * The package as somebody gets it: made by `npm pack`, installed by `npm install --global` into an empty folder with
 * whatever versions of indirect dependencies the registry has today, and used without the repository. The peer is npm.
 */
import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { Netns, netnsNeeds } from './netns.ts';
import { type Outcome, type Peers, Program, peerTest, run, searchPath, until } from './support.ts';

const root = resolve(import.meta.dirname, '../..');
/** The Node of this test is the one in PATH, as on the machine of somebody who has one of the right age. */
const env = { PATH: `${dirname(process.execPath)}:${searchPath()}` };

/** An npm that runs this test says by INIT_CWD where its user stands, and that is not there. */
const envAt = (cwd: string) => ({ ...env, INIT_CWD: cwd });

async function succeed(command: string, args: readonly string[], cwd: string): Promise<string> {
  const outcome = await run(command, args, { cwd, env: envAt(cwd), timeoutMs: 170_000 });
  assert.equal(outcome.code, 0, `${command} ${args.join(' ')}: ${outcome.stderr}`);
  return outcome.stdout;
}

interface Installed {
  /** The files of the tarball, without `package/`. */
  readonly packed: readonly string[];
  readonly program: string;
  /** Where npm put the package. */
  readonly home: string;
  /** An empty folder to work in. */
  readonly folder: string;
}

/** No install script may run: nothing that is needed is fetched or built by one. */
async function install(peers: Peers): Promise<Installed> {
  const [folder, prefix] = [await peers.folder('work'), await peers.folder('prefix')];
  await succeed('npm', ['pack', '--silent', '--pack-destination', peers.directory], root);
  const tarball = (await readdir(peers.directory)).find((name) => name.endsWith('.tgz')) ?? '';
  const path = join(peers.directory, tarball);
  const args = [
    'install',
    '--global',
    '--ignore-scripts',
    '--no-audit',
    '--no-fund',
    '--prefix',
    prefix,
    path,
  ];
  await succeed('npm', args, peers.directory);
  const listed = await succeed('tar', ['-tzf', path], peers.directory);
  return {
    packed: listed
      .trim()
      .split('\n')
      .map((name) => name.replace(/^package\//, '')),
    program: join(prefix, 'bin/posthouse'),
    home: join(prefix, 'lib/node_modules/posthouse'),
    folder,
  };
}

function assertComplete(packed: readonly string[]): void {
  for (const name of ['README.md', 'LICENSE', 'CHANGELOG.md', 'SECURITY.md', 'docs/configuration.md'])
    assert.ok(packed.includes(name), `${name} is not in the tarball`);
  const wanted = /^(?:package\.json|[A-Z]+(?:\.md)?|dist\/.*\.js|docs\/.*\.md|examples\/.*\.(?:yaml|txt))$/;
  assert.deepEqual(
    packed.filter(
      (name) =>
        !wanted.test(name) ||
        /\/(?:testing(?:-\w+)?|fuzz|docs|situations)\.js|\.test\.|\/fault\/|\/contract/.test(name),
    ),
    [],
  );
}

/** Each package that is declared can be loaded in the tree that npm made; one was in there twice once, and could not. */
async function assertLoads(home: string): Promise<void> {
  const { dependencies } = JSON.parse(await readFile(join(home, 'package.json'), 'utf8'));
  const entries: Readonly<Record<string, string>> = {
    '@noble/ciphers': '@noble/ciphers/chacha.js',
    mailauth: 'mailauth/lib/dkim/verify.js',
  };
  const loads = Object.keys(dependencies).map((name) => `await import('${entries[name] ?? name}');`);
  assert.ok(loads.length > 10);
  await succeed('node', ['--input-type=module', '--eval', loads.join('\n')], home);
}

async function assertCommands({ program, folder }: Installed): Promise<void> {
  assert.match(await succeed(program, ['--version'], folder), /^posthouse \d+\.\d+\.\d+\n$/);
  const roles = (await run(program, ['init', 'nothing'], { env })).stderr.split('expected ')[1];
  for (const role of (roles ?? '').trim().split(', '))
    assert.match(await succeed(program, ['init', role, '--output', '-'], folder), /^listeners:/m);
  await succeed(program, ['init', 'trap', '--output', 'trap.yaml'], folder);
  await succeed(program, ['check', '--config', 'trap.yaml'], folder);
}

/** Logs in over STARTTLS, with the certificate that the relay made for itself as the only authority. */
const submit = `
import smtplib, ssl, sys
with smtplib.SMTP("localhost", 2587, timeout=30) as server:
    server.starttls(context=ssl.create_default_context(cafile=sys.argv[1]))
    server.login("dev", sys.argv[2])
    server.sendmail("me@example.org", ["you@example.org"], "From: me@example.org\\r\\nSubject: By STARTTLS\\r\\n\\r\\nHello.\\r\\n")
`;

/** The subjects of what is in the capture folder, once as many messages are there. */
async function subjects(capture: string, count: number): Promise<readonly string[]> {
  return await until(`${count} messages in the capture folder`, async () => {
    const names = await readdir(capture, { recursive: true }).catch(() => []);
    const files = names.filter((name) => name.endsWith('.eml'));
    if (files.length < count) return undefined;
    const texts = await Promise.all(files.map((name) => readFile(join(capture, name), 'utf8')));
    return texts.map((text) => /^Subject: (.*?)\r?$/m.exec(text)?.[1] ?? '').sort();
  });
}

peerTest(
  'the packed package installs into an empty folder, starts without a configuration, and takes and delivers a mail',
  [...netnsNeeds, 'npm', 'tar', 'python3'],
  async (peers) => {
    const installed = await install(peers);
    assertComplete(installed.packed);
    await assertLoads(installed.home);
    await assertCommands(installed);
    // The local profile has fixed ports, so it gets a machine of its own.
    const netns = await Netns.make(peers, 'installed');
    const options = { cwd: installed.folder, env: envAt(installed.folder) };
    const [ip = '', ...prefix] = netns.prefix;
    const relay = new Program(ip, [...prefix, installed.program, 'start'], options);
    peers.use(relay);
    const ready = JSON.parse(await relay.line((line) => line.includes('"ready"')));
    assert.deepEqual(
      ready.listeners.map(({ role }: { role: string }) => role),
      ['mx', 'submission'],
    );
    const inside = (args: readonly string[], input = ''): Promise<Outcome> =>
      netns.run(installed.program, args, { ...options, input });
    const sent = await inside(['send', '--to', 'you@example.org', '--subject', 'Hello'], 'First words.\n');
    assert.equal(sent.code, 0, sent.stderr);
    const password = await readFile(join(installed.folder, 'var/local-password'), 'utf8');
    const script = ['-c', submit, join(installed.folder, 'var/local-cert.pem'), password.trim()];
    const submitted = await netns.run('python3', script);
    assert.equal(submitted.code, 0, submitted.stderr);
    assert.deepEqual(await subjects(join(installed.folder, 'var/capture'), 2), ['By STARTTLS', 'Hello']);
    assert.equal(await relay.stop(), 'exit 0');
  },
);
