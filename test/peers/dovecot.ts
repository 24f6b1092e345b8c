/** A Dovecot of our own: its authentication, on a socket in a temporary directory. */
import { chmod, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { type Peers, Program, until } from './support.ts';

export interface Dovecot {
  /** The socket of its authentication for clients. */
  readonly socket: string;
  readonly stop: () => Promise<void>;
}

/** Starts one with these users, `name: password`. */
export async function startDovecot(peers: Peers, users: Readonly<Record<string, string>>): Promise<Dovecot> {
  const folder = await peers.folder('dovecot');
  await chmod(folder, 0o755);
  const [base, passwd, file] = ['run', 'passwd', 'dovecot.conf'].map((name) => join(folder, name));
  const lines = Object.entries(users).map(([name, password]) => `${name}:{PLAIN}${password}`);
  await writeFile(passwd ?? '', `${lines.join('\n')}\n`, { mode: 0o644 });
  const configuration = `
base_dir = ${base}
state_dir = ${join(folder, 'state')}
log_path = ${join(folder, 'log')}
protocols =
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
`;
  await writeFile(file ?? '', configuration);
  const program = new Program('dovecot', ['-F', '-c', file ?? '']);
  peers.use({ [Symbol.asyncDispose]: async () => void (await program.stop()) });
  const socket = join(base ?? '', 'auth-client');
  await until('Dovecot', async () => {
    if (program.ended !== undefined) throw new Error(`dovecot: ${program.ended} ${program.stderr.join(' ')}`);
    return (await answers(socket)) || undefined;
  });
  return { socket, stop: async () => void (await program.stop()) };
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
