/** An rspamd of our own on loopback: no Redis, no DNS, nothing but the modules that a test asks for. */
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { freePort, type Outcome, type Peers, Program, run, until } from './support.ts';

export interface Rspamd extends AsyncDisposable {
  /** Symbols that a message gets, each with what stands in brackets behind it. */
  scan(text: string): Promise<readonly string[]>;
  /** A command of the controller, such as `fuzzy_add`. */
  control(args: readonly string[], text: string): Promise<Outcome>;
}

/** Starts one with this configuration of modules. */
export async function startRspamd(peers: Peers, modules: string): Promise<Rspamd> {
  const folder = await peers.folder('rspamd');
  await mkdir(join(folder, 'state'));
  await chmod(folder, 0o755);
  const [scanPort, controlPort] = [await freePort(), await freePort()];
  const configuration = `
options {
  filters = "fuzzy_check";
  tempdir = "${folder}/state"; hs_cache_dir = "${folder}/state"; dynamic_conf = "${folder}/state/dynamic";
  control_socket = "${folder}/state/control.sock mode=0600";
  pidfile = "${folder}/rspamd.pid"; history_file = ""; rrd = ""; local_addrs = [];
  dns { nameserver = ["127.0.0.1:1"]; timeout = 1s; retransmits = 1; }
}
logging { type = "console"; level = "info"; }
lua = "/usr/share/rspamd/rules/rspamd.lua"
modules { path = "/usr/share/rspamd/plugins/"; }
worker "normal" { bind_socket = "127.0.0.1:${scanPort}"; count = 1; }
worker "controller" {
  bind_socket = "127.0.0.1:${controlPort}"; password = "q1"; enable_password = "q1"; secure_ip = ["127.0.0.1"]; count = 1;
}
actions { reject = 1000; }
${modules}
`;
  const file = join(folder, 'rspamd.conf');
  await writeFile(file, configuration);
  const program = new Program('rspamd', ['-f', '-i', '-c', file]);
  const rspamc = (port: number, args: readonly string[], text: string) =>
    run('rspamc', ['-h', `127.0.0.1:${port}`, ...args], { input: text });
  await until(
    'rspamd answers',
    async () => (await rspamc(scanPort, [], 'Subject: x\n\nx\n')).stdout.includes('Metric'),
    60_000,
  );
  return {
    async scan(text) {
      const { stdout } = await rspamc(scanPort, [], text);
      return stdout.split('\n').flatMap((line) => (line.startsWith('Symbol: ') ? [line.slice(8)] : []));
    },
    control: ([command = '', ...args], text) => rspamc(controlPort, ['-P', 'q1', ...args, command], text),
    async [Symbol.asyncDispose]() {
      await program[Symbol.asyncDispose]();
    },
  };
}
