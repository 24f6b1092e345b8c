/** `posthouse start`. */
import { type AnyEvent, formatHostPort, type Log, type LogFormat, openLog } from '../base/index.ts';
import { type Config, localFiles, localUser } from '../config/index.ts';
import { configChecks, type RelayEvents, renderPostfix, startRelay } from '../relay/index.ts';
import type { Command } from './command.ts';
import { ConfigProblems, configOption, findConfigFile, loadConfiguration } from './configuration.ts';
import { CliError, exitCode } from './exit-code.ts';
import type { Io } from './io.ts';
import { prepareLocalLogin } from './local-login.ts';
import { runtimeFault } from './runtime.ts';

/** A relay that runs, as this command uses it. */
export interface StartedRelay extends AsyncDisposable {
  readonly addresses: readonly { readonly name: string; readonly role: string; readonly address: string }[];
  reload(): Promise<unknown>;
  /** Takes no new mail, lets sessions and attempts come to their end; gives up when `signal` aborts. */
  drain(signal: AbortSignal): Promise<void>;
}

/** The parts that this command starts, so that tests can replace them. */
export interface StartParts {
  readonly openLog: (options: { readonly format: LogFormat }) => Log<AnyEvent> & AsyncDisposable;
  readonly startRelay: (options: {
    readonly config: Config;
    readonly log: Log<AnyEvent> & AsyncDisposable;
    readonly reload: () => Promise<Config>;
  }) => Promise<StartedRelay>;
  /** Makes the files of the local profile. */
  readonly prepareLocal: typeof prepareLocalLogin;
}

/** The time that a drain may take before the rest is cut off; it stays in the spool. */
const drainMs = 30_000;
/** A second signal within this time counts as the same: npm passes on a signal that the terminal has sent already. */
const sameSignalMs = 500;

const realParts: StartParts = { openLog, startRelay, prepareLocal: prepareLocalLogin };

/** `posthouse start`. */
export const start: Command = {
  name: 'start',
  synopsis: '',
  summary: 'Run the relay in the foreground.',
  options: configOption,
  notes: `
When every listener accepts, one line of JSON with event "ready" and the addresses goes to standard output;
the log goes to standard error. SIGHUP reads the configuration again; SIGTERM and SIGINT drain and end with
exit 0, and a second SIGINT does not wait for the drain. Without a configuration the relay runs the local
profile: it listens on the loopback only, and what it takes ends in the capture folder.`,
  arity: { min: 0, max: 0 },
  run: (args, io) => runStart(findConfigFile(io, args.text('config')), io, realParts),
};

/** Runs until it is told to end. `configFile` is `undefined` for the local profile. */
export async function runStart(configFile: string | undefined, io: Io, parts: StartParts): Promise<number> {
  const failure = configFile === undefined ? await localFailure(parts, io) : undefined;
  const load = () => loadConfiguration(io, configFile, configChecks);
  const config = load();
  const { format } = config.logs;
  await using writer = parts.openLog({ format: format === 'syslog-postfix' ? renderPostfix() : format });
  const log: Log<RelayEvents> = writer;
  if (failure !== undefined) log.warn('local-login-unavailable', { because: failure });
  const outdated = runtimeFault(process.versions.node);
  if (outdated !== undefined) log.warn('runtime-outdated', { because: outdated });
  const stopped = stopSignals(io, log);
  const started = Promise.withResolvers<StartedRelay>();
  // A signal during the start would otherwise end the process; it counts once the relay runs.
  io.onSignal('SIGHUP', () => void started.promise.then((running) => running.reload()));
  await using relay = await startOrExplain(parts, {
    config,
    log: writer,
    reload: async () => reloaded(load),
  });
  started.resolve(relay);
  const listeners = relay.addresses.map(({ name, role, address }) => ({ name, role, address }));
  await io.out(`${JSON.stringify({ event: 'ready', pid: process.pid, data: config.data, listeners })}\n`);
  if (configFile === undefined && io.isTerminal.stderr) io.err(localHint(relay, { config, io }));
  await stopped.first;
  log.info('draining');
  await relay.drain(AbortSignal.any([stopped.second, AbortSignal.timeout(drainMs)]));
  return exitCode.ok;
}

