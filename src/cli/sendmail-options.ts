/** Parses the arguments of sendmail(1). */
import type { Notify } from '../mail/index.ts';
import type { Selector } from '../operation/commands.ts';
import { CliError, exitCode } from './exit-code.ts';

/** The arguments of one call of sendmail(1), parsed. */
export interface SendmailOptions {
  readonly mode: 'deliver' | 'smtp' | 'list-queue' | 'flush-queue' | 'aliases' | 'nothing';
  /** Address lists: each may name several. */
  readonly recipients: readonly string[];
  /** `-t`: take the recipients of the header too. */
  readonly readsHeader: boolean;
  /** A line that is just a dot ends the message. */
  readonly dotEnds: boolean;
  /** `-f`, an address list; empty for the null reverse-path. */
  readonly from?: string;
  readonly fullName?: string;
  readonly body: '7bit' | '8bitmime';
  readonly notify?: Notify;
  readonly ret?: 'full' | 'hdrs';
  readonly envid?: string;
  readonly isVerbose: boolean;
  /** `-G`: the message comes from elsewhere, and names without a domain are not ours. */
  readonly isGateway: boolean;
  /** `-qI` and `-qR`: a queue id, or a domain; else everything. */
  readonly flush?: Selector;
  /** Ignored arguments, as warnings for the user. */
  readonly warnings: readonly string[];
  /** `-C`: the configuration file. */
  readonly configFile?: string;
}

type Draft = {
  -readonly [K in keyof Omit<SendmailOptions, 'recipients' | 'warnings'>]: SendmailOptions[K];
} & { recipients: string[]; warnings: string[] };

/** Takes the value of an option; an option without a value ignores it. */
type Take = (draft: Draft, value: string) => void;

const ignore: Take = () => {};

/** Switches, which may stand together: `-it`. */
const switches: Readonly<Record<string, Take>> = {
  i: (draft) => {
    draft.dotEnds = false;
  },
  t: (draft) => {
    draft.readsHeader = true;
  },
  v: (draft) => {
    draft.isVerbose = true;
  },
  G: (draft) => {
    draft.isGateway = true;
  },
  I: (draft) => {
    draft.mode = 'aliases';
  },
  U: ignore,
  m: ignore,
  n: ignore,
  x: ignore,
};

/** Options with a value, attached or as the next argument. */
const valued: Readonly<Record<string, Take>> = {
  A: ignore,
  B: takeBody,
  b: takeMode,
  C: (draft, value) => {
    draft.configFile = value;
  },
  e: ignore,
  F: (draft, value) => {
    draft.fullName = value;
  },
  f: takeFrom,
  h: ignore,
  L: ignore,
  N: takeNotify,
  O: takeLongOption,
  o: takeShortOption,
  p: ignore,
  R: takeRet,
  r: takeFrom,
  V: takeEnvid,
  X: takeTraffic,
};

/** Options whose value, if any, is attached: `-q`, `-q30m`, `-d8`. */
const attached: Readonly<Record<string, Take>> = {
  d: ignore,
  q: takeQueue,
};

/**
 * Parses the arguments of sendmail(1) as programs write them: switches together, values attached or apart, `-oX`
 * settings, options before and after the recipients; everything after `--` is an address. An unsupported option that
 * changes the meaning of the call is an error; one that only tunes another implementation is ignored, as Postfix does.
 * Throws `CliError` `usage`.
 */
export function parseSendmail(argv: readonly string[]): SendmailOptions {
  const draft: Draft = {
    mode: 'deliver',
    recipients: [],
    readsHeader: false,
    dotEnds: true,
    body: '8bitmime',
    isVerbose: false,
    isGateway: false,
    warnings: [],
  };
  for (let index = 0; index < argv.length; ) {
    const word = argv[index] ?? '';
    index++;
    if (word === '--') {
      draft.recipients.push(...argv.slice(index));
      break;
    }
    if (!word.startsWith('-') || word === '-') draft.recipients.push(word);
    else if (takeWord(draft, word, argv[index])) index++;
  }
  if (draft.mode !== 'deliver' && (draft.recipients.length > 0 || draft.readsHeader))
    throw problem('recipients are for the sending of a message only');
  return draft;
}

