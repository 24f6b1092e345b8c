/**
 * The foundation of the peer tests. `peerTest` gives each test a directory of its own and starts peers that are
 * stopped when it ends; it skips loudly when a peer is not installed, and fails instead where PEERS_REQUIRED is set.
 */
import { chmod, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type Postfix, startPostfix } from './postfix.ts';
import { type Configuration, type Posthouse, startPosthouse } from './posthouse.ts';
import { freePort, isInstalled, Program, run, until } from './program.ts';

export { Dialogue, submit, Tap } from './dialogue.ts';
export type { Postfix } from './postfix.ts';
export type { Posthouse } from './posthouse.ts';
export { freePort, isInstalled, type Outcome, Program, run, searchPath, until } from './program.ts';

/** A certificate for localhost and 127.0.0.1 that is its own authority. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

/** A transaction as smtp-sink wrote it down. Lines end in LF. */
export interface Captured {
  /** The arguments of MAIL, `<a@b> SIZE=…`. */
  readonly mail: string;
  readonly rcpts: readonly string[];
  readonly message: string;
}

/** Postfix's smtp-sink with a folder of what it was given. */
export class SmtpSink implements AsyncDisposable {
  readonly port: number;
  readonly #program: Program;
  readonly #folder: string;

  constructor(program: Program, port: number, folder: string) {
    this.#program = program;
    this.port = port;
    this.#folder = folder;
  }

