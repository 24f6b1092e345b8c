/** The table of commands, and the call of the command that the arguments name. */
import { ControlError, type ControlErrorCode } from '../admin/index.ts';
import { harmlessText, nearest, packageVersion } from '../base/index.ts';
import { type Command, runCommand } from './command.ts';
import { CliError, type ExitCode, exitCode } from './exit-code.ts';
import { harmlessIo, type Io } from './io.ts';

/** Each command is loaded only when it is called, because starting fast matters to `sendmail`. */
const commands: Readonly<Record<string, () => Promise<Command>>> = {
  start: async () => (await import('./start.ts')).start,
  check: async () => (await import('./check.ts')).check,
  init: async () => (await import('./init.ts')).init,
  explain: async () => (await import('./explain.ts')).explain,
  audit: async () => (await import('./audit.ts')).audit,
  probe: async () => (await import('./probe.ts')).probe,
  reload: async () => (await import('./reload.ts')).reload,
  status: async () => (await import('./status.ts')).status,
  send: async () => (await import('./send.ts')).send,
  'guard list': async () => (await import('./guard.ts')).guardList,
  'guard show': async () => (await import('./guard.ts')).guardShow,
  'guard release': async () => (await import('./guard.ts')).guardDecision('release'),
  'guard remove': async () => (await import('./guard.ts')).guardDecision('remove'),
  'guard allow': async () => (await import('./guard.ts')).guardAllow,
  'guard disallow': async () => (await import('./guard.ts')).guardDisallow,
  'session list': async () => (await import('./session.ts')).sessionList,
  'session close': async () => (await import('./session.ts')).sessionClose,
  'pop-before-smtp list': async () => (await import('./pop-before-smtp.ts')).popBeforeSmtpList,
  'pop-before-smtp revoke': async () => (await import('./pop-before-smtp.ts')).popBeforeSmtpRevoke,
  'clearinghouse status': async () => (await import('./clearinghouse.ts')).clearinghouseStatus,
  'clearinghouse check': async () => (await import('./clearinghouse.ts')).clearinghouseAsk('check'),
  'clearinghouse report': async () => (await import('./clearinghouse.ts')).clearinghouseAsk('report'),
  'clearinghouse revoke': async () => (await import('./clearinghouse.ts')).clearinghouseAsk('revoke'),
  'clearinghouse allow': async () => (await import('./clearinghouse.ts')).clearinghouseAsk('allow'),
  'clearinghouse learn': async () => (await import('./clearinghouse-learn.ts')).clearinghouseLearn,
  'clearinghouse disallow': async () => (await import('./clearinghouse.ts')).clearinghouseAsk('disallow'),
  'trap list': async () => (await import('./trap.ts')).trapList,
  'trap show': async () => (await import('./trap.ts')).trapShow,
  'user add': async () => (await import('./user.ts')).userAdd,
  'user list': async () => (await import('./user.ts')).userList,
  'user passwd': async () => (await import('./user.ts')).userPasswd,
  'user device': async () => (await import('./user.ts')).userDevice,
  'user disable': async () => (await import('./user.ts')).userDisable,
  'user remove': async () => (await import('./user.ts')).userRemove,
  'queue list': async () => (await import('./queue-list.ts')).queueList,
  'queue show': async () => (await import('./queue-show.ts')).queueShow,
  'queue hold': async () => (await import('./queue-change.ts')).queueChange('hold'),
  'queue release': async () => (await import('./queue-change.ts')).queueChange('release'),
  'queue flush': async () => (await import('./queue-change.ts')).queueChange('flush'),
  'queue remove': async () => (await import('./queue-change.ts')).queueChange('remove'),
  'queue bounce': async () => (await import('./queue-change.ts')).queueChange('bounce'),
  'queue redirect': async () => (await import('./queue-change.ts')).queueChange('redirect'),
  'queue shape': async () => (await import('./queue-shape.ts')).queueShape,
  'queue verify': async () => (await import('./queue-repair.ts')).queueVerify,
  'queue salvage': async () => (await import('./queue-repair.ts')).queueSalvage,
};

/** Former names of commands, or of their first words: they work, and no help shows them. */
const formerNames: Readonly<Record<string, string>> = { windows: 'pop-before-smtp' };