/** Takes one argument of options. Returns true when its value was the next argument. */
function takeWord(draft: Draft, word: string, next: string | undefined): boolean {
  for (let at = 1; at < word.length; at++) {
    const letter = word[at] ?? '';
    const rest = word.slice(at + 1);
    const takeAttached = attached[letter];
    if (takeAttached !== undefined) {
      takeAttached(draft, rest);
      return false;
    }
    const takeValue = valued[letter];
    if (takeValue !== undefined) {
      if (rest === '' && next === undefined) throw problem(`option -${letter} needs a value`);
      takeValue(draft, rest === '' ? (next ?? '') : rest);
      return rest === '';
    }
    const takeSwitch = switches[letter];
    if (takeSwitch === undefined) throw problem(`unknown option -${letter}`);
    takeSwitch(draft, '');
  }
  return false;
}

const modes: Readonly<Record<string, SendmailOptions['mode']>> = {
  h: 'nothing',
  H: 'nothing',
  m: 'deliver',
  s: 'smtp',
  p: 'list-queue',
  i: 'aliases',
};

function takeMode(draft: Draft, value: string): void {
  if (/^[dDl]$/.test(value)) throw unsupported(`-b${value}`, 'start the relay with "posthouse start"');
  if (value === 'v') throw unsupported('-bv', 'use "posthouse explain --to ADDRESS"');
  const mode = Object.hasOwn(modes, value) ? modes[value] : undefined;
  if (mode === undefined) throw unsupported(`-b${value}`, 'modes are -bm, -bs, -bp and -bi');
  draft.mode = mode;
}

/** `-q30m` is the clock of a daemon, which the relay has itself. */
function takeQueue(draft: Draft, value: string): void {
  const kind = value.slice(0, 1);
  const name = value.slice(1);
  if (/^\d/.test(value)) {
    if (draft.mode === 'deliver') draft.mode = 'nothing';
    return;
  }
  if (value !== '' && kind !== 'I' && kind !== 'R')
    throw unsupported(`-q${value}`, 'use "posthouse queue flush" with a selector');
  if (value !== '' && name === '')
    throw problem(`-q${kind} needs ${kind === 'I' ? 'a queue id' : 'a domain'}`);
  draft.mode = 'flush-queue';
  if (kind === 'I') draft.flush = { ids: [name.slice(0, 32).toUpperCase()] };
  if (kind === 'R') draft.flush = { match: { to: name } };
}

function takeFrom(draft: Draft, value: string): void {
  draft.from = value.replace(/^\s*<([^<>]*)>\s*$/, '$1');
}

/** A traffic file would be for debugging; `-XV` asks for a sender for each recipient. */
function takeTraffic(_draft: Draft, value: string): void {
  if (value.startsWith('V')) throw unsupported(`-X${value}`, 'a sender for each recipient is not made here');
}

function takeBody(draft: Draft, value: string): void {
  const body = value.toLowerCase();
  if (body !== '7bit' && body !== '8bitmime') throw problem(`-B takes 7BIT or 8BITMIME, not "${value}"`);
  draft.body = body;
}

function takeNotify(draft: Draft, value: string): void {
  const words = value.toLowerCase().split(',');
  const events = words.filter((word) => word === 'success' || word === 'failure' || word === 'delay');
  if (words.length === 1 && words[0] === 'never') draft.notify = 'never';
  else if (events.length === words.length) draft.notify = [...new Set(events)];
  else
    draft.warnings.push(`-N takes never, or success, failure and delay with commas: "${value}" is ignored`);
}

function takeRet(draft: Draft, value: string): void {
  const ret = value.toLowerCase();
  if (ret === 'full' || ret === 'hdrs') draft.ret = ret;
  else draft.warnings.push(`-R takes full or hdrs: "${value}" is ignored`);
}

/** RFC 3461 §4.4: printable, at most 100 characters. */
function takeEnvid(draft: Draft, value: string): void {
  if (/^[ -~]{1,100}$/.test(value)) draft.envid = value;
  else draft.warnings.push('-V takes up to 100 printable ASCII characters: it is ignored');
}

/** The older form of `-O`: but for dots, nothing that means anything here. */
function takeShortOption(draft: Draft, value: string): void {
  if (value.startsWith('i')) draft.dotEnds = false;
}

/** Options of sendmail.cf: but for dots, nothing that means anything here. */
function takeLongOption(draft: Draft, value: string): void {
  const [, name = '', setting = ''] = /^([^=]+)(?:=(.*))?$/s.exec(value) ?? [];
  if (/^IgnoreDots$|^i$/i.test(name)) draft.dotEnds = !/^(?:|t|true|1|y|yes)$/i.test(setting);
}

function problem(message: string): CliError {
  return new CliError(exitCode.usage, message);
}

function unsupported(option: string, instead: string): CliError {
  return problem(`sendmail option ${option} is not supported: ${instead}`);
}