  /** Every complete transaction, in no order. */
  async captured(): Promise<readonly Captured[]> {
    const found: Captured[] = [];
    for (const name of await readdir(this.#folder)) {
      // A file that is still being written does not end in the empty line.
      const text = await readFile(join(this.#folder, name), 'latin1').catch(() => '');
      const match = /^Received: .*\n(?:[ \t].*\n)*/m.exec(text);
      if (match === null || !text.endsWith('\n\n')) continue;
      const head = text.slice(0, match.index);
      found.push({
        mail: /^X-Mail-Args: (.*)$/m.exec(head)?.[1] ?? '',
        rcpts: [...head.matchAll(/^X-Rcpt-Args: (.*)$/gm)].map((one) => one[1] ?? ''),
        message: text.slice(match.index + match[0].length, -1),
      });
    }
    return found;
  }

  /** Waits until `count` transactions for `recipient` (part of an address) are there. */
  async received(recipient: string, count = 1, timeoutMs = 20_000): Promise<readonly Captured[]> {
    return await until(
      `${count} messages to ${recipient}`,
      async () => {
        const found = (await this.captured()).filter((one) => one.rcpts.some((to) => to.includes(recipient)));
        return found.length >= count ? found : undefined;
      },
      timeoutMs,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#program.stop();
  }
}

/** The peers of one test. What is started here is stopped when the test ends, the last one first. */
export class Peers implements AsyncDisposable {
  readonly directory: string;
  readonly #started = new AsyncDisposableStack();
  readonly #logs: (() => Promise<string>)[] = [];
  readonly #postfixes: Postfix[] = [];

  constructor(directory: string) {
    this.directory = directory;
  }

  /** Hands over the end of anything else. */
  use<T extends AsyncDisposable>(value: T): T {
    return this.#started.use(value);
  }

  /** A new folder of that name, searchable by all. */
  async folder(name: string): Promise<string> {
    const folder = await mkdtemp(join(this.directory, `${name}-`));
    await chmod(folder, 0o755);
    return folder;
  }

  async postfix(
    settings: Readonly<Record<string, string>> = {},
    files: Readonly<Record<string, string>> = {},
  ): Promise<Postfix> {
    const directory = await this.folder('postfix');
    const postfix = this.use(await startPostfix({ directory, port: await freePort(), settings, files }));
    this.#logs.push(() => postfix.log());
    this.#postfixes.push(postfix);
    return postfix;
  }

  /** A Posthouse that relays for loopback unless the configuration says otherwise, and retries quickly. */
  async posthouse(configuration: Configuration = {}, under: readonly string[] = []): Promise<Posthouse> {
    const posthouse = await startPosthouse({
      directory: await this.folder('posthouse'),
      under,
      configuration: {
        relay: { networks: ['127.0.0.0/8'] },
        queue: { retry: { min: '1s', max: '2s' } },
        ...configuration,
      },
    });
    this.#logs.push(async () =>
      posthouse
        .log()
        .map((line) => JSON.stringify(line))
        .join('\n'),
    );
    return this.use(posthouse);
  }

  /** smtp-sink with options such as `-r RCPT`; `port` to take the place of another that was stopped. */
  async sink(options: readonly string[] = [], port?: number): Promise<SmtpSink> {
    const folder = await this.folder('sink');
    // It gives up root, and has to write there.
    await chmod(folder, 0o777);
    const at = port ?? (await freePort());
    const args = ['-u', 'nobody', '-d', join(folder, '%s.'), ...options, `inet:127.0.0.1:${at}`, '200'];
    const program = new Program('smtp-sink', args);
    const sink = this.use(new SmtpSink(program, at, folder));
    await until('smtp-sink', async () => {
      if (program.ended !== undefined)
        throw new Error(`smtp-sink: ${program.ended} ${program.stderr.join(' ')}`);
      return (await readFile('/proc/net/tcp', 'utf8')).includes(
        `0100007F:${at.toString(16).toUpperCase().padStart(4, '0')} 00000000:0000 0A`,
      );
    });
    return sink;
  }

  /** A Postfix that keeps what it gets in a Maildir, whoever it is for. */
  async mailbox(
    settings: Readonly<Record<string, string>> = {},
    files: Readonly<Record<string, string>> = {},
  ): Promise<{ readonly postfix: Postfix; readonly maildir: string }> {
    const base = await this.folder('mail');
    await chmod(base, 0o777);
    const postfix = await this.postfix(
      {
        virtual_mailbox_domains: 'static:all',
        virtual_mailbox_base: base,
        virtual_mailbox_maps: 'static:box/',
        virtual_uid_maps: 'static:65534',
        virtual_gid_maps: 'static:65534',
        virtual_mailbox_limit: '0',
        message_size_limit: '60000000',
        ...settings,
      },
      files,
    );
    return { postfix, maildir: join(base, 'box') };
  }

  async certificate(): Promise<Certificate> {
    const folder = await this.folder('tls');
    const [cert, key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
    const outcome = await run('openssl', [
      ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'],
      ...['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'],
      ...['-keyout', key, '-out', cert],
    ]);
    if (outcome.code !== 0) throw new Error(`openssl: ${outcome.stderr}`);
    return { cert, key };
  }

  /** The end of every log, for a test that failed. */
  async logs(): Promise<string> {
    const texts = await Promise.all(this.#logs.map((read) => read()));
    return texts.map((text) => text.split('\n').slice(-40).join('\n')).join('\n----\n');
  }

  /** The complaints of each Postfix, for the error of a test that failed. */
  async complaints(): Promise<string> {
    const texts = await Promise.all(this.#postfixes.map((postfix) => postfix.log()));
    const lines = texts.join('').split('\n');
    return lines.filter((line) => /warning|fatal|panic|status=(?!sent)/.test(line)).join('\n');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#started.disposeAsync();
    await rm(this.directory, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** The files of a Maildir's `new`, as they are on disk; none when it is not there yet. */
export async function readMaildir(maildir: string): Promise<readonly Buffer[]> {
  const names = await readdir(join(maildir, 'new')).catch(() => []);
  return await Promise.all(names.map((name) => readFile(join(maildir, 'new', name))));
}

/** The needs that the machine lacks: commands, or `root`. */
export function missing(needs: readonly string[]): readonly string[] {
  return needs.filter((need) => (need === 'root' ? process.getuid?.() !== 0 : !isInstalled(need)));
}

/** A test with peers. `needs` are commands in PATH (the administrator's folders included), or `root`. */
export function peerTest(
  name: string,
  needs: readonly string[],
  body: (peers: Peers, context: TestContext) => Promise<void>,
): void {
  test(name, { timeout: 180_000 }, async (context) => {
    const absent = missing(needs);
    if (absent.length > 0) {
      const why = `not on this machine: ${absent.join(', ')}`;
      if (process.env.PEERS_REQUIRED) throw new Error(why);
      context.skip(why);
      return;
    }
    const directory = await mkdtemp(join(tmpdir(), 'posthouse-peers-'));
    await chmod(directory, 0o755);
    await using peers = new Peers(directory);
    try {
      await body(peers, context);
    } catch (error) {
      context.diagnostic(await peers.logs());
      const complaints = await peers.complaints();
      if (complaints === '' || !(error instanceof Error)) throw error;
      throw new Error(`${error.message}; Postfix says: ${complaints}`, { cause: error });
    }
  });
}

/** A message of one line of text, CRLF. */
export function simpleMessage(subject: string): Buffer {
  return Buffer.from(`From: a@client.test\r\nTo: b@peer.test\r\nSubject: ${subject}\r\n\r\nHello.\r\n`);
}