/** Links by which other programs call us. */
const links: Readonly<Record<string, readonly string[]>> = {
  sendmail: [],
  mailq: ['-bp'],
  newaliases: ['-bi'],
};

/**
 * Runs the command that `argv` names (the words after the program) and resolves with its exit code.
 * `calledAs` is the name of the program. Never rejects: this is where errors become words and codes.
 */
export async function dispatch(argv: readonly string[], given: Io, calledAs = 'posthouse'): Promise<number> {
  const io = harmlessIo(given);
  try {
    const link = Object.hasOwn(links, calledAs) ? links[calledAs] : undefined;
    if (link !== undefined) return await runSendmailLink([...link, ...argv], io);
    const [word, ...rest] = argv;
    const first = word !== undefined && Object.hasOwn(formerNames, word) ? formerNames[word] : word;
    if (first === 'help' && rest.length > 0) return await dispatch([...rest, '--help'], io);
    if (first === 'sendmail') return await runSendmailLink(rest, io);
    if (first === undefined || first === '--help' || first === '-h' || first === 'help')
      return await help('', io);
    if (first === '--version') return await printVersion(io);
    return await runNamed(first, rest, io);
  } catch (error) {
    const { code, message } = explain(error);
    // The message may quote a peer or a damaged file.
    const lines = message.split('\n').map(harmlessText);
    io.err(`${Object.hasOwn(links, calledAs) ? calledAs : 'posthouse'}: ${lines.join('\n')}\n`);
    return code;
  }
}

async function runSendmailLink(argv: readonly string[], io: Io): Promise<number> {
  return (await import('./sendmail-command.ts')).sendmailCommand(argv, io);
}

async function runNamed(first: string, rest: readonly string[], io: Io): Promise<number> {
  const isGroup = Object.keys(commands).some((name) => name.startsWith(`${first} `));
  const [second, ...others] = rest;
  if (isGroup && (second === undefined || second.startsWith('-'))) {
    const asked = second === '--help' || second === '-h';
    if (asked) return help(`${first} `, io);
    throw new CliError(exitCode.usage, `"${first}" needs a subcommand: see "posthouse ${first} --help"`);
  }
  const name = isGroup ? `${first} ${second}` : first;
  const load = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (load === undefined) throw unknown(name);
  return runCommand(await load(), isGroup ? others : rest, io);
}

function unknown(name: string): CliError {
  const near = nearest(name, [...Object.keys(commands), 'sendmail']);
  const hint = near === undefined ? 'see "posthouse --help"' : `did you mean "posthouse ${near}"?`;
  return new CliError(exitCode.usage, `unknown command "${name}": ${hint}`);
}

async function help(prefix: string, io: Io): Promise<number> {
  const rows: [string, string][] = [];
  for (const [name, load] of Object.entries(commands)) {
    if (name.startsWith(prefix)) rows.push([name, (await load()).summary]);
  }
  if (prefix === '') rows.push(['sendmail', 'Take a message on standard input, as sendmail(1) does.']);
  const width = Math.max(...rows.map(([name]) => name.length));
  const lines = rows.map(([name, summary]) => `  ${name.padEnd(width)}  ${summary}\n`).join('');
  await io.out(
    `usage: posthouse ${prefix}COMMAND [options]\n\n${lines}\n"posthouse COMMAND --help" tells more.\n`,
  );
  return exitCode.ok;
}

async function printVersion(io: Io): Promise<number> {
  await io.out(`posthouse ${packageVersion()}\n`);
  return exitCode.ok;
}

const controlCodes: Readonly<Record<ControlErrorCode, ExitCode>> = {
  'bad-request': exitCode.usage,
  'too-large': exitCode.dataErr,
  'not-found': exitCode.noInput,
  'no-user': exitCode.noUser,
  failed: exitCode.software,
  storage: exitCode.tempFail,
  unavailable: exitCode.unavailable,
  denied: exitCode.noPerm,
  'in-use': exitCode.unavailable,
};

function explain(error: unknown): { readonly code: ExitCode; readonly message: string } {
  if (error instanceof CliError) return { code: error.code, message: error.message };
  if (error instanceof ControlError) return { code: controlCodes[error.code], message: error.message };
  const details = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return { code: exitCode.software, message: `unexpected error: ${details}` };
}