/** Why the local profile starts without STARTTLS and logins; mail is taken all the same. */
async function localFailure(parts: StartParts, io: Io): Promise<string | undefined> {
  try {
    await parts.prepareLocal(localFiles(io.folder));
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

interface StopSignals {
  readonly first: Promise<void>;
  /** Aborts at a second signal. */
  readonly second: AbortSignal;
}

function stopSignals(io: Io, log: Log<RelayEvents>): StopSignals {
  const first = Promise.withResolvers<void>();
  const second = new AbortController();
  let firstAt: number | undefined;
  const stop = (signal: string) => {
    const now = performance.now();
    if (firstAt === undefined) {
      firstAt = now;
      log.info('stopping', { signal });
      first.resolve();
    } else if (now - firstAt > sameSignalMs && signal === 'SIGINT') second.abort();
  };
  io.onSignal('SIGTERM', () => stop('SIGTERM'));
  io.onSignal('SIGINT', () => stop('SIGINT'));
  return { first: first.promise, second: second.signal };
}

/** Loads the configuration; throws its problems, one a line, as the relay reports them. */
function reloaded(load: () => Config): Config {
  try {
    return load();
  } catch (error) {
    if (!(error instanceof ConfigProblems)) throw error;
    throw new Error(error.problems.join('\n'), { cause: error });
  }
}

/** Starts the relay, or explains why it does not start, with an exit code for scripts. */
async function startOrExplain(
  parts: StartParts,
  options: Parameters<StartParts['startRelay']>[0],
): Promise<StartedRelay> {
  try {
    return await parts.startRelay(options);
  } catch (error) {
    throw explain(error);
  }
}

interface SystemError extends Error {
  readonly code: string;
  readonly syscall?: string;
  readonly address?: string;
  readonly port?: number;
}

function explain(error: unknown): unknown {
  const found = systemError(error);
  if (found === undefined) return error;
  const where = found.port === undefined ? 'a listener' : formatHostPort(found.address ?? '', found.port);
  const cause = { cause: error };
  switch (found.code) {
    case 'EADDRINUSE':
      return new CliError(exitCode.unavailable, `${where} is in use by another program`, cause);
    case 'EADDRNOTAVAIL':
      return new CliError(exitCode.config, `${where} is no address of this machine`, cause);
    case 'EACCES':
    case 'EPERM':
      return new CliError(exitCode.noPerm, noPermission(found, where), cause);
    case 'in-use':
    case 'locked':
      return new CliError(
        exitCode.unavailable,
        `another relay uses the data folder: ${found.message}`,
        cause,
      );
    case 'corrupt':
      return new CliError(exitCode.ioErr, `${found.message}: see "posthouse queue salvage"`, cause);
    default:
      // The system's own words name the call and the path: `ENOTDIR: not a directory, mkdir '/etc/passwd/spool'`.
      return found.syscall === undefined ? error : new CliError(exitCode.cantCreate, found.message, cause);
  }
}

function noPermission(error: SystemError, where: string): string {
  if (error.port === undefined) return `no permission: ${error.message}`;
  if (error.port >= 1024) return `no permission to listen at ${where}`;
  return `no permission to listen at ${where}: start as root with "user:", or grant CAP_NET_BIND_SERVICE`;
}

function systemError(error: unknown): SystemError | undefined {
  for (let at = error; at instanceof Error; at = at.cause) {
    if ('code' in at && typeof at.code === 'string') return at as SystemError;
  }
  return undefined;
}

/** The next steps for a user who has just started the local profile. */
function localHint(
  relay: StartedRelay,
  { config, io }: { readonly config: Config; readonly io: Io },
): string {
  const address = relay.addresses[0]?.address ?? '127.0.0.1:2525';
  // In a clone the command is a script of the package.
  const posthouse = io.env.npm_lifecycle_event === undefined ? 'posthouse' : 'npm run -s posthouse --';
  const login = relay.addresses.find(({ role }) => role === 'submission');
  const password =
    login === undefined
      ? ''
      : `  with a login:           ${localUser} at ${login.address}, STARTTLS, password in ${localFiles(io.folder).password}\n`;
  return `
Posthouse runs the local profile: it takes mail from this machine at ${address},
and nothing leaves it. Every message ends in ${config.capture.folder}.

  send a first message:   ${posthouse} send --to you@example.org --subject Hello
${password}  a real role:            ${posthouse} init mx   (or smarthost-client)
  stop:                   Ctrl-C

`;
}
