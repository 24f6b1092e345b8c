import assert from 'node:assert/strict';
import { once } from 'node:events';
import { chmod, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join, resolve } from 'node:path';
import { type TestContext, test } from 'node:test';
import { hasRoot } from '../src/base/testing.ts';
import { type Outcome, Program, run, until } from './peers/program.ts';
import { killRounds } from './soak/kill-rounds.ts';
import { SocketPeer } from './support/peer.ts';
import { endings, type Keys, testFolder } from './support/relay.ts';

/** The program itself: what scripts, systemd and npm see of it. */

const root = resolve(import.meta.dirname, '..');
const main = join(root, 'src/cli/main.ts');

async function configured(t: TestContext, keys: Keys = {}) {
  const folder = await testFolder(t);
  const file = join(folder, 'posthouse.yaml');
  const write = (more: Keys = {}) =>
    writeFile(
      file,
      JSON.stringify({
        hostname: 'relay.test',
        data: join(folder, 'data'),
        listeners: { role: 'mx', address: '127.0.0.1:0' },
        relay: { networks: '127.0.0.0/8' },
        routes: { to: '*', via: 'capture' },
        logs: { format: 'json' },
        ...keys,
        ...more,
      }),
    );
  await write();
  return { folder, file, write };
}

function start(t: TestContext, file: string): Program {
  return endings(t).use(new Program(process.execPath, [main, 'start', '--config', file]));
}

async function readyOf(program: Program): Promise<{ readonly port: number; readonly pid: number }> {
  const line = JSON.parse(await program.line((text) => text.includes('"ready"')));
  const port = Number(String(line.listeners[0].address).split(':').at(-1));
  return { port, pid: line.pid };
}

function posthouse(...args: readonly string[]): Promise<Outcome> {
  return run(process.execPath, [main, ...args]);
}

/** Waits for a line of the log. */
function logged(program: Program, event: string): Promise<unknown> {
  return until(event, () => program.stderr.find((line) => line.includes(`"event":"${event}"`)));
}

test('one line on standard output says ready with the addresses; SIGTERM ends with 0', async (t) => {
  const { file } = await configured(t);
  const program = start(t, file);
  const { port, pid } = await readyOf(program);
  assert.equal(pid, program.pid);
  await using peer = await SocketPeer.greeted(port);
  program.signal('SIGTERM');
  assert.match(await peer.reply(), /^421 /);
  assert.equal(await program.stop(), 'exit 0');
  assert.equal(program.stdout.length, 1);
});

test('SIGTERM through npm start ends with 0 too', async (t) => {
  const { file } = await configured(t);
  const args = ['start', '--silent', '--', '--config', file];
  const npm = endings(t).use(new Program('npm', args, { cwd: root }));
  const { port, pid } = await readyOf(npm);
  await using peer = await SocketPeer.greeted(port);
  assert.equal(await npm.stop(), 'exit 0');
  assert.match(await peer.reply(), /^421 /);
  assert.throws(() => process.kill(pid, 0), { code: 'ESRCH' });
});

test('exit codes tell usage, configuration and ports in use apart', async (t) => {
  const { file, write } = await configured(t);
  assert.equal((await posthouse('strat')).code, 64);
  assert.equal((await posthouse('start', '--nonsense')).code, 64);
  assert.equal((await posthouse('start', '--config', `${file}.missing`)).code, 78);
  await write({ hostnam: 'typo.test', listeners: { role: 'mx', address: 'nowhere' } });
  const bad = await posthouse('start', '--config', file);
  assert.equal(bad.code, 78);
  assert.match(
    bad.stderr,
    /posthouse\.yaml:1:\d+: listeners[\s\S]*posthouse\.yaml:1:\d+: hostnam: unknown key/,
  );
  const taken = createServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');
  endings(t).defer(() => void taken.close());
  const address = taken.address();
  const port = typeof address === 'object' ? address?.port : 0;
  await write({ listeners: { role: 'mx', address: `127.0.0.1:${port}` } });
  const second = await posthouse('start', '--config', file);
  assert.equal(second.code, 69);
  assert.match(second.stderr, new RegExp(`127\\.0\\.0\\.1:${port} is in use`));
});

