/** A Posthouse of our own: the real command, a generated configuration, its data in a temporary directory. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import packageFacts from '../../package.json' with { type: 'json' };
import { Program, run } from './program.ts';

/** The configuration as a value; JSON is YAML, so it is written as it is. */
export type Configuration = Readonly<Record<string, unknown>>;

export interface PosthouseOptions {
  /** An empty folder for the configuration, the data and the log. */
  readonly directory: string;
  /** Over the defaults: one `mx` listener on port 0, data in the folder, JSON logs. */
  readonly configuration?: Configuration;
  readonly nodeArguments?: readonly string[];
  /** A wrapper to start it under (for accounting or a network namespace), to which the command is appended. */
  readonly under?: readonly string[];
  readonly readyWithinMs?: number;
  /** The folder of another build, to compare with. */
  readonly build?: string;
}

/** A line of the log; only what every line has is typed. */
export type LogLine = Readonly<Record<string, unknown>>;

const main = resolve(import.meta.dirname, '../../src/cli/main.ts');
/** The flags that people start it with. */
function flagsOf({ scripts }: Pick<typeof packageFacts, 'scripts'>): readonly string[] {
  return scripts.posthouse.split(' ').filter((word) => word.startsWith('--'));
}

/** Another build may have other ones. */
async function flagsOfBuild(folder: string): Promise<readonly string[]> {
  return flagsOf(JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')));
}

/** True for a value with keys. */
function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

function parseLine(line: string): LogLine | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return isRecord(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** A running relay. */
export class Posthouse implements AsyncDisposable {
  readonly #program: Program;
  readonly directory: string;
  readonly configFile: string;
  #ports = new Map<string, number>();

  readonly #main: string;

  constructor(
    program: Program,
    main: string,
    { directory, configFile }: Pick<Posthouse, 'directory' | 'configFile'>,
  ) {
    this.#program = program;
    this.#main = main;
    this.directory = directory;
    this.configFile = configFile;
  }

  get pid(): number {
    return this.#program.pid;
  }

  /** The port of the first listener of that role. */
  port(role = 'mx'): number {
    const port = this.#ports.get(role);
    if (port === undefined) throw new Error(`no ${role} listener: ${[...this.#ports.keys()].join(', ')}`);
    return port;
  }

  /** Waits for the `ready` line and notes the bound ports. */
  async ready(withinMs: number): Promise<void> {
    const line = await this.#program.line((text) => parseLine(text)?.event === 'ready', {
      timeoutMs: withinMs,
    });
    const listeners = parseLine(line)?.listeners;
    for (const listener of Array.isArray(listeners) ? listeners : []) {
      if (!isRecord(listener)) continue;
      const { role, address } = listener;
      const port = Number(String(address).split(':').at(-1));
      if (typeof role === 'string' && port > 0 && !this.#ports.has(role)) this.#ports.set(role, port);
    }
  }

  /** The log so far (empty when it goes to a file). */
  log(): readonly LogLine[] {
    return this.#program.stderr.map(parseLine).filter((line) => line !== undefined);
  }

  /** Log lines about a recipient, oldest first, that have a `status`. */
  statuses(recipient: string): readonly LogLine[] {
    return this.log().filter(
      (line) => typeof line.status === 'string' && JSON.stringify(line.to ?? '').includes(recipient),
    );
  }

  /** Runs a command of the package with this configuration: `queue flush` and the like. */
  command(...args: readonly string[]): Promise<string> {
    return this.input('', ...args);
  }

  /** The same with something on standard input. */
  async input(text: string, ...args: readonly string[]): Promise<string> {
    const outcome = await run(process.execPath, [this.#main, ...args, '--config', this.configFile], {
      input: text,
    });
    if (outcome.code !== 0)
      throw new Error(`posthouse ${args.join(' ')}: ${outcome.stderr}${outcome.stdout}`);
    return outcome.stdout;
  }

  /** Sends a signal and waits for the line of standard output that answers it. */
  async tell(name: NodeJS.Signals, answer: RegExp): Promise<RegExpExecArray> {
    const from = this.#program.stdout.length;
    this.#program.signal(name);
    const line = await this.#program.line((text) => answer.test(text), { from });
    const match = answer.exec(line);
    if (match === null) throw new Error(`"${line}" is no answer to ${name}`);
    return match;
  }

  /** SIGTERM and wait; gives how it ended (`exit 0`). */
  async stop(): Promise<string> {
    return await this.#program.stop(30_000);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

/** Starts a relay and waits until every listener accepts. */
export async function startPosthouse(options: PosthouseOptions): Promise<Posthouse> {
  const { directory } = options;
  await mkdir(join(directory, 'data'), { recursive: true });
  const configFile = join(directory, 'posthouse.yaml');
  const configuration = {
    hostname: 'posthouse.test',
    postmaster: 'postmaster@posthouse.test',
    data: join(directory, 'data'),
    listeners: [{ role: 'mx', address: '127.0.0.1:0' }],
    logs: { format: 'json' },
    ...options.configuration,
  };
  await writeFile(configFile, `${JSON.stringify(configuration, null, 2)}\n`);
  const entry = options.build === undefined ? main : join(options.build, 'src/cli/main.ts');
  const command = [
    process.execPath,
    ...(options.build === undefined ? flagsOf(packageFacts) : await flagsOfBuild(options.build)),
    ...(options.nodeArguments ?? []),
    entry,
    'start',
    '--config',
    configFile,
  ];
  const [program = '', ...args] = [...(options.under ?? []), ...command];
  const posthouse = new Posthouse(new Program(program, args, { cwd: directory }), entry, {
    directory,
    configFile,
  });
  try {
    await posthouse.ready(options.readyWithinMs ?? 30_000);
  } catch (error) {
    await posthouse.stop();
    throw error;
  }
  return posthouse;
}
