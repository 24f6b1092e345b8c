/** The relays that are compared: how each is installed, configured and started. */
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { greets, type PostfixOptions, startPostfix } from '../test/peers/postfix.ts';
import { startPosthouse } from '../test/peers/posthouse.ts';
import { freePort, isInstalled, Program, run, until } from '../test/peers/program.ts';
import type { Account } from './account.ts';

export interface RelayStart {
  /** An empty folder, searchable by all, on the file system that every relay uses. */
  readonly directory: string;
  readonly sinkPort: number;
  readonly account: Account;
}

export interface RunningRelay {
  readonly port: number;
  /** The process to follow where no cgroup can be had. */
  readonly pid: number;
  stop(): Promise<void>;
}

export interface Relay {
  readonly name: string;
  /** The family in which it is compared: the best of each counts. */
  readonly family: 'postfix' | 'haraka' | 'posthouse' | 'older' | 'ceiling';
  /** It runs in Node, which compiles what is used much: a second or two of CPU, once, that is no steady state. */
  readonly isCompiledAsItRuns: boolean;
  /** How many times the messages of the case it gets, so that fast and slow ones are measured about as long. */
  readonly pace: number;
  /** Makes ready what is needed once; gives the version. Throws when the relay cannot be had. */
  prepare(): Promise<string>;
  start(options: RelayStart): Promise<RunningRelay>;
}

const cache = join(import.meta.dirname, '.cache');

/** The tunings that made Postfix's accept rate better; end to end neither variant wins always. */
const tuned = {
  default_destination_concurrency_limit: '50',
  default_process_limit: '150',
  in_flow_delay: '0',
};

function postfix(name: string, tunings: NonNullable<PostfixOptions['settings']>): Relay {
  return {
    name,
    family: 'postfix',
    isCompiledAsItRuns: false,
    pace: 1,
    prepare: async () => {
      if (!isInstalled('postconf')) throw new Error('Postfix is not installed');
      return (await run('/usr/sbin/postconf', ['-dh', 'mail_version'])).stdout.trim();
    },
    start: async ({ directory, sinkPort, account }) => {
      const settings = { relayhost: `[127.0.0.1]:${sinkPort}`, smtpd_recipient_limit: '1000', ...tunings };
      const port = await freePort();
      const running = await startPostfix({ directory, port, settings, under: account.under });
      const pid = Number(await readFile(join(directory, 'queue/pid/master.pid'), 'utf8'));
      return { port, pid, stop: () => running.stop() };
    },
  };
}

/** Exactly this one, with the dependencies that npm resolves on the day: a peer, no dependency of ours. */
const harakaVersion = '3.3.4';

const harakaPlugin = `'use strict';
exports.hook_rcpt = function (next, connection) { connection.relaying = true; next(OK); };
exports.hook_get_mx = function (next) { next(OK, { priority: 0, exchange: '127.0.0.1', port: SINK }); };
`;

async function installHaraka(): Promise<string> {
  const folder = join(cache, `haraka-${harakaVersion}`);
  if (existsSync(folder)) return folder;
  // Into a folder of another name first: an install that was broken off does not count as one.
  await mkdir(cache, { recursive: true });
  const partial = await mkdtemp(join(cache, 'partial-'));
  await writeFile(join(partial, 'package.json'), '{"private":true}\n');
  const args = [
    'install',
    '--no-package-lock',
    '--ignore-scripts',
    '--no-audit',
    '--no-fund',
    '--omit=optional',
  ];
  const outcome = await run('npm', [...args, '--no-workspaces', `Haraka@${harakaVersion}`], {
    cwd: partial,
    timeoutMs: 300_000,
  });
  if (outcome.code !== 0) throw new Error(`npm install Haraka: ${outcome.stderr}`);
  await rename(partial, folder);
  return folder;
}