test('an older Node is exit 69, and is told which one is needed and how to name it', async () => {
  const older = `data:text/javascript,${encodeURIComponent(
    `Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '20.20.2' } });`,
  )}`;
  const outcome = await run(process.execPath, ['--import', older, main, 'start']);
  assert.equal(outcome.code, 69);
  assert.equal(outcome.stdout, '');
  assert.match(outcome.stderr, /^posthouse: Node 24 or later is needed, and ".*node" is Node 20\.20\.2:\n/);
  assert.ok(outcome.stderr.includes(`start it by name: /path/to/node ${main}`));
});

test('a data folder that cannot be made is exit 73 and named, also where the system says ENOENT', async (t) => {
  const { file, write } = await configured(t);
  for (const data of ['/proc/nope/data', file, join(file, 'data')]) {
    await write({ data });
    const outcome = await posthouse('start', '--config', file);
    assert.equal(outcome.code, 73, outcome.stderr);
    assert.match(outcome.stderr, /mkdir '[^']*'\n$/);
  }
});

test('a second relay on the same data folder is refused, and the first goes on', async (t) => {
  const { file } = await configured(t);
  const first = start(t, file);
  const { port } = await readyOf(first);
  const second = await posthouse('start', '--config', file);
  assert.equal(second.code, 69);
  assert.match(second.stderr, /another relay uses the data folder/);
  await using peer = await SocketPeer.greeted(port);
  await peer.expect(['EHLO c.test', 250]);
});

test('SIGHUP reads the configuration again; a bad one is said and changes nothing', async (t) => {
  const { file, write } = await configured(t);
  const program = start(t, file);
  const { port } = await readyOf(program);
  await write({ hostname: 'renamed.test' });
  program.signal('SIGHUP');
  await logged(program, 'reloaded');
  await write({ hostnam: 'typo.test' });
  program.signal('SIGHUP');
  await logged(program, 'reload-refused');
  await using peer = await SocketPeer.connect(port);
  assert.match(await peer.reply(), /^220 renamed\.test /);
  assert.equal(await program.stop(), 'exit 0');
});

test('a relay that is killed under load delivers everything that it had acknowledged', async () => {
  const figures = await killRounds({ rounds: 4, seed: 7, sessions: 4, longestMs: 300 });
  assert.ok(figures.acknowledged > 0);
  assert.deepEqual([figures.lost, figures.unexplained, figures.atTheEnd], [[], [], 0]);
});

test('a relay that became another user keeps its ports below 1024 at a reload, and says that a new one waits', async (t) => {
  if (!hasRoot(t)) return;
  const first = Number(await readFile('/proc/sys/net/ipv4/ip_unprivileged_port_start', 'utf8'));
  const account = { user: 'nobody' };
  const { file, write, folder } = await configured(t, account);
  await chmod(folder, 0o755);
  const listener = (port: number, more: Keys = {}) => ({ role: 'mx', address: `127.0.0.1:${port}`, ...more });
  const kept = await freeLowPort(600);
  const fresh = await freeLowPort(kept + 1);
  await write({ listeners: [listener(kept)] });
  const program = start(t, file);
  await readyOf(program);
  await using peer = await SocketPeer.greeted(kept);

  await write({ listeners: [listener(kept, { name: 'renamed' }), listener(fresh)] });
  const outcome = await posthouse('reload', '--config', file);
  // Containers often let everybody bind every port.
  if (fresh < first) {
    assert.equal(outcome.code, 78);
    assert.match(outcome.stdout + outcome.stderr, /needs a privilege .* waits for a restart/);
  } else assert.equal(outcome.code, 0);
  await write({ listeners: [listener(kept, { name: 'renamed' })] });
  assert.equal((await posthouse('reload', '--config', file)).code, 0);
  await using other = await SocketPeer.greeted(kept);
  await other.expect(['EHLO client.test', 250]);
  await peer.expect(['EHLO client.test', 250]);
});

/** A port from there on that nobody listens on: below 1024 the system chooses none. */
async function freeLowPort(from: number): Promise<number> {
  for (let port = from; port < 1024; port++) {
    const server = createServer();
    const isFree = new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false));
      server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
    });
    if (await isFree) return port;
  }
  throw new Error(`no port is free from ${from} to 1023`);
}
