/**
 * A Postfix of our own: the distribution's programs with a configuration, a queue and a data folder in a temporary
 * directory, and one smtpd on a high loopback port. Nothing under /etc/postfix is read or written. Needs root, as
 * Postfix's master does.
 */
import { chmod, chown, mkdir, readFile, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { dirname, join } from 'node:path';
import { Program, run, searchPath, until } from './program.ts';

export interface PostfixOptions {
  /** An empty folder that belongs to this instance; every folder above it must be searchable by all. */
  readonly directory: string;
  readonly port: number;
  /** main.cf settings, over the ones below. */
  readonly settings?: Readonly<Record<string, string>>;
  /** More files for its configuration folder: name, such as `sasl/smtpd.conf`, and text. */
  readonly files?: Readonly<Record<string, string>>;
  /** A wrapper to start it under (for accounting): `[command, ...args]`, to which the command is appended. */
  readonly under?: readonly string[];
}

/** A running Postfix. */
export interface Postfix extends AsyncDisposable {
  readonly port: number;
  readonly directory: string;
  /** The text of its log so far. */
  log(): Promise<string>;
  /** Runs `postqueue` or another of its commands with `-c` of this instance. */
  command(name: string, args: readonly string[]): Promise<string>;
  stop(): Promise<void>;
}

const services = `
{port}     inet  n - n - - smtpd
pickup     unix  n - n 60 1 pickup
cleanup    unix  n - n - 0 cleanup
qmgr       unix  n - n 300 1 qmgr
tlsmgr     unix  - - n 1000? 1 tlsmgr
rewrite    unix  - - n - - trivial-rewrite
bounce     unix  - - n - 0 bounce
defer      unix  - - n - 0 bounce
trace      unix  - - n - 0 bounce
verify     unix  - - n - 1 verify
flush      unix  n - n 1000? 0 flush
proxymap   unix  - - n - - proxymap
smtp       unix  - - n - - smtp
relay      unix  - - n - - smtp
showq      unix  n - n - - showq
error      unix  - - n - - error
retry      unix  - - n - - error
discard    unix  - - n - - discard
virtual    unix  - n n - - virtual
lmtp       unix  - - n - - lmtp
anvil      unix  - - n - 1 anvil
scache     unix  - - n - 1 scache
postlog    unix-dgram n - n - 1 postlogd
`;

function mainCf(options: PostfixOptions): string {
  const settings: Record<string, string> = {
    compatibility_level: '3.6',
    queue_directory: join(options.directory, 'queue'),
    data_directory: join(options.directory, 'data'),
    command_directory: '/usr/sbin',
    daemon_directory: '/usr/lib/postfix/sbin',
    mail_owner: 'postfix',
    setgid_group: 'postdrop',
    myhostname: 'postfix.test',
    mydestination: '',
    inet_interfaces: 'loopback-only',
    inet_protocols: 'ipv4',
    mynetworks: '127.0.0.0/8',
    disable_dns_lookups: 'yes',
    smtpd_client_connection_rate_limit: '0',
    smtpd_client_connection_count_limit: '0',
    smtp_host_lookup: 'native',
    biff: 'no',
    alias_maps: '',
    alias_database: '',
    local_recipient_maps: '',
    local_transport: 'error:no local mailboxes here',
    notify_classes: '',
    maillog_file: join(options.directory, 'maillog'),
    maillog_file_prefixes: '/',
    ...options.settings,
  };
  return Object.entries(settings)
    .map(([key, value]) => `${key} = ${value}\n`)
    .join('');
}

async function userIds(name: string): Promise<{ readonly uid: number; readonly gid: number }> {
  const fields = (await readFile('/etc/passwd', 'utf8')).split('\n').find((l) => l.startsWith(`${name}:`));
  const [, , uid, gid] = (fields ?? '').split(':');
  if (uid === undefined || gid === undefined) throw new Error(`no user ${name}: Postfix is not installed`);
  return { uid: Number(uid), gid: Number(gid) };
}

/** True once something on the port has sent a 220. */
export async function greets(port: number): Promise<boolean> {
  const socket = connect({ port, host: '127.0.0.1' });
  try {
    return await new Promise<boolean>((resolve) => {
      socket.setTimeout(5_000, () => resolve(false));
      socket.once('error', () => resolve(false));
      socket.once('close', () => resolve(false));
      socket.once('data', (chunk: Buffer) => resolve(chunk.toString('latin1').startsWith('220')));
    });
  } finally {
    socket.end('QUIT\r\n');
    socket.destroySoon();
  }
}

/** Starts a Postfix and waits for its greeting. */
export async function startPostfix(options: PostfixOptions): Promise<Postfix> {
  const { directory, port } = options;
  const config = join(directory, 'etc');
  await chmod(directory, 0o755);
  for (const name of ['etc', 'queue', 'data']) await mkdir(join(directory, name), { recursive: true });
  const owner = await userIds('postfix');
  await chown(join(directory, 'data'), owner.uid, owner.gid);
  await writeFile(join(config, 'main.cf'), mainCf(options));
  await writeFile(join(config, 'master.cf'), services.replace('{port}', `127.0.0.1:${port}`));
  // Without the file, each program warns that it is missing.
  await writeFile(join(config, 'dynamicmaps.cf'), '');
  for (const [name, text] of Object.entries(options.files ?? {})) {
    await mkdir(dirname(join(config, name)), { recursive: true });
    await writeFile(join(config, name), text);
  }

  const [wrapper, ...wrapperArgs] = options.under ?? [];
  const command = ['postfix', '-c', config, 'start-fg'];
  const [program = '', ...args] = wrapper === undefined ? command : [wrapper, ...wrapperArgs, ...command];
  const script = new Program(program, args, { env: { MAIL_CONFIG: config, PATH: searchPath() } });
  const running = new RunningPostfix(script, config, options);
  try {
    await until(
      `Postfix on port ${port}`,
      async () => {
        if (script.ended !== undefined) throw new Error(`postfix: ${script.ended}`);
        return await greets(port);
      },
      60_000,
    );
  } catch (error) {
    const said = [...script.stdout, ...script.stderr, await running.log()].join('\n');
    await running.stop().catch(() => {});
    throw new Error(`Postfix did not start; it said: ${said}`, { cause: error });
  }
  return running;
}

class RunningPostfix implements Postfix {
  readonly port: number;
  readonly directory: string;
  readonly #script: Program;
  readonly #config: string;

  constructor(script: Program, config: string, options: PostfixOptions) {
    this.#script = script;
    this.#config = config;
    this.port = options.port;
    this.directory = options.directory;
  }

  async log(): Promise<string> {
    return await readFile(join(this.directory, 'maillog'), 'utf8').catch(() => '');
  }

  async command(name: string, args: readonly string[]): Promise<string> {
    const outcome = await run(name, ['-c', this.#config, ...args], { env: { PATH: searchPath() } });
    return outcome.stdout + outcome.stderr;
  }

  /** `start-fg` is a shell that waits for master: the signal is for master, by the pid it wrote. */
  async stop(): Promise<void> {
    if (this.#script.ended === undefined) {
      const pid = Number(await readFile(join(this.directory, 'queue/pid/master.pid'), 'utf8'));
      if (pid > 1) process.kill(pid, 'SIGTERM');
      await until('Postfix to stop', () => this.#script.ended !== undefined);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}