async function configureHaraka(options: RelayStart & { readonly port: number; readonly nodes: number }) {
  const { directory } = options;
  await mkdir(join(directory, 'config'));
  await mkdir(join(directory, 'plugins'));
  await mkdir(join(directory, 'queue'));
  const files = {
    'config/smtp.ini': `listen=127.0.0.1:${options.port}\nnodes=${options.nodes}\n`,
    'config/outbound.ini': 'concurrency_max=100\nlocal_mx_ok=true\nenable_tls=false\n',
    'config/log.ini': '[main]\nlevel=info\n',
    // Without the groups of this file, empty or not, a session ends in an exception.
    'config/connection.ini': '[main]\n[headers]\n[max]\n[message]\n[uuid]\n',
    'config/plugins': 'to_the_sink\n',
    'config/me': 'haraka.test\n',
    'plugins/to_the_sink.js': harakaPlugin.replace('SINK', String(options.sinkPort)),
  };
  for (const [name, text] of Object.entries(files)) await writeFile(join(directory, name), text);
}

function haraka(name: string, nodes: number): Relay {
  return {
    name,
    family: 'haraka',
    isCompiledAsItRuns: true,
    pace: 1,
    prepare: async () => {
      await installHaraka();
      return harakaVersion;
    },
    start: async (options) => {
      const { directory, account } = options;
      const port = await freePort();
      await configureHaraka({ ...options, port, nodes });
      const entry = join(await installHaraka(), 'node_modules/Haraka/bin/haraka');
      const log = join(directory, 'haraka.log');
      const script = `exec "$@" >>${log} 2>&1`;
      const command = ['/bin/sh', '-c', script, 'sh', process.execPath, entry, '-c', directory];
      const [program = '', ...args] = [...account.under, ...command];
      const child = new Program(program, args, { cwd: directory });
      await until('Haraka', async () => {
        if (child.ended !== undefined)
          throw new Error(`haraka: ${child.ended}; ${await readFile(log, 'utf8')}`);
        return await greets(port);
      });
      return { port, pid: child.pid, stop: async () => void (await child.stop()) };
    },
  };
}

function posthouse(name: string, build?: string): Relay {
  return {
    name,
    family: build === undefined ? 'posthouse' : 'older',
    isCompiledAsItRuns: true,
    pace: 4,
    prepare: async () => {
      const cwd = build ?? import.meta.dirname;
      const git = await run('git', ['describe', '--always', '--dirty'], { cwd });
      if (git.code !== 0) throw new Error(git.stderr.trim());
      return git.stdout.trim();
    },
    start: async ({ directory, sinkPort, account }) => {
      // The log goes to a file, as the others' logs do.
      const under = ['/bin/sh', '-c', `exec "$@" 2>>${directory}/posthouse.log`, 'sh'];
      const running = await startPosthouse({
        directory,
        under: [...account.under, ...under],
        ...(build === undefined ? {} : { build }),
        configuration: {
          relay: { networks: ['127.0.0.0/8'] },
          routes: [{ to: '*', via: `smtp://127.0.0.1:${sinkPort}` }],
        },
      });
      return { port: running.port(), pid: running.pid, stop: async () => void (await running.stop()) };
    },
  };
}

/** Another build of this relay: a checkout whose dependencies are installed. */
export function olderBuild(folder: string): Relay {
  return posthouse('posthouse-older', folder);
}

const ceiling: Relay = {
  name: 'ceiling',
  family: 'ceiling',
  isCompiledAsItRuns: true,
  pace: 4,
  prepare: async () => process.version,
  start: async ({ directory, sinkPort, account }) => {
    const entry = join(import.meta.dirname, 'ceiling.ts');
    const command = [process.execPath, entry, directory, String(sinkPort)];
    const [program = '', ...args] = [...account.under, ...command];
    const child = new Program(program, args);
    const port = Number(await child.line((line) => /^\d+$/.test(line)));
    return { port, pid: child.pid, stop: async () => void (await child.stop()) };
  },
};

export const relays: readonly Relay[] = [
  postfix('postfix', tuned),
  postfix('postfix-stock', {}),
  haraka('haraka', 0),
  haraka('haraka-2', 2),
  posthouse('posthouse'),
  ceiling,
];

/** Makes a folder that the users of all relays can reach, on the file system of `parent`. */
export async function relayFolder(parent: string, name: string): Promise<string> {
  const folder = await mkdtemp(join(parent, `${name}-`));
  await chmod(folder, 0o755);
  return folder;
}

/** Removes it with all that is in it. */
export async function removeFolder(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true, maxRetries: 5 });
}
