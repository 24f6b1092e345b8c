/** A Dovecot of our own: its authentication on a socket, and on request its POP3, in a temporary directory. */
import { chmod, chown, mkdir, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { type Peers, Program, until } from './support.ts';

/** The services of a Dovecot besides authentication. */
export interface DovecotServices {
  /** Where it serves POP3, in clear; the Maildirs are in `mail` of its folder. */
  readonly pop3Port?: number;
  /** More of its configuration. */
  readonly configuration?: string;
  /** A wrapper to start it under, for a network namespace. */
  readonly under?: readonly string[];
}

export interface Dovecot {
  readonly folder: string;
  /** The socket of its authentication for clients. */
  readonly socket: string;
  readonly stop: () => Promise<void>;
}

/** Starts one with these users, `name: password`. */
export async function startDovecot(
  peers: Peers,
  users: Readonly<Record<string, string>>,
  { pop3Port, configuration: more = '', under = [] }: DovecotServices = {},
): Promise<Dovecot> {
  const folder = await peers.folder('dovecot');
  await chmod(folder, 0o755);
  const [base, passwd, file] = ['run', 'passwd', 'dovecot.conf'].map((name) => join(folder, name));
  const lines = Object.entries(users).map(([name, password]) => `${name}:{PLAIN}${password}`);
  await writeFile(passwd ?? '', `${lines.join('\n')}\n`, { mode: 0o644 });
  const configuration = `
base_dir = ${base}
state_dir = ${join(folder, 'state')}
log_path = ${join(folder, 'log')}
protocols = ${pop3Port === undefined ? '' : 'pop3'}
ssl = no
disable_plaintext_auth = no
auth_mechanisms = plain login scram-sha-256
auth_failure_delay = 0
passdb {
  driver = passwd-file
  args = username_format=%u ${passwd}
}
userdb {
  driver = static
  args = uid=65534 gid=65534 home=/nonexistent
}
service auth {
  unix_listener auth-client {
    mode = 0666
  }
}
${pop3Port === undefined ? '' : pop3(folder, pop3Port)}
${more}
`;
  // Its mail belongs to nobody.
  const mail = join(folder, 'mail');
  await mkdir(mail);
  await chown(mail, 65_534, 65_534);
  await writeFile(file ?? '', configuration);
  const [command = '', ...args] = [...under, 'dovecot'];
  const program = new Program(command, [...args, '-F', '-c', file ?? '']);
  peers.use({ [Symbol.asyncDispose]: async () => void (await program.stop()) });
  const socket = join(base ?? '', 'auth-client');
  await until('Dovecot', async () => {
    if (program.ended !== undefined) throw new Error(`dovecot: ${program.ended} ${program.stderr.join(' ')}`);
    return (await answers(socket)) || undefined;
  });
  return { folder, socket, stop: async () => void (await program.stop()) };
}

function pop3(folder: string, port: number): string {
  return `
mail_location = maildir:${folder}/mail/%u
service pop3-login {
  inet_listener pop3 {
    address = 127.0.0.1
    port = ${port}
  }
}
`;
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ path });
    socket.on('data', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
}
